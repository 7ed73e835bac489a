// The names of a prompt's blocks.

import Crypto
import Primitives
import Scheduling

/// Chains SHA-256 over the blocks of a sequence: a block's name is the hash of the name before it and of its tokens, so
/// that it stands for everything up to the block's end. The first one hangs on the scope of sharing.
struct PrefixHasher {
    let blockSize: Int
    private var bytes: [UInt8] = []

    init(blockSize: Int) {
        self.blockSize = blockSize
    }

    /// What the first block's name hangs on.
    static func root(scope: String) -> BlockHash {
        hash(Array(scope.utf8))
    }

    /// The name of the block that holds `tokens`, after the one with the name `parent`.
    mutating func name(of tokens: some Sequence<TokenID>, after parent: BlockHash) -> BlockHash {
        bytes.removeAll(keepingCapacity: true)
        for index in parent.words.indices {
            append(parent.words[index])
        }
        for token in tokens {
            append(UInt32(bitPattern: token))
        }
        return Self.hash(bytes)
    }

    /// The names of the full blocks of `tokens`.
    mutating func names(of tokens: [TokenID], after root: BlockHash) -> [BlockHash] {
        var names: [BlockHash] = []
        for first in stride(from: 0, through: tokens.count - blockSize, by: blockSize) {
            names.append(name(of: tokens[first..<first + blockSize], after: names.last ?? root))
        }
        return names
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    private static func hash(_ bytes: [UInt8]) -> BlockHash {
        var words = InlineArray<4, UInt64>(repeating: 0)
        for (index, byte) in SHA256.hash(data: bytes).enumerated() {
            words[index / 8] |= UInt64(byte) << (index % 8 * 8)
        }
        return BlockHash(words: words)
    }
}
