// Tokens back to bytes and text.

import Primitives

/// How a vocabulary writes its tokens.
enum TokenDecoder: Sendable, Equatable {
    /// Each character stands for a byte, see `ByteLevelAlphabet`.
    case byteLevel
    /// SentencePiece: "▁" is a space and, with `fallsBackToBytes`, "<0xE2>" a byte; the first space of a text may only
    /// be there because encoding put it.
    case sentencePiece(fallsBackToBytes: Bool, stripsLeadingSpace: Bool)

    /// "▁", U+2581.
    static let spaceMark: [UInt8] = [0xE2, 0x96, 0x81]

    var stripsLeadingSpace: Bool {
        if case .sentencePiece(_, let stripsLeadingSpace) = self { stripsLeadingSpace } else { false }
    }

    /// The byte that a byte token stands for; nil for all other tokens.
    func fallbackByte(of text: ArraySlice<UInt8>) -> UInt8? {
        guard case .sentencePiece(true, _) = self, text.count == 6, text.starts(with: [0x3C, 0x30, 0x78]),
            text.last == UInt8(ascii: ">"),
            let high = Self.hexadecimalDigit(text[text.startIndex + 3]),
            let low = Self.hexadecimalDigit(text[text.startIndex + 4])
        else { return nil }
        return high << 4 | low
    }

    /// Appends the bytes that a token stands for.
    func decode(_ text: ArraySlice<UInt8>, into output: inout [UInt8]) {
        guard case .sentencePiece = self else { return ByteLevelAlphabet.decode(text, into: &output) }
        if let byte = fallbackByte(of: text) { return output.append(byte) }
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == Self.spaceMark[0], text[index...].starts(with: Self.spaceMark) {
                output.append(UInt8(ascii: " "))
                index += Self.spaceMark.count
            } else {
                output.append(text[index])
                index += 1
            }
        }
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
