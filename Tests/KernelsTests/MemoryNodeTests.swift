import Foundation
import Kernels
import Synchronization
import Testing

@Suite("Memory nodes")
struct MemoryNodeTests {
    @Test(
        "lists of CPUs read as the kernel writes them",
        arguments: [
            ("0-3,8", "0,1,2,3,8"), ("5", "5"), ("", ""), ("64-65,1023", "64,65,1023"),
            ("1020-9999", "1020,1021,1022,1023"),
        ])
    func lists(text: String, cpus: String) {
        #expect(CPUSet(list: text)?.description == cpus)
    }

    @Test("what is no list is none", arguments: ["a", "3-1", "-1", "1-2-3", "0x1", "1;2"])
    func noLists(text: String) {
        #expect(CPUSet(list: text) == nil)
    }

    @Test("nodes are those with CPUs that this process may use")
    func nodes() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pagoda-nodes-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let allowed = try #require(CPUSet.ofThisThread)
        let first = try #require((0..<1024).first { allowed.intersection(CPUSet([$0])).count == 1 })
        let lists = ["node0": "\(first)", "node1": "1023", "node2": "\(first),1022", "possible": "0-2"]
        for (name, list) in lists {
            let node = folder.appending(path: name)
            try FileManager.default.createDirectory(at: node, withIntermediateDirectories: true)
            try Data("\(list)\n".utf8).write(to: node.appending(path: "cpulist"))
        }
        let nodes = MemoryNode.all(folder: folder.path)
        let expected = allowed.intersection(CPUSet([1023])).count == 0 ? [0, 2] : [0, 1, 2]
        #expect(nodes.map(\.number) == expected)
        #expect(nodes.first?.cpus == CPUSet([first]))
        #expect(MemoryNode.all(folder: "/nonexistent").isEmpty)
    }

    @Test("the threads of a bound pool run on its CPUs, and whoever called it is let go again")
    func boundPool() throws {
        let allowed = try #require(CPUSet.ofThisThread)
        let first = try #require((0..<1024).first { allowed.intersection(CPUSet([$0])).count == 1 })
        let cpus = CPUSet([first])
        let pool = try WorkerPool(workerCount: 3, cpus: cpus)
        let seen = Mutex<[CPUSet?]>([])
        for _ in 0..<2 { pool.run { _ in seen.withLock { $0.append(CPUSet.ofThisThread) } } }
        pool.releaseCaller()
        #expect(seen.withLock { $0 } == [CPUSet?](repeating: cpus, count: 6))
        #expect(CPUSet.ofThisThread == allowed)
    }
}
