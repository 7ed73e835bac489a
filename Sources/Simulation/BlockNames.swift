// By what blocks of simulated sequences are found, at any block size.

internal import Primitives
internal import Scheduling
internal import Workload

/// Names blocks of `blockSize` tokens from the names of captured ones, which may be of another size.
///
/// A block whose end is that of a captured one has its name. One that ends within a captured block has a name of its
/// own under that block's: prompts that part within it are told apart too early, by less than a captured block. What
/// follows a prompt's last captured block belongs to its request alone, and so do outputs: that a later prompt repeats
/// an earlier answer is not known here.
struct BlockNames: Sendable {
    let blockSize: Int
    let capturedSize: Int

    /// The names of a prompt's full blocks; none if it shares nothing.
    func names(of request: WorkloadRequest, at index: Int) -> [BlockHash] {
        guard shares(request) else { return [] }
        return (0..<request.promptTokenCount / blockSize).map { block in
            let end = (block + 1) * blockSize
            let (captured, offset) = end.quotientAndRemainder(dividingBy: capturedSize)
            // A captured block covers the end, or ends there.
            let place = offset == 0 ? captured - 1 : captured
            guard request.prefixBlocks.indices.contains(place) else { return own(index, sample: 0, block: block) }
            return Self.hash(request.prefixBlocks[place], UInt64(offset), 0)
        }
    }

    /// Whether its blocks have names: a prompt without a full captured block shares none, but finds its own again.
    func shares(_ request: WorkloadRequest) -> Bool {
        !request.prefixBlocks.isEmpty || request.promptTokenCount < capturedSize
    }

    /// The name of a block that no other request has.
    func own(_ request: Int, sample: Int, block: Int) -> BlockHash {
        Self.hash(UInt64(request), UInt64(block), UInt64(sample) + 1)
    }

    private static func hash(_ name: UInt64, _ place: UInt64, _ kind: UInt64) -> BlockHash {
        let first = SplitMix64.mixed(name ^ SplitMix64.mixed(place &+ SplitMix64.mixed(kind &+ 1)))
        return BlockHash(words: [first, name, place, kind])
    }
}
