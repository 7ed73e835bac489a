// How much memory and how many cores this process may use.

internal import CPlatform

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Limits of the machine, or of the container around this process.
enum Machine {
    /// Bytes this process may use: the machine's memory or the tightest cgroup limit above it.
    static var memoryBytes: Int {
        let pages = sysconf(Int32(_SC_PHYS_PAGES)), pageSize = sysconf(Int32(_SC_PAGESIZE))
        let physical = Int(pages).multipliedReportingOverflow(by: Int(pageSize))
        return min(physical.overflow ? Int.max : physical.partialValue, cgroupLimit ?? Int.max)
    }

    /// Cores this process may run on.
    static var coreCount: Int {
        max(1, min(Int(pg_allowed_core_count()), cgroupCores ?? Int.max))
    }

    /// Whether this process was given some of the machine's cores.
    static var isBound: Bool { Int(pg_allowed_core_count()) < sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    /// The least memory.max on the way from this process's cgroup up to the root (v2), or the v1 limit.
    private static var cgroupLimit: Int? {
        var limits = cgroupFolders.compactMap { text(of: "\($0)/memory.max").flatMap { Int($0) } }
        if let old = text(of: "/sys/fs/cgroup/memory/memory.limit_in_bytes").flatMap({ Int($0) }) { limits.append(old) }
        return limits.min()
    }

    /// The least cpu.max quota on that way, in whole cores, rounded up.
    private static var cgroupCores: Int? {
        cgroupFolders.compactMap { folder -> Int? in
            let fields = text(of: "\(folder)/cpu.max")?.split(separator: " ") ?? []
            guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]), period > 0
            else { return nil }
            return max(1, (quota - 1) / period + 1)
        }.min()
    }

    private static var cgroupFolders: [String] {
        let lines = text(of: "/proc/self/cgroup")?.split(separator: "\n") ?? []
        let path = lines.first { $0.hasPrefix("0::") }?.dropFirst(3) ?? ""
        var parts = path.split(separator: "/").filter { $0 != ".." }
        var folders: [String] = []
        while true {
            folders.append((["/sys/fs/cgroup"] + parts.map(String.init)).joined(separator: "/"))
            if parts.isEmpty { return folders }
            parts.removeLast()
        }
    }

    /// The content of a small file, without its last line break.
    private static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
