// The JSON form of workloads: its names and its bounds, said once for whoever writes and whoever reads.

import JSON

/// A document is an object:
///
/// - `workload`: the format's version.
/// - `duration`, `preemptions`, `unfinished`; `settings` and `tenants`: objects, see `WorkloadSettings`.
/// - `requests`: objects of `at`, `prompt`, `generated` (a list), and where they are not 0, false or unknown `first`,
///   `end`, `priority`, `tenant`, `aborted` and `blocks`: runs [first name, count] of consecutive numbers.
/// - `steps`: arrays of seven numbers, in the order of `StepSample`'s members.
/// - `token_latencies`: numbers.
///
/// Names of blocks are numbered anew, in the order in which they first appear: a prompt that shares its first blocks
/// with none has one run, and nothing of the prompt is left but who shares what.
enum WorkloadFormat {
    static let version: Int64 = 1
    static let versionField = "workload"

    // A recorder keeps less than an eighth of these.
    static let requestLimit = 65_536
    static let sampleLimit = 1_048_576
    static let blockNameLimit = 4_194_304
    static let stepLimit = 65_536
    static let latencyLimit = 1_048_576
    static let tenantLimit = 4096
    static let nameLimit = 256

    /// Tokens of one prompt, one output, one step; and blocks, which take memory in a replay.
    static let tokens = 0...(1 << 24)
    static let blocks = 1...(1 << 24)
    /// Exact as a `Double`.
    static let sums = 0...(1 << 53)
    static let seconds = 0.0...1e9

    static let jsonLimits = JSONLimits(
        depth: 6, valueCount: 8_000_000, sizeBytes: 128 << 20, rejectsDuplicateKeys: true)
}
