// The options of whatever runs an engine about who computes what when.

internal import ArgumentParser
internal import Engine
internal import Scheduling

struct SchedulerOptions: ParsableArguments {
    @Option(help: "Sequences that run at once.")
    var maxNumSeqs = 128

    @Option(help: "Tokens computed in one step, prompts and outputs together.")
    var maxNumBatchedTokens: HumanCount = HumanCount(2048)

    @Option(help: "Tokens of one prompt computed in one step; 0: as many as the step has left.")
    var longPrefillTokenThreshold = 0

    @Option(
        help: """
            How many times as long as without prompts a step beside running streams may take; prompts get the rest of \
            that time. 0: no bound. By default 2.5 in a server, and none where nobody reads along.
            """)
    var maxDecodeSlowdown: Double?

    @Option(help: "Who goes first: fcfs (whoever came first) or priority (requests' field `priority`, lower first).")
    var schedulingPolicy = SchedulingPolicy.fcfs.rawValue

    @Option(help: "Seconds of waiting that are worth one level of priority, so that nobody starves; 0: none are.")
    var priorityAging = 30.0

    @Option(help: "Requests that may go before one that does not fit yet; 0: nobody overtakes.")
    var maxBypass = 16

    @Option(help: "Milliseconds in which arrivals are gathered before they are admitted; 0 turns it off.")
    var schedulerDelay = 10.0

    func validate() throws {
        var configuration = EngineConfiguration(maxModelLength: 1)
        try apply(to: &configuration)
    }

    /// Sets what the scheduler goes by.
    func apply(to engine: inout EngineConfiguration) throws(CommandError) {
        engine.maxRunningSequences = try positive(maxNumSeqs, option: "max-num-seqs")
        engine.maxPrefillChunk = longPrefillTokenThreshold > 0 ? longPrefillTokenThreshold : nil
        let delay = try checked(schedulerDelay, in: 0...60_000, option: "scheduler-delay", unit: " milliseconds")
        engine.schedulerDelay = .microseconds(Int64(delay * 1000))
        engine.maxDecodeSlowdown = try checked(maxDecodeSlowdown ?? 2.5, in: 0...1000, option: "max-decode-slowdown")
        guard (0...1_000_000).contains(maxBypass) else {
            throw .invalidOption(name: "max-bypass", value: "\(maxBypass)", allowed: "0 to 1000000")
        }
        engine.maxBypassCount = maxBypass
        guard let policy = SchedulingPolicy(rawValue: schedulingPolicy) else {
            let known = SchedulingPolicy.allCases.map(\.rawValue).joined(separator: " or ")
            throw .invalidOption(name: "scheduling-policy", value: schedulingPolicy, allowed: known)
        }
        engine.policy = policy
        let aging = try checked(priorityAging, in: 0...86_400, option: "priority-aging", unit: " seconds")
        engine.priorityAging = .microseconds(Int64(aging * 1_000_000))
    }
}
