import Foundation
import ModelFiles
import Testing

@Suite("What a checkpoint says about its quantisation")
struct QuantizationTests {
    private func read(_ scheme: String, files: [String: String] = [:]) throws -> CheckpointQuantization? {
        let folder = try TemporaryFolder()
        let extra = scheme.isEmpty ? "" : #","quantization_config":\#(scheme)"#
        try folder.write(
            ModelCheckpointTests.config.replacingOccurrences(of: "EXTRA", with: extra), as: "config.json")
        let header = #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        try folder.write(safetensors(header, dataBytes: 8), as: "model.safetensors")
        for (name, text) in files { try folder.write(text, as: name) }
        return try ModelCheckpoint.open(path: folder.path).quantization
    }

    @Test("GPTQ: version 1 stores zero points less one, version 2 as they are")
    func gptq() throws {
        let scheme = #"{"quant_method":"gptq","bits":4,"group_size":128,"desc_act":false,"sym":true"#
        let first = try #require(try read(scheme + "}"))
        #expect(first.method == .gptq && first.bits == 4)
        #expect(
            first.scheme(ofModule: "model.layers.3.mlp.up_proj")
                == ModuleQuantization(bits: 4, groupSize: 128, storage: .gptq(zeroPointOffset: 1)))
        let second = try #require(try read(scheme + #","checkpoint_format":"gptq_v2"}"#))
        #expect(second.scheme(ofModule: "x")?.storage == .gptq(zeroPointOffset: 0))
        let whole = try #require(try read(#"{"quant_method":"gptq","bits":8,"group_size":-1}"#))
        #expect(whole.scheme(ofModule: "x")?.groupSize == nil)
    }

    @Test("GPTQ: of dynamic rules, the first that matches from the start of a module's name is its own")
    func dynamic() throws {
        let quantization = try #require(
            try read(
                #"""
                {"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"-:.*\\.(?:19|20)\\..*":{},
                "+:.*\\.1\\..*(?:gate|up).*":{"bits":8,"group_size":-1},".*\\.1\\..*":{"group_size":64},"mlp":{"bits":2}}}
                """#))
        func scheme(_ name: String) -> ModuleQuantization? { quantization.scheme(ofModule: name) }
        #expect(scheme("model.layers.20.mlp.up_proj") == nil)
        #expect(scheme("model.layers.1.mlp.up_proj")?.bits == 8)
        #expect(scheme("model.layers.1.mlp.up_proj")?.groupSize == nil)
        #expect(scheme("model.layers.1.mlp.down_proj")?.groupSize == 64)
        #expect(scheme("model.layers.1.mlp.down_proj")?.bits == 4)
        // "mlp" does not begin a name.
        #expect(scheme("model.layers.2.mlp.down_proj")?.bits == 4)
        #expect(quantization.bits == 2)
    }

    @Test("AWQ: modules to leave out are parts of names; the older file of its own is read too")
    func awq() throws {
        let scheme =
            #"{"quant_method":"awq","bits":4,"group_size":64,"version":"GEMM","modules_to_not_convert":["o_pr"]}"#
        let quantization = try #require(try read(scheme))
        #expect(quantization.scheme(ofModule: "model.layers.0.self_attn.o_proj") == nil)
        #expect(
            quantization.scheme(ofModule: "model.layers.0.self_attn.q_proj")
                == ModuleQuantization(bits: 4, groupSize: 64, storage: .awq(hasZeroPoints: true)))
        let older = #"{"zero_point":true,"q_group_size":128,"w_bit":4,"version":"GEMM"}"#
        #expect(try read("", files: ["quant_config.json": older])?.scheme(ofModule: "x")?.groupSize == 128)
        let gptq = #"{"bits":4,"group_size":32,"desc_act":true}"#
        #expect(try read("", files: ["quantize_config.json": gptq])?.method == .gptq)
    }

    @Test("compressed-tensors: ignored modules, names before classes, strategies")
    func compressedTensors() throws {
        let quantization = try #require(
            try read(
                #"""
                {"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head","re:.*mlp.gate$"],
                "config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":4,"symmetric":false,
                "strategy":"group","group_size":128}},"b":{"targets":["re:.*down_proj"],"format":"int-quantized",
                "weights":{"num_bits":8,"symmetric":true,"strategy":"channel"}}}}
                """#))
        func scheme(_ name: String) -> ModuleQuantization? { quantization.scheme(ofModule: name) }
        #expect(scheme("lm_head") == nil && scheme("model.layers.0.mlp.gate") == nil)
        #expect(scheme("a.q_proj") == ModuleQuantization(bits: 4, groupSize: 128, storage: .packed(isSymmetric: false)))
        #expect(scheme("a.down_proj") == ModuleQuantization(bits: 8, groupSize: nil, storage: .int8(isSymmetric: true)))
    }

    @Test("a folder without a scheme is not quantised")
    func none() throws {
        #expect(try read("") == nil)
    }

    @Test(
        "what is not supported is refused with what was found and what is supported",
        arguments: [
            (#"{"quant_method":"bitsandbytes","load_in_4bit":true}"#, ["bitsandbytes", "gptq", "awq"]),
            (#"{"bits":4}"#, ["quant_method"]),
            (#"{"quant_method":"gptq","bits":5,"group_size":128}"#, ["5 bits", "2, 3, 4 or 8"]),
            (#"{"quant_method":"gptq","group_size":128}"#, ["bits"]),
            (#"{"quant_method":"gptq","bits":4,"group_size":0}"#, ["group_size"]),
            (
                #"{"quant_method":"gptq","bits":4,"group_size":128,"checkpoint_format":"marlin"}"#,
                ["marlin", "gptq_v2"]
            ),
            (#"{"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"+:(a":{}}}"#, ["(a", "not closed"]),
            (#"{"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"+:a":{"bits":7}}}"#, ["7 bits"]),
            (#"{"quant_method":"awq","bits":8,"group_size":128}"#, ["8 bits", "awq (4 bits"]),
            (#"{"quant_method":"awq","bits":4,"group_size":128,"version":"gemv"}"#, ["gemv", "gemm"]),
            (#"{"quant_method":"compressed-tensors","format":"pack-quantized"}"#, ["config_groups"]),
            (
                #"{"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":8,"type":"float"}}}}"#,
                ["float-quantized", "int-quantized"]
            ),
            (
                #"{"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized","config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":4}}}}"#,
                ["nvfp4"]
            ),
            (
                #"{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"a":{"targets":["Linear"],"weights":{"num_bits":4,"strategy":"block"}}}}"#,
                ["block", "channel"]
            ),
            (
                #"{"quant_method":"compressed-tensors","sparsity_config":{"format":"sparse-24-bitmask"},"config_groups":{}}"#,
                ["sparse-24-bitmask"]
            ),
        ])
    func refused(scheme: String, words: [String]) throws {
        do {
            _ = try read(scheme)
            Issue.record("accepted")
        } catch {
            for word in words { #expect("\(error)".contains(word), "\(error)") }
        }
    }

    @Test(
        "patterns of module names match as Python's re.match does",
        arguments: [
            ("model", "model.layers", true), ("layers", "model.layers", false), (".*layers", "model.layers", true),
            ("model$", "model.layers", false), (".*s$", "model.layers", true), ("^m", "model", true),
            (#"a\.b"#, "a.b", true), (#"a\.b"#, "axb", false), ("a.b", "axb", true), ("(a|bc)+d", "abcad", true),
            ("(a|bc)+d", "abad", false), ("[a-c]{2,3}x", "abcx", true), ("[a-c]{2,3}x", "ax", false),
            ("[^0-9]+1", "ab1", true), (#"\d+\.(?:gate|up)"#, "12.up", true), ("a??b", "b", true), ("", "x", true),
            ("a{0}b", "b", true), ("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
        ])
    func patterns(pattern: String, name: String, matches: Bool) throws {
        #expect(try ModuleNamePattern(pattern).matchesStart(of: name) == matches)
    }

    @Test(
        "patterns that would need backtracking, or are none, are refused",
        arguments: [
            "(?!a)b", "(?<x>a)", #"(a)\1"#, "(", ")", "[a", "a{2", "a{3,2}", "a{1000}", "*a", #"\"#, #"\b"#, "[z-a]",
            "(((a{60}){60}){60}){60}", String(repeating: "(", count: 500), String(repeating: "a", count: 2000),
        ])
    func refusedPatterns(pattern: String) {
        #expect(throws: PatternError.self) { try ModuleNamePattern(pattern) }
    }

    @Test("repeating nothing without end takes no time")
    func emptyRepetitions() throws {
        #expect(try ModuleNamePattern("((((((){64}){64}){64}){64}){64}){64}a").matchesStart(of: "a"))
        #expect(try !ModuleNamePattern("((((a?)*)*)*)*b").matchesStart(of: String(repeating: "a", count: 200)))
    }
}
