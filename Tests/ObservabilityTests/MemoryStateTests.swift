// Memory limits as containers and machines tell them.

import Foundation
import Observability
import Testing

@Suite("MemoryState")
struct MemoryStateTests {
    /// A root folder with these files.
    private func root(_ files: [String: String]) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pagoda-memory-\(UUID().uuidString)")
        for (path, text) in files {
            let file = folder.appending(path: path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        return folder.path
    }

    private let meminfo = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"

    @Test("without a cgroup the machine is the limit")
    func machine() throws {
        let root = try root(["proc/meminfo": meminfo])
        defer { try? FileManager.default.removeItem(atPath: root) }
        let state = try #require(MemoryState.current(root: root))
        #expect(state.limitBytes == 1_024_000)
        #expect(state.availableBytes == 614_400)
        #expect(state.killCount == nil && state.killNotice == nil)
    }

    @Test("of nested cgroups the tightest is the limit, and only the own one's kills count")
    func nested() throws {
        let root = try root([
            "proc/meminfo": meminfo, "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/memory.current": "900000\n",
            "sys/fs/cgroup/outer/memory.max": "500000\n", "sys/fs/cgroup/outer/memory.current": "450000\n",
            "sys/fs/cgroup/outer/memory.stat": "anon 1\ninactive_file 50000\n",
            "sys/fs/cgroup/outer/memory.events": "oom 9\noom_kill 9\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "300000\n",
            "sys/fs/cgroup/outer/inner/memory.events": "low 0\noom 4\noom_kill 2\noom_group_kill 0\n",
        ])
        defer { try? FileManager.default.removeItem(atPath: root) }
        let state = try #require(MemoryState.current(root: root))
        #expect(state.limitBytes == 500_000)
        #expect(state.availableBytes == 100_000)
        #expect(state.killCount == 2)
        #expect(state.killNotice?.hasPrefix("the previous run was killed for memory") == true)
    }

    @Test("version 1 has other files, and no limit is a number beyond any machine")
    func versionOne() throws {
        let root = try root([
            "proc/meminfo": meminfo,
            "proc/self/cgroup": "3:cpu,cpuacct:/x\n2:memory:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "200000\n",
            "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "150000\n",
            "sys/fs/cgroup/memory/docker/abc/memory.stat": "cache 5\ntotal_inactive_file 30000\n",
            "sys/fs/cgroup/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "700000\n",
        ])
        defer { try? FileManager.default.removeItem(atPath: root) }
        let state = try #require(MemoryState.current(root: root))
        #expect(state.limitBytes == 200_000)
        #expect(state.availableBytes == 80_000)
        #expect(state.killCount == 0 && state.killNotice == nil)
    }

    @Test("without anything to read there is nothing to tell")
    func nothing() {
        #expect(MemoryState.current(root: "/nowhere") == nil)
    }

    #if os(Linux)
        @Test("this machine's own state is plausible, and shows in a scrape")
        func here() throws {
            let state = try #require(MemoryState.current())
            #expect(state.limitBytes > 1e8 && state.availableBytes > 0 && state.availableBytes <= state.limitBytes)
            let scrape = try serviceMetrics().scrape
            #expect(scrape["pagoda_memory_limit_bytes"] == state.limitBytes)
            #expect(scrape["pagoda_memory_available_bytes"] ?? 0 > 0)
        }
    #endif
}
