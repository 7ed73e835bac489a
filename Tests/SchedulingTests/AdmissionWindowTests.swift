// When arrivals wait for others.

import Primitives
import Scheduling
import Testing

@Suite("Admission window")
struct AdmissionWindowTests {
    private static func instant(_ milliseconds: Int) -> Instant {
        Instant(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    /// Two running, two waiting that came at 100 and 103 ms; it is 105 ms.
    private static func holds(
        delay: Int = 10, now: Int = 105, _ change: (inout AdmissionWindow.Queue) -> Void = { _ in }
    ) -> Bool {
        var queue = AdmissionWindow.Queue(
            runningCount: 2, waitingCount: 2, waitingTokenCount: 20, oldestArrival: instant(100),
            latestArrival: instant(103), arrivalBefore: instant(100))
        change(&queue)
        return AdmissionWindow(delay: .milliseconds(delay)).holds(
            queue, now: instant(now), maxRunningSequences: 8, maxBatchedTokens: 64)
    }

    @Test("gathers while arrivals are dense, up to the delay after the oldest")
    func gathering() {
        #expect(Self.holds())
        #expect(Self.holds(now: 109))
        #expect(!Self.holds(now: 110))
    }

    @Test("never holds where it could only cost")
    func costOnly() {
        #expect(!Self.holds(delay: 0), "turned off")
        #expect(!Self.holds { $0.runningCount = 0 }, "an idle engine")
        #expect(!Self.holds { $0.waitingCount = 6 }, "as many waiting as there are places")
        #expect(!Self.holds { $0.waitingTokenCount = 62 }, "a step's worth of tokens waiting")
        #expect(!Self.holds { $0.oldestArrival = nil }, "a preempted sequence")
        #expect(!Self.holds { $0.arrivalBefore = nil }, "the first arrival of all")
        #expect(!Self.holds { $0.arrivalBefore = Self.instant(93) }, "arrivals further apart than the window")
    }

    @Test("a scheduler admits after the window what it held inside it")
    func inTheScheduler() throws {
        var limits = SchedulerLimits(maxModelLength: 64, blockSize: 4, blockCount: 100)
        limits.admissionDelay = .milliseconds(10)
        var scheduler = Scheduler(limits: limits)
        var batch = Batch()
        let request = SequenceRequest(promptCount: 5, maximumTokens: 20)
        let first = try scheduler.submit(request, at: Self.instant(0))
        scheduler.schedule(at: Self.instant(1), into: &batch)
        #expect(batch.admitted == first)
        scheduler.commit(batch)
        scheduler.extend(first[0])
        let second = try scheduler.submit(request, at: Self.instant(2))
        scheduler.schedule(at: Self.instant(3), into: &batch)
        #expect(batch.admitted.isEmpty && batch.entries.map(\.sequence) == first)
        scheduler.commit(batch)
        scheduler.extend(first[0])
        scheduler.schedule(at: Self.instant(12), into: &batch)
        #expect(batch.admitted == second)
    }
}
