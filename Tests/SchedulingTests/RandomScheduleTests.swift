// 100,000 random machines and loads.

import Scheduling
import Testing

@Suite("Scheduler, random schedules")
struct RandomScheduleTests {
    private static let shardSize = 5_000

    @Test(
        "no block is lost or shared wrongly, everybody ends, and the order is kept", arguments: 0..<20)
    func schedules(shard: Int) {
        var ended = 0, refused = 0, overtaken = 0, preempted = 0
        for seed in (shard * Self.shardSize)..<((shard + 1) * Self.shardSize) {
            var schedule = RandomSchedule(seed: UInt64(seed) &* 0x9E37_79B9)
            do {
                try schedule.run()
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
            ended += schedule.endedCount
            refused += schedule.refusedCount
            overtaken += schedule.overtakenCount
            preempted += schedule.preemptedCount
        }
        // What the laws are about does happen.
        #expect(ended > 20_000 && refused > 2_000 && overtaken > 100 && preempted > 700)
    }
}
