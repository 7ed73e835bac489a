// Secrets are kept and compared as digests only.

internal import Crypto

/// SHA-256 of a secret. Keys are long random words, so that no slow hash is needed.
struct SecretDigest: Sendable, Hashable {
    private let bytes: [UInt8]

    init(of secret: [UInt8]) {
        bytes = Array(SHA256.hash(data: secret))
    }

    /// 64 hexadecimal digits; nil for anything else.
    init?(hexadecimal text: some StringProtocol) {
        let digits = text.utf8.compactMap { Self.value(ofDigit: $0) }
        guard text.utf8.count == 64, digits.count == 64 else { return nil }
        bytes = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func value(ofDigit byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// All ones if both are the same, else 0: without a branch, in a time that does not tell where they differ.
    func mask(ofEqualityWith other: SecretDigest) -> UInt {
        var difference: UInt8 = 0
        for (left, right) in zip(bytes, other.bytes) { difference |= left ^ right }
        // 0 - 1 is the only one whose top bit is set.
        return UInt(bitPattern: Int(truncatingIfNeeded: (Int32(difference) - 1) >> 8))
    }
}
