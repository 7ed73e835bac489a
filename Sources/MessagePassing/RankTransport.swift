// What ranks in processes of their own need of whatever carries their messages.

public import Kernels

/// Carries values between the ranks of one model. Called by one thread at a time, but for `interrupt`.
///
/// Whatever the ranks do together they do in the same order; a call returns when this rank's part is done.
public protocol RankTransport: AnyObject, Sendable {
    var rank: Int { get }
    var rankCount: Int { get }
    /// Ranks on this machine, this one included.
    var localCount: Int { get }

    /// Rank 0's bytes, at most `limit`, for everybody; what the others give does not count.
    func broadcast(_ bytes: [UInt8], limit: Int) throws(RankError) -> [UInt8]
    /// The least of all ranks' values.
    func minimum(_ value: Int) throws(RankError) -> Int
    /// Each value's sum over all ranks.
    func sum(_ values: [Double]) throws(RankError) -> [Double]

    /// Rank 0: sends words to all others.
    func send(_ words: [Int32]) throws(RankError)
    /// The others: waits, as long as it takes, for words of rank 0. Nil: `interrupt` was called.
    func receive(limit: Int, into words: inout [Int32]) throws(RankError) -> Bool

    /// Passes on columns of the first `rows` rows of a matrix: of each rank those that it has computed, to `root` or,
    /// if that is nil, to all.
    func gather(_ matrix: FloatMatrix, rows: Int, columns: [Range<Int>], root: Int?) throws(RankError)
    /// Passes on whole rows: row i is that of rank `owners[i]`.
    func exchangeRows(of matrix: FloatMatrix, owners: [Int32]) throws(RankError)

    /// Ends all waiting, from any thread.
    func interrupt()
    /// Waits until all ranks are done, and takes leave.
    func finish()
}

/// Why a rank cannot go on.
public enum RankError: Error, Equatable, CustomStringConvertible {
    case notBuilt
    case transport(String)
    case timedOut(seconds: Int)
    case interrupted
    case badMessage(String)
    case differs(String)
    case lost(rank: Int, String)

    public var description: String {
        switch self {
        case .notBuilt:
            "mpirun started this process, but it was built without MPI; build it with: make build-mpi."
        case .transport(let reason): "MPI failed: \(reason)."
        case .timedOut(let seconds): "Another rank did not come to a meeting within \(seconds) s."
        case .interrupted: "The wait for the other ranks was ended."
        case .badMessage(let reason): "A batch from rank 0 is not valid: \(reason)."
        case .differs(let what): "The ranks do not run the same thing: \(what)."
        case .lost(let rank, let reason): "Rank \(rank) is lost: \(reason)."
        }
    }
}
