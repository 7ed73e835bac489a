// `mpirun -n N pagoda serve`: how ranks in processes of their own find each other, and end together.

internal import Logging
internal import MessagePassing
internal import Models
internal import Observability
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// One process of several that serve a model together.
struct RankGroup {
    let processes: RankProcesses
    private let watch: RankWatch
    private let logger: Logger

    /// The status of a process that ends because another rank is lost: EX_SOFTWARE.
    private static let lossStatus: Int32 = 70
    private static let flushTimeout = Duration.milliseconds(300)

    var isFirst: Bool { processes.transport.rank == 0 }

    /// Meets the other ranks; nil if mpirun did not start this process.
    static func start(_ observation: ServeObservation) async throws -> RankGroup? {
        // Open MPI says so to the processes it starts.
        guard let size = getenv("OMPI_COMM_WORLD_SIZE"), (Int(String(cString: size)) ?? 0) > 1 else { return nil }
        #if MPI
            let transport: any RankTransport = try MPITransport()
            return try await RankGroup(transport, observation)
        #else
            throw RankError.notBuilt
        #endif
    }

    private init(_ transport: any RankTransport, _ observation: ServeObservation) async throws {
        let logger = observation.logger, log = observation.log, rank = transport.rank
        let failure = FailureOnce()
        let fail: @Sendable (RankError) -> Void = { error in
            guard failure.isFirst() else { return }
            logger.critical("rank \(rank) of \(transport.rankCount): \(error) The server ends.")
            log.flush(within: Self.flushTimeout)
            // Nothing of what is under way can be brought to an end: it waits for the lost rank.
            _exit(Self.lossStatus)
        }
        let reports = RankWatch.Reports(lost: fail, ended: { transport.interrupt() })
        var host: RankWatch?
        if rank == 0 {
            host = try await RankWatch.host(
                rankCount: transport.rankCount, isLocal: transport.localCount == transport.rankCount, reports: reports)
        }
        let invitation = try transport.broadcast(Array((host?.invitation ?? "").utf8), limit: 4096)
        if let host {
            watch = host
        } else {
            watch = try await RankWatch.join(
                String(decoding: invitation, as: UTF8.self), rank: rank, reports: reports)
        }
        processes = RankProcesses(transport: transport, fail: fail)
        self.logger = logger
    }

    /// Loads this rank's part and executes what rank 0 sends, until that takes leave.
    func follow(_ plan: LoadPlan) async throws {
        // The end comes by way of rank 0, which gets the same signals.
        signal(SIGTERM, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        plan.log(to: logger)
        try await blocking {
            let executor = try plan.ranks.makeRank(plan.checkpoint, plan.executor) { _ in }
            logger.info("rank \(processes.transport.rank) follows")
            try executor.follow()
        }
        logger.info("rank \(processes.transport.rank) stopped")
    }

    /// Takes leave of the others.
    ///
    /// - Parameter isReady: Whether the model had been loaded: otherwise some rank may be in the middle of it.
    func close(isReady: Bool) async {
        await watch.close()
        if isReady { processes.transport.finish() }
    }
}

/// True for the first who asks.
private final class FailureOnce: Sendable {
    private let isTaken = Atomic<Bool>(false)

    func isFirst() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
