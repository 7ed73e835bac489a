// The memory nodes (NUMA) of a machine: which CPUs are near which memory.

internal import CKernels

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A set of the machine's first 1024 CPUs.
public struct CPUSet: Sendable, Equatable, CustomStringConvertible {
    /// Bit c % 64 of word c / 64 stands for CPU c.
    let words: [UInt64]

    private static let capacity = Int(PG_CPU_WORDS) * 64

    public init(_ cpus: some Sequence<Int>) {
        var words = [UInt64](repeating: 0, count: Int(PG_CPU_WORDS))
        for cpu in cpus where (0..<Self.capacity).contains(cpu) { words[cpu / 64] |= 1 << UInt64(cpu % 64) }
        self.words = words
    }

    /// Reads the kernel's form of a list, such as `0-3,8`; nil if it is none.
    public init?(list: String) {
        var cpus: Set<Int> = []
        for range in list.split(separator: ",", omittingEmptySubsequences: true) {
            let ends = range.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 0, first <= last
            else { return nil }
            cpus.formUnion(first...min(last, max(first, Self.capacity)))
        }
        self.init(cpus)
    }

    /// Those that the calling thread may run on; nil where the system does not say.
    public static var ofThisThread: CPUSet? {
        var words = [UInt64](repeating: 0, count: Int(PG_CPU_WORDS))
        guard pg_thread_cpus(&words) != 0 else { return nil }
        return CPUSet(words: words)
    }

    private init(words: [UInt64]) { self.words = words }

    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    public func intersection(_ other: CPUSet) -> CPUSet {
        CPUSet(words: zip(words, other.words).map { $0 & $1 })
    }

    /// As the kernel writes lists, without ranges.
    public var description: String {
        (0..<Self.capacity).filter { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }.map(String.init)
            .joined(separator: ",")
    }
}

/// CPUs and the memory that is near them.
public struct MemoryNode: Sendable, Equatable {
    /// The system's number of the node.
    public let number: Int
    /// Those of its CPUs that this process may use.
    public let cpus: CPUSet

    public init(number: Int, cpus: CPUSet) {
        self.number = number
        self.cpus = cpus
    }

    /// The machine's nodes with CPUs for this process, in order of their numbers; empty where the system has no word of
    /// nodes.
    ///
    /// - Parameter folder: Where Linux describes them.
    public static func all(folder: String = "/sys/devices/system/node") -> [MemoryNode] {
        guard let allowed = CPUSet.ofThisThread else { return [] }
        return (0..<1024).compactMap { number in
            guard let list = firstLine(of: "\(folder)/node\(number)/cpulist"), let cpus = CPUSet(list: list) else {
                return nil
            }
            let node = MemoryNode(number: number, cpus: cpus.intersection(allowed))
            return node.cpus.count > 0 ? node : nil
        }
    }

    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
