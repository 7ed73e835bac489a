// The engine as everybody else sees it.

public import Models
import Primitives
import Sampling
import Scheduling

/// Continues prompts: tokens in, tokens out. Runs on a thread of its own; everything here may be called from any.
public final class InferenceEngine: Sendable {
    public let configuration: EngineConfiguration
    public let cacheCapacity: CacheCapacity
    public let vocabularySize: Int
    private let limits: SchedulerLimits
    private let tenants: TenantIndex
    private let mailbox: Mailbox

    /// Starts the engine. From here on `executor` belongs to the engine's thread.
    public init(
        configuration: EngineConfiguration, observer: (any EngineObserver)? = nil, executor: sending any Executor
    ) throws(EngineError) {
        self.configuration = configuration
        cacheCapacity = executor.cacheCapacity
        vocabularySize = executor.vocabularySize
        limits = try configuration.limits(
            executor.cacheCapacity, maximumRows: executor.maximumRows, maximumLogitRows: executor.maximumLogitRows)
        tenants = try TenantIndex(configuration.tenants, blockCount: limits.blockCount)
        mailbox = Mailbox()
        let loop = EngineLoop(
            mailbox: mailbox, limits: limits, tenants: tenants, maxDecodeSlowdown: configuration.maxDecodeSlowdown,
            seed: configuration.seed, executor: executor, observer: observer)
        try EngineThread.start(named: "pagoda-engine") {
            loop.run()
        }
    }

    deinit {
        mailbox.shutDown(by: .now())
    }

    /// Puts a request in the queue.
    public func submit(_ request: EngineRequest) throws(EngineError) -> GenerationHandle {
        do throws(SchedulingError) {
            try limits.check(SequenceRequest(request, tenant: tenants[request.origin.tenant]))
        } catch {
            throw EngineError(error)
        }
        for token in request.promptTokenIDs where token < 0 || Int(token) >= vocabularySize {
            throw .tokenOutOfVocabulary(token, vocabularySize: vocabularySize)
        }
        return GenerationHandle(id: request.id, queue: try mailbox.submit(named(request)))
    }

    /// Names the blocks of a request here, on its own task, rather than on the engine's thread.
    private func named(_ request: EngineRequest) -> EngineRequest {
        guard configuration.cachesPrefixes, let scope = request.prefixScope else { return request }
        var request = request, hasher = PrefixHasher(blockSize: limits.blockSize)
        let variant = configuration.rotaryVariants.variant(promptLength: request.promptTokenIDs.count)
        let root = PrefixHasher.root(scope: variant == 0 ? scope : "\(scope)\u{0}\(variant)")
        request.prefixRoot = root
        request.blockHashes = hasher.names(of: request.promptTokenIDs, after: root)
        request.blockNames = request.blockHashes.map { $0.words[0] }
        return request
    }

    /// Refuses new work at once, lets what it has go on for at most `draining`, ends the rest with `.abort`, and
    /// returns when the thread has ended. May be called again, to shorten the time.
    public func shutdown(draining: Duration) async {
        let bounded = min(max(draining, .zero), .seconds(1_000_000_000))
        mailbox.shutDown(by: Instant.now().advanced(by: bounded))
        await mailbox.waitForEnd()
    }

    public var status: EngineStatus { mailbox.status }

    /// Every sequence that has not ended, in order of arrival, as of the engine's next step.
    public func sequencesInFlight() async -> [SequenceStatistics] {
        await withCheckedContinuation { continuation in
            let isTaken = mailbox.post(.inspect { continuation.resume(returning: $0) })
            if !isTaken { continuation.resume(returning: []) }
        }
    }
}
