// Files for tests: a temporary folder, and writers of GGUF and safetensors that can also lie.

import Foundation
import JSON
import Testing

/// A folder that vanishes with this object.
final class TemporaryFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "pagoda-files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// - Returns: The path of the new file.
    @discardableResult
    func write(_ bytes: [UInt8], as name: String = "file.gguf") throws -> String {
        let file = path + "/" + name
        // Not Data.write, which waits for the disk: the mutation tests write thousands of files.
        let stream = try #require(fopen(file, "wb"))
        defer { fclose(stream) }
        try #require(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
        return file
    }

    @discardableResult
    func write(_ text: String, as name: String) throws -> String {
        try write(Array(text.utf8), as: name)
    }
}

/// Little-endian bytes.
struct Bytes {
    var all: [UInt8] = []

    mutating func add<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { all.append(contentsOf: $0) }
    }

    mutating func add(_ text: String, length: UInt64? = nil) {
        add(length ?? UInt64(text.utf8.count))
        all.append(contentsOf: text.utf8)
    }
}

/// A GGUF file, every number of which a test may falsify.
struct GGUFWriter {
    struct Tensor {
        var name: String
        var dimensions: [UInt64]
        var type: UInt32 = 0
        var byteCount: Int
        /// The right one if nil.
        var offset: UInt64?
        var rank: UInt32?
    }

    var magic: UInt32 = 0x4655_4747
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var pairCount: UInt64?
    /// Encoded: key, type, value.
    var pairs: [[UInt8]] = []
    var tensors: [Tensor] = []
    var alignment = 32
    /// Bytes taken off the end.
    var cut = 0

    mutating func pair(_ key: String, type: UInt32, _ encode: (inout Bytes) -> Void) {
        var bytes = Bytes()
        bytes.add(key)
        bytes.add(type)
        encode(&bytes)
        pairs.append(bytes.all)
    }

    mutating func integer(_ key: String, _ value: UInt32) { pair(key, type: 4) { $0.add(value) } }
    mutating func number(_ key: String, _ value: Float) { pair(key, type: 6) { $0.add(value.bitPattern) } }
    mutating func string(_ key: String, _ value: String) { pair(key, type: 8) { $0.add(value) } }

    mutating func strings(_ key: String, _ values: [String]) {
        pair(key, type: 9) { bytes in
            bytes.add(UInt32(8))
            bytes.add(UInt64(values.count))
            for value in values { bytes.add(value) }
        }
    }

    func encoded() -> [UInt8] {
        var bytes = Bytes()
        bytes.add(magic)
        bytes.add(version)
        bytes.add(tensorCount ?? UInt64(tensors.count))
        bytes.add(pairCount ?? UInt64(pairs.count))
        for pair in pairs { bytes.all += pair }
        var offset = 0
        var data: [UInt8] = []
        for tensor in tensors {
            bytes.add(tensor.name)
            bytes.add(tensor.rank ?? UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { bytes.add(dimension) }
            bytes.add(tensor.type)
            bytes.add(tensor.offset ?? UInt64(offset))
            let padded = (tensor.byteCount + alignment - 1) / alignment * alignment
            data += (0..<padded).map { $0 < tensor.byteCount ? UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) : 0 }
            offset += padded
        }
        let padding = (alignment - bytes.all.count % alignment) % alignment
        let all = bytes.all + [UInt8](repeating: 0, count: padding) + data
        return Array(all.dropLast(cut))
    }

    /// A llama of one layer: hidden size 32, 4 heads, 6 tokens; enough of its tensors for a configuration.
    static func model() -> GGUFWriter {
        var writer = GGUFWriter()
        writer.string("general.architecture", "llama")
        writer.integer("llama.block_count", 1)
        writer.integer("llama.context_length", 64)
        writer.integer("llama.embedding_length", 32)
        writer.integer("llama.feed_forward_length", 64)
        writer.integer("llama.attention.head_count", 4)
        writer.integer("llama.attention.head_count_kv", 2)
        writer.number("llama.attention.layer_norm_rms_epsilon", 1e-5)
        writer.number("llama.rope.freq_base", 500_000)
        writer.strings("tokenizer.ggml.tokens", ["<s>", "</s>", "a", "b", "c", "<eot>"])
        writer.integer("tokenizer.ggml.bos_token_id", 0)
        writer.integer("tokenizer.ggml.eos_token_id", 1)
        writer.integer("tokenizer.ggml.eot_token_id", 5)
        writer.string("tokenizer.chat_template", "{{ messages }}")
        writer.number("general.sampling.temp", 0.5)
        writer.tensors = [
            Tensor(name: "token_embd.weight", dimensions: [32, 6], type: 8, byteCount: 6 * 34),
            Tensor(name: "blk.0.attn_norm.weight", dimensions: [32], byteCount: 128),
            Tensor(name: "blk.0.attn_q.weight", dimensions: [32, 32], type: 2, byteCount: 32 * 18),
        ]
        return writer
    }
}

/// A safetensors file with this header and so many bytes of data.
func safetensors(_ header: String, dataBytes: Int, headerLength: UInt64? = nil) -> [UInt8] {
    var bytes = Bytes()
    bytes.add(header, length: headerLength)
    return bytes.all + (0..<dataBytes).map { UInt8(truncatingIfNeeded: $0) }
}

/// A small deterministic generator (SplitMix64, Steele et al. 2014).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Flips, replaces, deletes or doubles bytes of a valid file, mostly near its start.
func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
        guard !bytes.isEmpty else { break }
        let end = Bool.random(using: &random) ? bytes.count : min(bytes.count, 200)
        let place = Int.random(in: 0..<end, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[place] = [0, 1, 0x7f, 0x80, 0xff][Int.random(in: 0..<5, using: &random)]
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...16, using: &random)))
        case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
        case 4: bytes.removeLast(min(bytes.count, Int.random(in: 1...200, using: &random)))
        default:
            for index in place..<min(bytes.count, place + 8) { bytes[index] = 0xff }
        }
    }
    return bytes
}
