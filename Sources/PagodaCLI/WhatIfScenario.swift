// `--what-if SETTING=VALUE,…`: settings that a server does not have.

internal import ArgumentParser
internal import Engine
internal import Workload

/// Changes to the settings of a capture, each checked by the option of `pagoda serve` that it is named after.
struct WhatIfScenario: Sendable {
    /// As the operator wrote it.
    let name: String
    private(set) var replicas = 1
    private var changes: [@Sendable (inout WorkloadSettings) -> Void] = []
    private var cache = CacheChange()

    private static let schedulerKeys = [
        "max-num-seqs", "max-num-batched-tokens", "long-prefill-token-threshold", "max-decode-slowdown",
        "scheduling-policy", "priority-aging", "max-bypass", "scheduler-delay",
    ]
    private static let cacheKeys = ["block-size", "kv-cache-memory-bytes", "enable-prefix-caching"]
    private static let otherNames = ["policy": "scheduling-policy", "page-size": "block-size"]

    init(_ text: String) throws(CommandError) {
        name = text
        for setting in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { String($0.drop { $0 == " " }) }
            guard parts.count == 2, !parts[1].isEmpty else { throw Self.unknown(text) }
            var key = String(parts[0].map { $0 == "_" ? "-" : $0 }.drop { $0 == "-" })
            key = Self.otherNames[key] ?? key
            try add(key, parts[1])
        }
    }

    /// What the server would be set to.
    func settings(from captured: WorkloadSettings) throws(CommandError) -> WorkloadSettings {
        var settings = captured
        for change in changes { change(&settings) }
        try cache.apply(to: &settings, name: name)
        return settings
    }

    private mutating func add(_ key: String, _ value: String) throws(CommandError) {
        if key == "replicas" {
            guard let count = Int(value), (1...64).contains(count) else {
                throw refusal("replicas is from 1 to 64")
            }
            replicas = count
        } else if Self.schedulerKeys.contains(key) {
            try addSchedulerChange(key, value)
        } else if key == "enable-prefix-caching" {
            guard let truth = Self.truths[value.lowercased()] else {
                throw refusal("enable-prefix-caching is true or false")
            }
            changes.append { $0.cachesPrefixes = truth }
        } else if Self.cacheKeys.contains(key) {
            let options: CacheOptions = try parsed(key, value)
            if key == "block-size" {
                cache.blockSize = try options.checkedBlockSize()
            } else {
                cache.bytes = options.kvCacheMemoryBytes?.value
            }
        } else {
            throw Self.unknown(name)
        }
    }

    private static let truths = ["true": true, "on": true, "1": true, "false": false, "off": false, "0": false]

    private mutating func addSchedulerChange(_ key: String, _ value: String) throws(CommandError) {
        let options: SchedulerOptions = try parsed(key, value)
        var engine = EngineConfiguration(maxModelLength: 1)
        try options.apply(to: &engine)
        let wanted = engine, policy = options.schedulingPolicy
        switch key {
        case "max-num-seqs":
            changes.append { settings in
                settings.maxRunningSequences = wanted.maxRunningSequences
                settings.maxLogitRows = LoadPlan.logitRows(maxRunningSequences: wanted.maxRunningSequences)
            }
        case "max-num-batched-tokens":
            let count = try positive(options.maxNumBatchedTokens.value, option: key)
            changes.append { $0.maxBatchedTokens = count }
        case "long-prefill-token-threshold": changes.append { $0.maxPrefillChunk = wanted.maxPrefillChunk }
        case "max-decode-slowdown": changes.append { $0.maxDecodeSlowdown = wanted.maxDecodeSlowdown }
        case "scheduling-policy": changes.append { $0.policy = policy }
        case "priority-aging": changes.append { $0.priorityAging = wanted.priorityAging.inSeconds }
        case "max-bypass": changes.append { $0.maxBypassCount = wanted.maxBypassCount }
        default: changes.append { $0.schedulerDelay = wanted.schedulerDelay.inSeconds }
        }
    }

    /// The options with one of them set, as `pagoda serve` would read them.
    private func parsed<Options: ParsableArguments>(_ key: String, _ value: String) throws(CommandError) -> Options {
        do {
            return try Options.parse(["--\(key)=\(value)"])
        } catch {
            throw refusal(Options.message(for: error))
        }
    }

    private func refusal(_ reason: String) -> CommandError { .impossibleScenario(name, reason: reason) }

    private static func unknown(_ text: String) -> CommandError {
        let keys = (schedulerKeys + cacheKeys + ["replicas"]).joined(separator: ", ")
        return .impossibleScenario(text, reason: "a scenario is SETTING=VALUE[,SETTING=VALUE…] of \(keys)")
    }
}

/// How the KV cache's memory would be cut. What is not asked for stays: the memory, or the size of a block.
private struct CacheChange: Sendable {
    var blockSize: Int?
    var bytes: Int?

    func apply(to settings: inout WorkloadSettings, name: String) throws(CommandError) {
        guard blockSize != nil || bytes != nil else { return }
        var tokens = settings.blockCount * settings.blockSize
        if let bytes {
            guard settings.cacheBytesPerToken > 0 else {
                throw .impossibleScenario(name, reason: "the capture does not say what a token takes in the KV cache")
            }
            tokens = max(0, bytes) / settings.cacheBytesPerToken
        }
        let before = settings.blockCount
        settings.blockSize = blockSize ?? settings.blockSize
        settings.blockCount = tokens / settings.blockSize
        let needed = (settings.maxModelLength + settings.blockSize - 1) / settings.blockSize
        guard settings.blockCount >= needed, tokens <= Int(Int32.max) else {
            throw .impossibleScenario(
                name,
                reason: """
                    the KV cache would hold \(tokens) tokens, and must hold one sequence of --max-model-len \
                    \(settings.maxModelLength), and at most \(Int32.max)
                    """)
        }
        // A tenant's ceiling is a share of the cache.
        for index in settings.tenants.indices {
            settings.tenants[index].maxBlocks = settings.tenants[index].maxBlocks.map { own in
                max(1, Int(Double(own) / Double(before) * Double(settings.blockCount)))
            }
        }
    }
}
