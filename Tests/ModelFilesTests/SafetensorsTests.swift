// safetensors files and sharded folders.

import Foundation
import ModelFiles
import Testing

@Suite("safetensors")
struct SafetensorsTests {
    static let valid = #"""
        {"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},
        "a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}
        """#

    /// Headers over 20 bytes of data, and a piece of the error each must cause.
    static let lies: [(String, String)] = [
        ("[]", "does not begin with '{'"),
        (" {}", "does not begin with '{'"),
        ("{}", "20 bytes follow the last tensor"),
        ("{}}", "not valid JSON"),
        (#"{"a":"#, "not valid JSON"),
        (#"{"a":1}"#, "has no dtype"),
        (#"{"a":{"shape":[20],"data_offsets":[0,20]}}"#, "has no dtype"),
        (#"{"a":{"dtype":"F7","shape":[20],"data_offsets":[0,20]}}"#, "\"F7\""),
        (#"{"a":{"dtype":8,"shape":[20],"data_offsets":[0,20]}}"#, "has no dtype"),
        (#"{"a":{"dtype":"U8","data_offsets":[0,20]}}"#, "has no shape"),
        (#"{"a":{"dtype":"U8","shape":[-20],"data_offsets":[0,20]}}"#, "has no shape"),
        (#"{"a":{"dtype":"U8","shape":[20.5],"data_offsets":[0,20]}}"#, "has no shape"),
        (#"{"a":{"dtype":"U8","shape":[1e300],"data_offsets":[0,20]}}"#, "has no shape"),
        (#"{"a":{"dtype":"U8","shape":[20,1,1,1,1,1,1,1,1],"data_offsets":[0,20]}}"#, "has no shape"),
        (#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,20]}}"#, "does not take"),
        (#"{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,20]}}"#, "does not take"),
        (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,20]}}"#, "has 20 bytes, which F32 of shape [4]"),
        (#"{"a":{"dtype":"U8","shape":[20]}}"#, "has no data_offsets"),
        (#"{"a":{"dtype":"U8","shape":[20],"data_offsets":[0]}}"#, "has no data_offsets"),
        (#"{"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20,20]}}"#, "has no data_offsets"),
        (#"{"a":{"dtype":"U8","shape":[20],"data_offsets":[-1,19]}}"#, "has no data_offsets"),
        (#"{"a":{"dtype":"U8","shape":[21],"data_offsets":[0,21]}}"#, "lies at 0..<21 of 20 bytes"),
        (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}"#, "lies at"),
        (#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[20,0]}}"#, "lies at"),
        (#"{"a":{"dtype":"U8","shape":[16],"data_offsets":[4,20]}}"#, "begins at 4 of the data instead of 0"),
        (#"{"a":{"dtype":"U8","shape":[19],"data_offsets":[0,19]}}"#, "1 bytes follow"),
        (
            #"{"a":{"dtype":"U8","shape":[12],"data_offsets":[0,12]},"b":{"dtype":"U8","shape":[10],"data_offsets":[10,20]}}"#,
            "begins at 10 of the data instead of 12"
        ),
        (
            #"{"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20]},"a":{"dtype":"I8","shape":[20],"data_offsets":[0,20]}}"#,
            "same key twice"
        ),
        (#"{"a":[[[[[[]]]]]]}"#, "deeper"),
        (#"{"":{"dtype":"U8","shape":[20],"data_offsets":[0,20]}}"#, "has no name"),
    ]

    private func open(_ bytes: [UInt8]) throws -> (TemporaryFolder, Result<SafetensorsCheckpoint, ModelFileError>) {
        let folder = try TemporaryFolder()
        try folder.write(bytes, as: "model.safetensors")
        do throws(ModelFileError) {
            return (folder, .success(try SafetensorsCheckpoint(folder: folder.path)))
        } catch {
            return (folder, .failure(error))
        }
    }

    @Test("refuses a header that lies, and says about what", arguments: lies)
    func refuses(header: String, expected: String) throws {
        let (_, result) = try open(safetensors(header, dataBytes: 20))
        let error = #expect(throws: ModelFileError.self) { try result.get() }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(expected) && text.contains("model.safetensors"), "\(text)")
    }

    @Test(
        "refuses a header length that the file cannot have",
        arguments: [0, 1, 100_000_001, 1 << 63, .max, 99_999_999] as [UInt64])
    func headerLength(length: UInt64) throws {
        let (_, result) = try open(safetensors(Self.valid, dataBytes: 20, headerLength: length))
        #expect(throws: ModelFileError.self) { try result.get() }
    }

    @Test("gives tensors in the order of their bytes")
    func readsTensors() throws {
        let (folder, result) = try open(safetensors(Self.valid, dataBytes: 20))
        let checkpoint = try result.get()
        #expect(checkpoint.tensorNames == ["a", "b"])
        let a = try #require(checkpoint.tensor(named: "a")), b = try #require(checkpoint.tensor(named: "b"))
        #expect(a.shape == [2, 3] && a.elementType == .bfloat16)
        #expect(a.withUnsafeBytes { [UInt8]($0) } == Array(0..<12))
        #expect(b.withUnsafeBytes { [UInt8]($0) } == Array(12..<20))
        _ = folder
    }

    @Test("refuses a file cut anywhere")
    func cuts() throws {
        let valid = safetensors(Self.valid, dataBytes: 20)
        for length in 1..<valid.count {
            let (_, result) = try open(Array(valid[..<length]))
            #expect(throws: ModelFileError.self, "\(length) bytes") { try result.get() }
        }
    }

    @Test("never traps on a damaged file: 1,500 mutations")
    func mutations() throws {
        let folder = try TemporaryFolder()
        let valid = safetensors(Self.valid, dataBytes: 20)
        var random = SeededGenerator(state: 11)
        var refused = 0
        for _ in 0..<1500 {
            try folder.write(mutated(valid, &random), as: "model.safetensors")
            do {
                let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
                for name in checkpoint.tensorNames {
                    #expect(checkpoint.tensor(named: name)?.withUnsafeBytes { $0.reduce(0) { $0 ^ $1 } } != nil)
                }
            } catch {
                refused += 1
            }
        }
        #expect(refused > 500 && refused < 1500, "\(refused)")
    }

    // MARK: - Shards

    private func sharded(_ weightMap: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let header = #"{"NAME":{"dtype":"U8","shape":[20],"data_offsets":[0,20]}}"#
        for (shard, name) in [("one.safetensors", "a"), ("two.safetensors", "b")] {
            try folder.write(
                safetensors(header.replacingOccurrences(of: "NAME", with: name), dataBytes: 20), as: shard)
        }
        try folder.write(#"{"metadata":{},"weight_map":\#(weightMap)}"#, as: "model.safetensors.index.json")
        return folder
    }

    @Test("finds tensors in the shards that the index names")
    func shards() throws {
        let folder = try sharded(#"{"b":"two.safetensors","a":"one.safetensors"}"#)
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        #expect(checkpoint.tensorNames == ["b", "a"])
        #expect(checkpoint.tensor(named: "a")?.file.path.hasSuffix("one.safetensors") == true)
    }

    @Test(
        "refuses an index that leads out of its folder, or to nothing",
        arguments: [
            (#"{"a":"../one.safetensors"}"#, "same folder"), (#"{"a":"/etc/one.safetensors"}"#, "same folder"),
            (#"{"a":"sub/one.safetensors"}"#, "same folder"), (#"{"a":"..\\one.safetensors"}"#, "same folder"),
            (#"{"a":"one.safetensors\u0000.safetensors"}"#, "same folder"), (#"{"a":"/etc/passwd"}"#, "same folder"),
            (#"{"a":"config.json"}"#, "same folder"), (#"{"a":""}"#, "same folder"), (#"{"a":3}"#, "same folder"),
            (#"{"a":"three.safetensors"}"#, "has no three.safetensors"), (#"{"c":"one.safetensors"}"#, "missing"),
            (#"{"a":"one.safetensors","a":"two.safetensors"}"#, "same key twice"), ("[]", "weight_map"),
        ])
    func badIndex(weightMap: String, expected: String) throws {
        let folder = try sharded(weightMap)
        let error = #expect(throws: ModelFileError.self) { try SafetensorsCheckpoint(folder: folder.path) }
        #expect(error.map { "\($0)" }?.contains(expected) == true, "\(String(describing: error))")
    }
}
