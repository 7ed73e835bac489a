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
            guard let limit = group.limitBytes, limit < machine.limitBytes, let held = group.heldBytes else { continue }
            state.limitBytes = min(state.limitBytes, limit)
            state.availableBytes = min(state.availableBytes, max(0, limit - held))
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

/// A cgroup's memory controller, version 2 or 1. What is used, which costs the kernel most to tell, is read only where
/// it is asked for: of groups with a limit.
private struct ControlGroup {
    private let folder: String
    private let files: Files
    /// Nil: none. Without a limit the file of version 2 says "max"; that of version 1, a number beyond any machine.
    let limitBytes: Double?

    private struct Files {
        let limit, used, dropped, kills: String

        static let version1 = Files(
            limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", dropped: "total_inactive_file",
            kills: "memory.oom_control")
        static let version2 = Files(
            limit: "memory.max", used: "memory.current", dropped: "inactive_file", kills: "memory.events")
    }

    /// Nil if there is no such group, or it cannot be seen.
    private init?(_ folder: String, _ files: Files) {
        guard let limit = ProcFile.bytes("\(folder)/\(files.limit)") else { return nil }
        self.folder = folder
        self.files = files
        limitBytes = ProcFile.number(firstIn: limit)
    }

    /// Used, but for file pages that can be dropped.
    var heldBytes: Double? {
        guard let used = ProcFile.number("\(folder)/\(files.used)") else { return nil }
        return max(0, used - (ProcFile.value(of: files.dropped, inFile: "\(folder)/memory.stat") ?? 0))
    }

    var killCount: Int? {
        ProcFile.value(of: "oom_kill", inFile: "\(folder)/\(files.kills)").flatMap { Int(exactly: $0) }
    }

    /// This process's cgroup and those above it, as far as they can be seen from inside a container.
    static func own(_ root: String) -> [ControlGroup] {
        let lines = ProcFile.bytes("\(root)/proc/self/cgroup")?.split(separator: UInt8(ascii: "\n")) ?? []
        // Hierarchy, controllers, path; version 2 has no controllers here.
        let entries = lines.map { line in
            line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        }.filter { $0.count == 3 }
        func groups(_ entry: [ArraySlice<UInt8>], below top: String, _ files: Files) -> [ControlGroup] {
            folders(of: String(decoding: entry[2], as: UTF8.self), below: root + top)
                .compactMap { ControlGroup($0, files) }
        }
        let memory = entries.first { entry in
            entry[1].split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual("memory".utf8) }
        }
        if let memory { return groups(memory, below: "/sys/fs/cgroup/memory", .version1) }
        let unified = entries.first { $0[1].isEmpty }
        return unified.map { groups($0, below: "/sys/fs/cgroup", .version2) } ?? []
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
}
