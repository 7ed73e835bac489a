// `quantization_config` → how modules are quantised. Keys: the documentation of GPTQModel, AutoAWQ and
// compressed-tensors.

internal import JSON

extension CheckpointQuantization {
    private static let groupSizes = -1...1 << 20

    /// Reads what config.json says, or else the file of its own that older quantisers wrote; nil: not quantised.
    static func read(_ config: JSONFile, folder: String) throws(ModelFileError) -> CheckpointQuantization? {
        // vLLM also finds the scheme of compressed-tensors' first versions in `compression_config`.
        for key in ["quantization_config", "compression_config"] {
            if let file = try config.file(key) { return try CheckpointQuantization(file, key: key) }
        }
        for (name, method) in [("quantize_config.json", QuantizationMethod.gptq), ("quant_config.json", .awq)] {
            let path = folder + "/" + name
            guard MappedFile.kind(ofPath: path) != .nothing else { continue }
            return try CheckpointQuantization(try JSONFile(path: path), method: method)
        }
        return nil
    }

    private init(_ file: JSONFile, key: String) throws(ModelFileError) {
        let name = try file.require("quant_method", try file.string("quant_method"))
        guard let method = QuantizationMethod(rawValue: name.lowercased()) else {
            throw file.bad(
                key, "the scheme \(ModelFileError.quoted(name)) is not supported; \(QuantizationMethod.supported)")
        }
        try self.init(file, method: method)
    }

    private init(_ file: JSONFile, method: QuantizationMethod) throws(ModelFileError) {
        let rules =
            switch method {
            case .gptq: try Self.gptq(file)
            case .awq: try Self.awq(file)
            case .compressedTensors: try Self.compressedTensors(file)
            }
        self.init(method: method, rules: rules)
    }

    // MARK: - GPTQ

    private static func gptq(_ file: JSONFile) throws(ModelFileError) -> [Rule] {
        let isMarlin = try file.bool("is_marlin_format") ?? false
        let format = try file.string("checkpoint_format") ?? (isMarlin ? "marlin" : "gptq")
        guard let offset = ["gptq": 1, "gptq_v2": 0][format] else {
            throw file.bad(
                "checkpoint_format", "\(ModelFileError.quoted(format)) is not supported; supported are gptq and gptq_v2"
            )
        }
        let base = ModuleQuantization(
            bits: try bits(file, "bits", of: [2, 3, 4, 8]), groupSize: try groupSize(file, "group_size"),
            storage: .gptq(zeroPointOffset: offset))
        var rules: [Rule] = []
        for member in try file.file("dynamic")?.object.members ?? [] {
            let isException = member.key.hasPrefix("-:")
            let pattern = isException || member.key.hasPrefix("+:") ? String(member.key.dropFirst(2)) : member.key
            var quantization: ModuleQuantization? = isException ? nil : base
            if !isException, let fields = member.value.objectValue {
                let own = JSONFile(path: file.path, object: fields)
                if own.value("bits") != nil { quantization?.bits = try bits(own, "bits", of: [2, 3, 4, 8]) }
                if own.value("group_size") != nil { quantization?.groupSize = try groupSize(own, "group_size") }
            }
            rules.append(Rule(modules: try matching(pattern, file, "dynamic"), quantization: quantization))
        }
        return rules + [Rule(modules: .all, quantization: base)]
    }

    // MARK: - AWQ

    private static func awq(_ file: JSONFile) throws(ModelFileError) -> [Rule] {
        let version = try file.string("version") ?? "gemm"
        guard version.lowercased() == "gemm" else {
            throw file.bad("version", "\(ModelFileError.quoted(version)) is not supported; supported is gemm")
        }
        let sizeKey = file.value("group_size") == nil ? "q_group_size" : "group_size"
        let base = ModuleQuantization(
            bits: try bits(file, file.value("bits") == nil ? "w_bit" : "bits", of: [4]),
            groupSize: try groupSize(file, sizeKey),
            storage: .awq(hasZeroPoints: try file.bool("zero_point") ?? true))
        let exceptions = try strings(file, "modules_to_not_convert").map {
            Rule(modules: .containing($0), quantization: nil)
        }
        return exceptions + [Rule(modules: .all, quantization: base)]
    }

    // MARK: - compressed-tensors

    private static func compressedTensors(_ file: JSONFile) throws(ModelFileError) -> [Rule] {
        let sparsity = try file.file("sparsity_config")?.string("format") ?? "dense"
        guard sparsity == "dense" else {
            throw file.bad("sparsity_config", "the format \(ModelFileError.quoted(sparsity)) is not supported")
        }
        guard try file.file("transform_config")?.object.isEmpty ?? true else {
            throw file.bad("transform_config", "transforms of activations are not supported")
        }
        var ignored: [Rule] = []
        for target in try strings(file, "ignore") {
            ignored.append(Rule(modules: try modules(target, file, "ignore"), quantization: nil))
        }
        let groups = try file.require("config_groups", try file.file("config_groups"))
        let format = try file.string("format")
        var named: [Rule] = [], general: [Rule] = []
        for member in groups.object.members {
            guard let object = member.value.objectValue else { throw file.bad(member.key, "must be an object") }
            let group = JSONFile(path: file.path, object: object)
            guard let quantization = try scheme(group, format: format) else { continue }
            for target in try strings(group, "targets") {
                let rule = Rule(modules: try modules(target, group, "targets"), quantization: quantization)
                // A module's name comes before its class.
                if rule.modules == .all { general.append(rule) } else { named.append(rule) }
            }
        }
        return ignored + named + general
    }

    /// A module's name, a pattern, or a class; all modules here are `Linear`.
    private static func modules(
        _ target: String, _ file: JSONFile, _ key: String
    ) throws(ModelFileError) -> Rule.Modules {
        if target == "Linear" { return .all }
        guard target.hasPrefix("re:") else { return .named(target) }
        return try matching(String(target.dropFirst(3)), file, key)
    }

    private static func scheme(_ group: JSONFile, format: String?) throws(ModelFileError) -> ModuleQuantization? {
        guard let weights = try group.file("weights") else { return nil }
        let type = try weights.string("type") ?? "int"
        let own = try group.string("format")
        let format = own ?? format ?? "unnamed"
        guard type == "int", ["pack-quantized", "int-quantized", "naive-quantized"].contains(format) else {
            throw group.bad(
                "format",
                "weights of type \(ModelFileError.quoted(type)) in the format "
                    + "\(ModelFileError.quoted(format)) are not supported; \(QuantizationMethod.supported)")
        }
        let isPacked = format == "pack-quantized"
        let isSymmetric = try weights.bool("symmetric") ?? true
        let strategy = try weights.string("strategy") ?? (weights.value("group_size") == nil ? "channel" : "group")
        guard ["group", "channel", "tensor"].contains(strategy) else {
            throw weights.bad(
                "strategy", "\(ModelFileError.quoted(strategy)) is not supported; supported are group, channel, tensor")
        }
        return ModuleQuantization(
            bits: try bits(weights, "num_bits", of: isPacked ? [2, 3, 4, 8] : Array(2...8)),
            groupSize: strategy == "group" ? try groupSize(weights, "group_size") : nil,
            storage: isPacked ? .packed(isSymmetric: isSymmetric) : .int8(isSymmetric: isSymmetric))
    }

    // MARK: - Fields

    private static func bits(_ file: JSONFile, _ key: String, of supported: [Int]) throws(ModelFileError) -> Int {
        let bits = try file.require(key, try file.integer(key, in: 1...64))
        guard supported.contains(bits) else {
            throw file.bad(key, "\(bits) bits are not supported; \(QuantizationMethod.supported)")
        }
        return bits
    }

    private static func groupSize(_ file: JSONFile, _ key: String) throws(ModelFileError) -> Int? {
        let size = try file.require(key, try file.integer(key, in: groupSizes))
        guard size != 0 else { throw file.bad(key, "must be a number of columns, or -1 for all") }
        return size == -1 ? nil : size
    }

    private static func strings(_ file: JSONFile, _ key: String) throws(ModelFileError) -> [String] {
        guard let value = file.value(key) else { return [] }
        let strings = value.arrayValue?.compactMap(\.stringValue)
        guard let strings, strings.count == value.arrayValue?.count else {
            throw file.bad(key, "must be a list of strings")
        }
        return strings
    }

    private static func matching(
        _ pattern: String, _ file: JSONFile, _ key: String
    ) throws(ModelFileError) -> Rule.Modules {
        do throws(PatternError) {
            return .matching(try ModuleNamePattern(pattern))
        } catch {
            throw file.bad(key, "the pattern \(ModelFileError.quoted(pattern)) is not supported: \(error.reason)")
        }
    }
}
