// How much memory this process may use, and whether it was ever killed for it.

/// The limits of the machine, or of the container around this process, as the kernel tells them now.
public struct MemoryState: Sendable, Equatable {
    /// The machine's memory, or the tightest limit of the cgroups that this process is in.
    public var limitBytes: Double
    /// What can be taken before that limit is reached or the machine is full; file pages that can be dropped count.
    public var availableBytes: Double
    /// Processes of this process's own cgroup that the kernel has killed for want of memory; nil if it does not say.
    public var killCount: Int?

    /// - Parameter root: where `/proc` and `/sys` are.
    public static func current(root: String = "") -> MemoryState? {
        guard let machine = machineState(root) else { return nil }
        let groups = ControlGroup.own(root)
        var state = machine
        for group in groups {
            guard let limit = group.limitBytes, limit < machine.limitBytes else { continue }
            state.limitBytes = min(state.limitBytes, limit)
            state.availableBytes = min(state.availableBytes, max(0, limit - group.heldBytes))
        }
        state.killCount = groups.first?.killCount
        return state
    }

    /// What to say at start if the counter is not 0, which it is when the one before died of it in the same container.
    public var killNotice: String? {
        guard let killCount, killCount > 0 else { return nil }
        let times = killCount == 1 ? "once" : "\(killCount) times"
        return """
            the previous run was killed for memory: the kernel's OOM killer has struck \(times) in this container; \
            give it more memory, or lower --kv-cache-memory-bytes or --max-model-len
            """
    }

    private static func machineState(_ root: String) -> MemoryState? {
        guard let lines = ProcFile.bytes("\(root)/proc/meminfo") else { return nil }
        func bytes(_ key: String) -> Double? {
            ProcFile.value(of: "\(key):", in: lines).map { $0 * 1024 }
        }
        guard let total = bytes("MemTotal") else { return nil }
        return MemoryState(limitBytes: total, availableBytes: bytes("MemAvailable") ?? total, killCount: nil)
    }
}

/// A cgroup's memory controller, version 2 or 1.
private struct ControlGroup {
    /// Nil: none.
    var limitBytes: Double?
    /// Used, but for file pages that can be dropped.
    var heldBytes: Double
    var killCount: Int?

    /// This process's cgroup and those above it, as far as they can be seen from inside a container.
    static func own(_ root: String) -> [ControlGroup] {
        let lines = ProcFile.bytes("\(root)/proc/self/cgroup")?.split(separator: UInt8(ascii: "\n")) ?? []
        // Hierarchy, controllers, path; version 2 has no controllers here.
        let entries = lines.map { line in
            line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        }.filter { $0.count == 3 }
        func path(_ entry: [ArraySlice<UInt8>]) -> String { String(decoding: entry[2], as: UTF8.self) }
        let memory = entries.first { entry in
            entry[1].split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual("memory".utf8) }
        }
        if let memory { return folders(of: path(memory), below: "\(root)/sys/fs/cgroup/memory").compactMap(version1) }
        let unified = entries.first { $0[1].isEmpty }
        if let unified { return folders(of: path(unified), below: "\(root)/sys/fs/cgroup").compactMap(version2) }
        return []
    }

    private static func folders(of path: String, below top: String) -> [String] {
        var parts = path.split(separator: "/").filter { $0 != ".." }
        var folders: [String] = []
        while true {
            folders.append(([top] + parts.map(String.init)).joined(separator: "/"))
            if parts.isEmpty { return folders }
            parts.removeLast()
        }
    }

    private static func version2(_ folder: String) -> ControlGroup? {
        guard let used = ProcFile.number("\(folder)/memory.current") else { return nil }
        return ControlGroup(
            // Without a limit the file says "max".
            limitBytes: ProcFile.number("\(folder)/memory.max"),
            heldBytes: max(0, used - (ProcFile.value(of: "inactive_file", inFile: "\(folder)/memory.stat") ?? 0)),
            killCount: ProcFile.value(of: "oom_kill", inFile: "\(folder)/memory.events").flatMap { Int(exactly: $0) })
    }

    private static func version1(_ folder: String) -> ControlGroup? {
        guard let used = ProcFile.number("\(folder)/memory.usage_in_bytes") else { return nil }
        let dropped = ProcFile.value(of: "total_inactive_file", inFile: "\(folder)/memory.stat") ?? 0
        return ControlGroup(
            // Without a limit this is a number larger than any machine.
            limitBytes: ProcFile.number("\(folder)/memory.limit_in_bytes"), heldBytes: max(0, used - dropped),
            killCount: ProcFile.value(of: "oom_kill", inFile: "\(folder)/memory.oom_control")
                .flatMap { Int(exactly: $0) })
    }
}
