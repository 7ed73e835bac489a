import ArgumentParser
import PagodaCLI
import Testing

@Suite("Scheduler's options")
struct SchedulerOptionsTests {
    private func parse(_ line: String) throws {
        _ = try Pagoda.parseAsRoot(Pagoda.normalized(["serve", "model"] + line.split(separator: " ").map(String.init)))
    }

    @Test(
        "what can be is accepted",
        arguments: [
            "", "--max-num-seqs 1024", "--scheduling-policy priority --priority-aging 0", "--scheduling_policy fcfs",
            "--max-decode-slowdown 0 --max-bypass 0 --scheduler-delay 0", "--long-prefill-token-threshold 256",
            "--max-num-queued-tokens 100K --max-queue-time 0.5 --ttft-slo-ms 250",
        ])
    func accepted(line: String) throws {
        try parse(line)
    }

    @Test(
        "what can't be is refused before anything is loaded",
        arguments: [
            "--max-num-seqs 0", "--scheduling-policy fifo", "--priority-aging nan", "--max-decode-slowdown inf",
            "--max-bypass 1000001", "--scheduler-delay 60001", "--max-num-queued-tokens 0", "--max-queue-time nan",
            "--ttft-slo-ms inf",
        ])
    func refused(line: String) {
        #expect(throws: (any Error).self) { try parse(line) }
    }
}
