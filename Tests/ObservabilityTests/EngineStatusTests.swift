// How the engine's status is asked for, over and over.

import Engine
import EngineTesting
import Foundation
import Observability
import Synchronization
import Telemetry
import Testing

@Suite("Engine status")
struct EngineStatusTests {
    @Test("asking for the engine's status gets no deeper with every scrape")
    func depth() async throws {
        let metrics = try serviceMetrics()
        let engine = try InferenceEngine(
            configuration: EngineConfiguration(maxModelLength: 64), observer: metrics.engine,
            executor: ScriptedExecutor())
        let depths = Mutex<[Int]>([])
        metrics.engine.watch {
            let depth = Thread.callStackReturnAddresses.count
            depths.withLock { $0.append(depth) }
            return engine.status
        }
        for _ in 0..<20 { _ = metrics.registry.exposition() }
        let found = depths.withLock { $0 }
        #expect(found.count == 20)
        #expect(found[0] > 0)
        #expect(Set(found).count == 1, "\(found)")
        await engine.shutdown(draining: .zero)
    }
}
