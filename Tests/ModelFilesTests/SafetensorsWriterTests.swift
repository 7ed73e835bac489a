import Foundation
import JSON
import ModelFiles
import Testing

@Suite("Writing checkpoints")
struct SafetensorsWriterTests {
    private let tensors = [
        TensorDescription(name: "a.weight", elementType: .bfloat16, shape: [3, 5]),
        TensorDescription(name: "b.qweight", elementType: .int32, shape: [4, 2]),
        TensorDescription(name: "c.scales", elementType: .float16, shape: [7]),
        TensorDescription(name: "d.empty", elementType: .float32, shape: [0, 4]),
    ]

    private func bytes(of tensor: TensorDescription, seed: Int) -> [UInt8] {
        let count = tensor.elementType.byteCount(elements: tensor.shape.reduce(1, *)) ?? 0
        return (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + seed) }
    }

    private func write(_ writer: SafetensorsWriter, order: [Int]) throws {
        for index in order {
            let bytes = bytes(of: tensors[index], seed: index)
            try writer.write(bytes.span.bytes, to: tensors[index].name)
        }
        try writer.finish()
    }

    @Test(
        "what is written in any order is read back, from one file or from shards",
        arguments: [(1 << 20, 1), (50, 2), (1, 4)])
    func roundTrip(shardBytes: Int, shards: Int) throws {
        let folder = try TemporaryFolder()
        try write(
            SafetensorsWriter(folder: folder.path, tensors: tensors, shardBytes: shardBytes), order: [2, 0, 3, 1])
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter {
            $0.hasSuffix(".safetensors")
        }
        #expect(files.count == shards)
        let checkpoint = try SafetensorsCheckpoint(folder: folder.path)
        #expect(checkpoint.tensorNames.sorted() == tensors.map(\.name))
        for (index, tensor) in tensors.enumerated() {
            let view = try #require(checkpoint.tensor(named: tensor.name))
            #expect(view.elementType == tensor.elementType && view.shape == tensor.shape)
            #expect(view.withUnsafeBytes { Array($0) } == bytes(of: tensor, seed: index))
            #expect(view.byteRange.lowerBound % tensor.elementType.blockBytes == 0)
        }
    }

    @Test("a tensor left out, written twice, of another size or named twice is an error")
    func mistakes() throws {
        let folder = try TemporaryFolder()
        let writer = try SafetensorsWriter(folder: folder.path, tensors: tensors, shardBytes: 1 << 20)
        let bytes = bytes(of: tensors[0], seed: 0)
        try writer.write(bytes.span.bytes, to: "a.weight")
        #expect(throws: ModelFileError.self) { try writer.write(bytes.span.bytes, to: "a.weight") }
        #expect(throws: ModelFileError.self) { try writer.write(bytes.span.bytes, to: "b.qweight") }
        #expect(throws: ModelFileError.self) { try writer.write(bytes.span.bytes, to: "e") }
        #expect(throws: ModelFileError.self) { try writer.finish() }
        #expect(throws: ModelFileError.self) {
            _ = try SafetensorsWriter(folder: folder.path, tensors: tensors + tensors, shardBytes: 1 << 20)
        }
        #expect(throws: ModelFileError.self) {
            _ = try SafetensorsWriter(
                folder: folder.path,
                tensors: [TensorDescription(name: "x", elementType: .int32, shape: [.max, .max])], shardBytes: 100)
        }
    }

    @Test("a folder has its name only once it is complete, and vanishes if it is given up")
    func completion() throws {
        let parent = try TemporaryFolder(), path = parent.path + "/model"
        do {
            let given = try CheckpointFolder(path: path)
            try given.write(["a": 1], as: "config.json")
            _ = try given.weights(tensors, shardBytes: 1)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: parent.path).isEmpty)
        let source = try TemporaryFolder()
        try source.write("{\"hidden_size\": 8, \"model_type\": \"x\"}", as: "config.json")
        try source.write("{}", as: "tokenizer.json")
        let folder = try CheckpointFolder(path: path + "/")
        try write(folder.weights(tensors, shardBytes: 1 << 20), order: [0, 1, 2, 3])
        try folder.copyConfiguration(from: source.path, adding: "quantization_config", ["bits": 4])
        try folder.copyCompanions(from: source.path)
        #expect(!FileManager.default.fileExists(atPath: path))
        try folder.complete()
        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: path))
                == ["config.json", "tokenizer.json", "model.safetensors"])
        let config = try JSONParser.parse([UInt8](Data(contentsOf: URL(filePath: path + "/config.json"))))
        #expect(config == ["hidden_size": 8, "model_type": "x", "quantization_config": ["bits": 4]])
        #expect(throws: ModelFileError.alreadyThere(path: path)) { _ = try CheckpointFolder(path: path) }
    }
}
