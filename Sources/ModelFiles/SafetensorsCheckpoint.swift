// The weights of a Hugging Face folder: model.safetensors, or shards that an index names.

internal import JSON

/// The tensors of one safetensors file or of all shards of an index.
public struct SafetensorsCheckpoint: WeightSource {
    public let fileName: String
    public let tensorNames: [String]
    private let tensors: [String: TensorView]

    public var format: CheckpointFormat { .safetensors }
    public func tensor(named name: String) -> TensorView? { tensors[name] }

    /// All weights in one file.
    public static let singleName = "model.safetensors"
    /// Says which shard holds which tensor.
    public static let indexName = "model.safetensors.index.json"
    private static let pickleNames = [
        "pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth", "model.pt", "model.bin",
    ]
    private static let limits = JSONLimits(
        depth: 8, valueCount: 4_000_000, sizeBytes: 256 << 20, rejectsDuplicateKeys: true)

    /// Opens `model.safetensors.index.json` of the folder, or else `model.safetensors`.
    public init(folder: String) throws(ModelFileError) {
        let index = folder + "/" + Self.indexName
        if MappedFile.kind(ofPath: index) != .nothing {
            try self.init(index: index, in: folder)
            return
        }
        let single = folder + "/" + Self.singleName
        guard MappedFile.kind(ofPath: single) != .nothing else {
            for name in Self.pickleNames where MappedFile.kind(ofPath: folder + "/" + name) != .nothing {
                throw .pickle(file: folder + "/" + name)
            }
            throw .missingFile(folder: folder, file: Self.singleName)
        }
        self.init(fileName: single, views: try SafetensorsFile(path: single).tensors)
    }

    private init(index: String, in folder: String) throws(ModelFileError) {
        var shards: [String: [String: TensorView]] = [:]
        var views: [TensorView] = []
        for (tensor, name) in try Self.weightMap(index) {
            if shards[name] == nil { shards[name] = try Self.shard(name, in: folder) }
            guard let view = shards[name]?[tensor] else {
                throw .badTensor(file: folder + "/" + name, tensor: tensor, reason: "is missing from this shard")
            }
            views.append(view)
        }
        self.init(fileName: index, views: views)
    }

    /// The files that an index names, each once, in the order in which it does.
    public static func shardNames(inIndex path: String) throws(ModelFileError) -> [String] {
        var seen: Set<String> = []
        return try weightMap(path).map(\.shard).filter { seen.insert($0).inserted }
    }

    private static func weightMap(_ index: String) throws(ModelFileError) -> [(tensor: String, shard: String)] {
        guard let map = try JSONFile.read(index, limits: limits)["weight_map"]?.objectValue else {
            throw .missingKey(file: index, key: "weight_map", architecture: nil)
        }
        var pairs: [(tensor: String, shard: String)] = []
        for member in map.members {
            if let name = member.value.stringValue, [".bin", ".pt", ".pth"].contains(where: name.hasSuffix) {
                throw .pickle(file: index.dropLast(indexName.count) + name)
            }
            guard let name = member.value.stringValue, isPlainFileName(name) else {
                throw .badValue(
                    file: index, key: member.key, reason: "must name a .safetensors file in the same folder")
            }
            pairs.append((member.key, name))
        }
        return pairs
    }

    private init(fileName: String, views: [TensorView]) {
        self.fileName = fileName
        tensorNames = views.map(\.name)
        tensors = Dictionary(views.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    private static func shard(_ name: String, in folder: String) throws(ModelFileError) -> [String: TensorView] {
        guard MappedFile.kind(ofPath: folder + "/" + name) != .nothing else {
            throw .missingFile(folder: folder, file: name)
        }
        let file = try SafetensorsFile(path: folder + "/" + name)
        return Dictionary(file.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// An index must not lead out of its folder.
    private static func isPlainFileName(_ name: String) -> Bool {
        let isPlain = name.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
        return isPlain && name.hasSuffix(".safetensors") && !name.hasPrefix(".") && name.utf8.count <= 255
    }
}
