// GGUF files: what is read, and that every lie is refused with a sentence that names the file.

import ModelFiles
import Testing

@Suite("GGUF files")
struct GGUFFileTests {
    /// A way to spoil a valid file, and a piece of the error it must cause.
    struct Lie: Sendable, CustomStringConvertible {
        let description: String
        let expected: String
        let apply: @Sendable (inout GGUFWriter) -> Void

        init(_ description: String, _ expected: String, _ apply: @escaping @Sendable (inout GGUFWriter) -> Void) {
            self.description = description
            self.expected = expected
            self.apply = apply
        }
    }

    static let headerLies: [Lie] = [
        Lie("wrong magic", "is not a GGUF file") { $0.magic = 0x4c4d_4747 },
        Lie("version 0", "version 0") { $0.version = 0 },
        Lie("version 1", "version 1") { $0.version = 1 },
        Lie("version 4", "version 4") { $0.version = 4 },
        Lie("big endian", "big endian") { $0.version = 3 << 24 },
        Lie("a billion tensors", "the tensors, said to be 1000000000") { $0.tensorCount = 1_000_000_000 },
        Lie("2^63 tensors", "the tensors") { $0.tensorCount = 1 << 63 },
        Lie("-1 tensors", "the tensors") { $0.tensorCount = .max },
        Lie("a billion pairs", "the metadata, said to be 1000000000") { $0.pairCount = 1_000_000_000 },
        Lie("2^63 pairs", "the metadata") { $0.pairCount = 1 << 63 },
        Lie("-1 pairs", "the metadata") { $0.pairCount = .max },
        Lie("one tensor too many", "tensor") { $0.tensorCount = 4 },
    ]

    static let pairLies: [Lie] = [
        Lie("empty key", "metadata key 15 has 0 bytes") { $0.pair("", type: 4) { $0.add(UInt32(1)) } },
        Lie("key of 70 kB", "metadata key 15 has 70000 bytes") { $0.integer(String(repeating: "k", count: 70_000), 1) },
        Lie("key length 2^40", "metadata key 15") { writer in
            var bytes = Bytes()
            bytes.add("key", length: 1 << 40)
            writer.pairs.append(bytes.all + [UInt8](repeating: 0, count: 16))
        },
        Lie("key that is not UTF-8", "is not UTF-8") { writer in
            writer.pairs.append([2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0x28, 4, 0, 0, 0, 1, 0, 0, 0])
        },
        Lie("duplicate key", "is there twice") { $0.integer("llama.block_count", 2) },
        Lie("value type -1", "unknown value type 4294967295") { $0.pair("x", type: .max) { $0.add(UInt32(1)) } },
        Lie("value type 13", "unknown value type 13") { $0.pair("x", type: 13) { $0.add(UInt32(1)) } },
        Lie("string of 2^64 - 1 bytes", "the string") { $0.pair("x", type: 8) { $0.add("abc", length: .max) } },
        Lie("string of 1 GiB", "the string") { $0.pair("x", type: 8) { $0.add("abc", length: 1 << 30) } },
        Lie("truth value 2", "truth value of 2") { $0.pair("x", type: 7) { $0.add(UInt8(2)) } },
        Lie("integer of 2^64 - 1", "out of range") { $0.pair("x", type: 10) { $0.add(UInt64.max) } },
        Lie("array of 2^61 numbers", "the array") { writer in
            writer.pair("x", type: 9) {
                $0.add(UInt32(12)); $0.add(UInt64(1) << 61)
            }
        },
        Lie("array of unknown type", "unknown value type 99") { writer in
            writer.pair("x", type: 9) {
                $0.add(UInt32(99)); $0.add(UInt64(1))
            }
        },
        Lie("arrays nested 100 deep", "deeper than 4") { writer in
            writer.pair("x", type: 9) { bytes in
                for _ in 0..<100 { bytes.add(UInt32(9)); bytes.add(UInt64(1)) }
            }
        },
        Lie("alignment 0", "power of two") { $0.integer("general.alignment", 0) },
        Lie("alignment 48", "power of two") { $0.integer("general.alignment", 48) },
        Lie("alignment 4", "power of two") { $0.integer("general.alignment", 4) },
        Lie("alignment 2^31", "power of two") { $0.integer("general.alignment", 1 << 31) },
        Lie("alignment that is text", "must be an integer") { $0.string("general.alignment", "32") },
        Lie("alignment other than the data's", "instead of") { $0.integer("general.alignment", 64) },
        Lie("one part of several", "llama-gguf-split --merge") { $0.integer("split.count", 3) },
    ]

    static let tensorLies: [Lie] = [
        Lie("empty name", "the name of tensor 1 has 0 bytes") { $0.tensors[1].name = "" },
        Lie("name of 65 bytes", "has 65 bytes") { $0.tensors[1].name = String(repeating: "n", count: 65) },
        Lie("duplicate name", "is there twice") { $0.tensors[1].name = "token_embd.weight" },
        Lie("no dimensions", "has 0 dimensions") { $0.tensors[1].rank = 0 },
        Lie("five dimensions", "has 5 dimensions") { $0.tensors[1].dimensions = [32, 1, 1, 1, 1] },
        Lie("2^32 - 1 dimensions", "dimensions") { $0.tensors[1].rank = .max },
        Lie("dimension 0", "a dimension of 0") { $0.tensors[1].dimensions = [32, 0] },
        Lie("dimension 2^63", "a dimension of") { $0.tensors[1].dimensions = [1 << 63] },
        Lie("product that wraps", "too large") { $0.tensors[1].dimensions = [1 << 32, 1 << 32] },
        Lie("bytes that wrap", "too large") { $0.tensors[1].dimensions = [1 << 62] },
        Lie("bytes that wrap when padded", "ends before") { $0.tensors[1].dimensions = [(1 << 61) - 1] },
        Lie("a row that splits a block", "whole number of Q4_0 blocks") { $0.tensors[2].dimensions = [16, 64] },
        Lie("an unsupported type", "IQ2_XXS") { $0.tensors[1].type = 16 },
        Lie("a removed type", "unknown number 4") { $0.tensors[1].type = 4 },
        Lie("type 2^31", "unknown number 2147483648") { $0.tensors[1].type = 1 << 31 },
        Lie("an unaligned offset", "begins at offset 225") { $0.tensors[1].offset = 225 },
        Lie("an offset within another tensor", "begins at offset 0") { $0.tensors[1].offset = 0 },
        Lie("a gap", "begins at offset 1099511627776") { $0.tensors[2].offset = 1 << 40 },
        Lie("an offset of 2^64 - 32", "begins at offset") { $0.tensors[2].offset = .max - 31 },
        Lie("a tensor larger than the file", "ends before the end of tensor") {
            $0.tensors[2].dimensions = [32, 99999]
        },
        Lie("the last byte missing", "ends before the end of tensor \"blk.0.attn_q.weight\"") { $0.cut = 1 },
        Lie("all data missing", "ends before the end of tensor \"token_embd.weight\"") { $0.cut = 224 + 128 + 576 },
    ]

    @Test("refuses a file that lies, and says about what", arguments: headerLies + pairLies + tensorLies)
    func refuses(lie: Lie) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        lie.apply(&writer)
        let path = try folder.write(writer.encoded())
        let error = #expect(throws: ModelFileError.self) { try GGUFFile(path: path) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(lie.expected) && text.contains(path), "\(text)")
    }

    @Test("gives names, row-major shapes, types and bytes of tensors", arguments: [2, 3] as [UInt32])
    func readsTensors(version: UInt32) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.version = version
        let file = try GGUFFile(path: try folder.write(writer.encoded()))
        #expect(file.tensorNames == ["token_embd.weight", "blk.0.attn_norm.weight", "blk.0.attn_q.weight"])
        let embedding = try #require(file.tensor(named: "token_embd.weight"))
        #expect(embedding.shape == [6, 32])
        #expect(embedding.elementType == .q8_0)
        let norm = try #require(file.tensor(named: "blk.0.attn_norm.weight"))
        #expect(norm.shape == [32])
        for tensor in [embedding, norm] {
            let expected = (0..<tensor.byteRange.count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
            #expect(tensor.withUnsafeBytes { [UInt8]($0) } == expected)
            tensor.releasePages()
            #expect(tensor.withUnsafeBytes { [UInt8]($0) } == expected, "dropped pages are read again")
        }
        #expect(file.tensor(named: "output.weight") == nil)
    }

    @Test("honours another alignment, and needs no padding after the last tensor")
    func alignment() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter.model()
        writer.integer("general.alignment", 64)
        writer.alignment = 64
        writer.tensors.removeLast()
        writer.tensors.append(.init(name: "last", dimensions: [3], byteCount: 12))
        writer.cut = 64 - 12
        let file = try GGUFFile(path: try folder.write(writer.encoded()))
        #expect(file.tensor(named: "last")?.byteRange.count == 12)
        #expect(file.tensor(named: "last").map { $0.byteRange.lowerBound % 64 } == 0)
    }

    @Test("reads metadata of every kind")
    func metadata() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.pair("u8", type: 0) { $0.add(UInt8(200)) }
        writer.pair("i8", type: 1) { $0.add(Int8(-2)) }
        writer.pair("u16", type: 2) { $0.add(UInt16(60_000)) }
        writer.pair("i16", type: 3) { $0.add(Int16(-3)) }
        writer.pair("u32", type: 4) { $0.add(UInt32.max) }
        writer.pair("i32", type: 5) { $0.add(Int32(-5)) }
        writer.number("f32", 0.5)
        writer.pair("bool", type: 7) { $0.add(UInt8(1)) }
        writer.string("text", "héllo")
        writer.pair("cut text", type: 8) {
            $0.add(UInt64(2)); $0.all += [0x61, 0xC3]
        }
        writer.pair("u64", type: 10) { $0.add(UInt64(1) << 40) }
        writer.pair("i64", type: 11) { $0.add(Int64.min) }
        writer.pair("f64", type: 12) { $0.add((0.1).bitPattern) }
        writer.strings("strings", ["a", ""])
        writer.pair("integers", type: 9) {
            $0.add(UInt32(5)); $0.add(UInt64(2)); $0.add(Int32(-1)); $0.add(Int32(7))
        }
        writer.pair("nested", type: 9) { bytes in
            bytes.add(UInt32(9))
            bytes.add(UInt64(1))
            bytes.add(UInt32(7))
            bytes.add(UInt64(2))
            bytes.all += [0, 1]
        }
        let metadata = try GGUFFile(path: try folder.write(writer.encoded())).metadata
        #expect(try metadata.integer("u8") == 200)
        #expect(try metadata.integer("i8") == -2)
        #expect(try metadata.integer("u16") == 60_000)
        #expect(try metadata.integer("i16") == -3)
        #expect(try metadata.integer("u32") == 4_294_967_295)
        #expect(try metadata.integer("i32") == -5)
        #expect(try metadata.number("f32") == 0.5)
        #expect(try metadata.number("u8") == 200)
        #expect(try metadata.bool("bool") == true)
        #expect(try metadata.string("text") == "héllo")
        #expect(try metadata.string("cut text") == "a\u{FFFD}")
        #expect(try metadata.integer("u64") == 1 << 40)
        #expect(try metadata.integer("i64") == .min)
        #expect(try metadata.number("f64") == 0.1)
        #expect(try metadata.strings("strings") == ["a", ""])
        #expect(try metadata.integers("integers") == [-1, 7])
        #expect(metadata["nested"] == .arrays([.bools([false, true])]))
        #expect(try metadata.string("absent") == nil)
        #expect(throws: ModelFileError.self) { try metadata.string("u8") }
        #expect(throws: ModelFileError.self) { try metadata.integer("text") }
        #expect(throws: ModelFileError.self) { try metadata.require("absent", metadata.integer) }
    }

    @Test("never traps on a damaged file: 4,000 mutations")
    func mutations() throws {
        let folder = try TemporaryFolder()
        let valid = GGUFWriter.model().encoded()
        var random = SeededGenerator(state: 7)
        var refused = 0
        for _ in 0..<4000 {
            let path = try folder.write(mutated(valid, &random))
            do {
                let checkpoint = try ModelCheckpoint.open(path: path)
                for name in checkpoint.weights.tensorNames {
                    let sum = checkpoint.weights.tensor(named: name)?.withUnsafeBytes { $0.reduce(0) { $0 ^ $1 } }
                    #expect(sum != nil)
                }
            } catch {
                #expect(!"\(error)".isEmpty)
                refused += 1
            }
        }
        #expect(refused > 1000 && refused < 4000, "\(refused)")
    }

    @Test("refuses a file cut anywhere within its header or data")
    func cuts() throws {
        let folder = try TemporaryFolder()
        let valid = GGUFWriter.model().encoded()
        for length in 1..<valid.count {
            let path = try folder.write(Array(valid[..<length]))
            #expect(throws: ModelFileError.self, "\(length) bytes") { try GGUFFile(path: path) }
        }
    }
}
