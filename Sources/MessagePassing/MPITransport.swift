// Ranks started by mpirun. Built with the package trait MPI alone.

#if MPI
    internal import CMPI
    public import Kernels

    /// The processes that one mpirun started.
    public final class MPITransport: RankTransport {
        public let rank: Int
        public let rankCount: Int
        public let localCount: Int

        /// So long a rank waits for another in the middle of what they do together. All do the same work, so that any
        /// wait is short; a process that is gone or stopped is noticed much sooner, see `RankWatch`.
        private static let timeoutSeconds = 30

        public init() throws(RankError) {
            var world = pg_mpi_world()
            try Self.check(pg_mpi_start(Double(Self.timeoutSeconds), &world), "start")
            rank = Int(world.rank)
            rankCount = Int(world.size)
            localCount = Int(world.local_size)
        }

        private static func check(_ code: Int32, _ call: String) throws(RankError) {
            switch code {
            case Int32(PG_MPI_OK.rawValue): return
            case Int32(PG_MPI_TIMEOUT.rawValue): throw .timedOut(seconds: timeoutSeconds)
            case Int32(PG_MPI_INTERRUPTED.rawValue): throw .interrupted
            case Int32(PG_MPI_TOO_LARGE.rawValue): throw .badMessage("it is longer than any may be")
            default: throw .transport("in \(call)")
            }
        }

        public func broadcast(_ bytes: [UInt8], limit: Int) throws(RankError) -> [UInt8] {
            // Its length, then the bytes.
            var length = Int64(rank == 0 ? bytes.count : Int.max)
            try Self.check(pg_mpi_minimum(&length, 1), "broadcast")
            guard length >= 0, length <= Int64(limit), let count = Int32(exactly: length) else {
                throw .badMessage("it is longer than any may be")
            }
            var all = rank == 0 ? bytes : [UInt8](repeating: 0, count: Int(count))
            try Self.check(pg_mpi_broadcast(&all, count), "broadcast")
            return all
        }

        public func minimum(_ value: Int) throws(RankError) -> Int {
            var values = Int64(value)
            try Self.check(pg_mpi_minimum(&values, 1), "minimum")
            return Int(values)
        }

        public func sum(_ values: [Double]) throws(RankError) -> [Double] {
            var values = values
            try Self.check(pg_mpi_sum(&values, Int32(values.count)), "sum")
            return values
        }

        public func send(_ words: [Int32]) throws(RankError) {
            guard let count = Int32(exactly: words.count) else { throw .badMessage("it is longer than any may be") }
            try Self.check(pg_mpi_send(words, count), "send")
        }

        public func receive(limit: Int, into words: inout [Int32]) throws(RankError) -> Bool {
            var count: Int32 = 0
            do throws(RankError) {
                try Self.check(pg_mpi_await(Int32(clamping: limit), &count), "receive")
            } catch .interrupted {
                return false
            }
            words.removeAll(keepingCapacity: true)
            words.append(contentsOf: repeatElement(0, count: Int(count)))
            try Self.check(pg_mpi_receive(&words, count), "receive")
            return true
        }

        public func gather(
            _ matrix: FloatMatrix, rows: Int, columns: [Range<Int>], root: Int?
        ) throws(RankError) {
            guard rows > 0 else { return }
            precondition(rows <= matrix.rowCount && columns.count == rankCount, "exchange out of range")
            precondition(columns.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= matrix.columnCount })
            let first = columns.map { Int32($0.lowerBound) }, widths = columns.map { Int32($0.count) }
            let code = matrix.withElements { elements in
                pg_mpi_gather(
                    elements, Int64(matrix.columnCount), Int32(rows), first, widths, Int32(root ?? -1))
            }
            try Self.check(code, "gather")
        }

        public func exchangeRows(of matrix: FloatMatrix, owners: [Int32]) throws(RankError) {
            guard !owners.isEmpty else { return }
            precondition(owners.count <= matrix.rowCount, "exchange out of range")
            let code = matrix.withElements { elements in
                pg_mpi_exchange_rows(elements, Int32(matrix.columnCount), Int32(owners.count), owners)
            }
            try Self.check(code, "exchange of rows")
        }

        public func interrupt() { pg_mpi_interrupt() }

        public func finish() { pg_mpi_finish() }
    }
#endif
