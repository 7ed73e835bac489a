// Decoded weights against the reference implementation (tools/dequantize-golden.py).

import Foundation
import Kernels
import Testing

@Suite struct DequantizeTests {
    /// Formats and the names of their golden files.
    static let goldens: [(StorageFormat, String)] = [
        (.float16, "F16"), (.bfloat16, "BF16"), (.q4_0, "Q4_0"), (.q4_1, "Q4_1"), (.q5_0, "Q5_0"), (.q5_1, "Q5_1"),
        (.q8_0, "Q8_0"), (.q2_K, "Q2_K"), (.q3_K, "Q3_K"), (.q4_K, "Q4_K"), (.q5_K, "Q5_K"), (.q6_K, "Q6_K"),
    ]

    private func golden(_ name: String) throws -> [UInt8] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/Dequantize")
        return [UInt8](try Data(contentsOf: folder.appending(path: name)))
    }

    @Test("decodes every format to the reference's bits, extreme and subnormal scales included", arguments: goldens)
    func matchesReference(format: StorageFormat, name: String) throws {
        let blocks = try golden(name + ".blocks")
        let expected = try golden(name + ".floats").withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
        }
        #expect(expected.count == blocks.count / format.blockBytes * format.blockElements)
        let values = blocks.withUnsafeBytes {
            Dequantize.decode($0, format: format, elementCount: expected.count)
        }
        let differing = zip(values, expected).enumerated().first { $0.element.0.bitPattern != $0.element.1 }
        #expect(differing == nil, "\(name): first difference")
    }

    @Test("reads blocks at any alignment", arguments: goldens)
    func unaligned(format: StorageFormat, name: String) throws {
        let blocks = try golden(name + ".blocks")
        let count = blocks.count / format.blockBytes * format.blockElements
        let aligned = blocks.withUnsafeBytes { Dequantize.decode($0, format: format, elementCount: count) }
        let shifted = ([0] + blocks).withUnsafeBytes {
            Dequantize.decode(UnsafeRawBufferPointer(rebasing: $0[1...]), format: format, elementCount: count)
        }
        #expect(aligned.map(\.bitPattern) == shifted.map(\.bitPattern))
    }

    @Test("passes fp32 through, and decodes nothing from nothing")
    func plainFloats() {
        let values: [Float] = [0, -0.0, 1.5, .leastNonzeroMagnitude, -.infinity]
        let decoded = values.withUnsafeBytes { Dequantize.decode($0, format: .float32, elementCount: values.count) }
        #expect(decoded.map(\.bitPattern) == values.map(\.bitPattern))
        for format in StorageFormat.allCases {
            let empty = UnsafeRawBufferPointer(start: nil, count: 0)
            #expect(Dequantize.decode(empty, format: format, elementCount: 0).isEmpty)
        }
    }

    @Test("has a golden file for every format but fp32")
    func coversFormats() {
        #expect(Set(Self.goldens.map(\.0)).union([.float32]) == Set(StorageFormat.allCases))
    }
}
