// The strings of the interpreter: UTF-8 that remembers who wrote which part.

/// A string of which every byte comes from the template (trusted) or from outside.
///
/// Comparison and hashing go by the bytes alone. Positions are offsets in bytes that lie between Unicode scalars;
/// templates count in scalars, as Python does (see `offset(ofScalar:)`).
struct Text: Sendable {
    /// A stretch of one origin.
    struct Run: Sendable, Equatable {
        let range: Range<Int>
        let isTrusted: Bool
    }

    private enum Origin {
        case uniform(isTrusted: Bool)
        /// Where each stretch ends; ascending, neighbours differ in trust.
        case mixed([Boundary])
    }

    private struct Boundary {
        var end: Int
        let isTrusted: Bool
    }

    private(set) var bytes: [UInt8]
    private var origin: Origin
    /// Python's `Markup`, made by the filters `safe` and `escape`: added to it, other strings are escaped.
    var isMarkup = false

    init(_ bytes: [UInt8], isTrusted: Bool) {
        self.bytes = bytes
        origin = .uniform(isTrusted: isTrusted)
    }

    init(_ string: String, isTrusted: Bool) {
        self.init(Array(string.utf8), isTrusted: isTrusted)
    }

    /// Nothing: as good as the template's own.
    init() {
        self.init([], isTrusted: true)
    }

    var isEmpty: Bool { bytes.isEmpty }
    var string: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether all of it is the template's own; so is nothing.
    var isTrusted: Bool {
        switch origin {
        case .uniform(let isTrusted): isTrusted || bytes.isEmpty
        case .mixed: false
        }
    }

    /// In order, covering everything; none is empty.
    var runs: [Run] {
        switch origin {
        case .uniform(let isTrusted):
            return bytes.isEmpty ? [] : [Run(range: 0..<bytes.count, isTrusted: isTrusted)]
        case .mixed(let boundaries):
            var start = 0
            return boundaries.map { boundary in
                defer { start = boundary.end }
                return Run(range: start..<boundary.end, isTrusted: boundary.isTrusted)
            }
        }
    }

    // MARK: - Building

    mutating func append(_ other: Text) {
        guard !other.bytes.isEmpty else { return }
        switch other.origin {
        case .uniform(let isTrusted):
            append(bytes: other.bytes[...], isTrusted: isTrusted)
        case .mixed:
            for run in other.runs { append(bytes: other.bytes[run.range], isTrusted: run.isTrusted) }
        }
    }

    mutating func append(bytes added: ArraySlice<UInt8>, isTrusted: Bool) {
        guard !added.isEmpty else { return }
        let end = bytes.count
        bytes.append(contentsOf: added)
        switch origin {
        case .uniform(let current) where current == isTrusted:
            return
        case .uniform where end == 0:
            origin = .uniform(isTrusted: isTrusted)
        case .uniform(let current):
            origin = .mixed([
                Boundary(end: end, isTrusted: current), Boundary(end: bytes.count, isTrusted: isTrusted),
            ])
        case .mixed(var boundaries):
            // Emptied first, so that the array is changed in place and not copied with each piece of a long text.
            origin = .uniform(isTrusted: false)
            if boundaries[boundaries.count - 1].isTrusted == isTrusted {
                boundaries[boundaries.count - 1].end = bytes.count
            } else {
                boundaries.append(Boundary(end: bytes.count, isTrusted: isTrusted))
            }
            origin = .mixed(boundaries)
        }
    }

    mutating func append(_ string: String, isTrusted: Bool) {
        append(bytes: Array(string.utf8)[...], isTrusted: isTrusted)
    }

    /// A part of it; Markup stays Markup.
    subscript(range: Range<Int>) -> Text {
        var part = Text(Array(bytes[range]), isTrusted: false)
        part.isMarkup = isMarkup
        switch origin {
        case _ where range.isEmpty:
            part.origin = .uniform(isTrusted: true)
        case .uniform(let isTrusted):
            part.origin = .uniform(isTrusted: isTrusted)
        case .mixed(let boundaries):
            var index = Self.index(ofRunAt: range.lowerBound, in: boundaries)
            var kept: [Boundary] = []
            while index < boundaries.count {
                let end = min(boundaries[index].end, range.upperBound)
                kept.append(Boundary(end: end - range.lowerBound, isTrusted: boundaries[index].isTrusted))
                if end == range.upperBound { break }
                index += 1
            }
            part.origin = kept.count == 1 ? .uniform(isTrusted: kept[0].isTrusted) : .mixed(kept)
        }
        return part
    }

    /// The first run that ends behind `offset`.
    private static func index(ofRunAt offset: Int, in boundaries: [Boundary]) -> Int {
        var low = 0
        var high = boundaries.count
        while low < high {
            let middle = (low + high) / 2
            if boundaries[middle].end > offset { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Whether the byte at `offset` is the template's own.
    func isTrusted(at offset: Int) -> Bool {
        switch origin {
        case .uniform(let isTrusted): isTrusted
        case .mixed(let boundaries):
            boundaries[min(Self.index(ofRunAt: offset, in: boundaries), boundaries.count - 1)].isTrusted
        }
    }

    /// The same text without the escaping habits of Markup.
    var plain: Text {
        var copy = self
        copy.isMarkup = false
        return copy
    }
}

extension Text: Hashable {
    static func == (left: Text, right: Text) -> Bool {
        left.bytes == right.bytes
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(bytes)
    }
}

// MARK: - Unicode scalars

extension Text {
    static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    var scalarCount: Int {
        bytes.reduce(0) { Self.isContinuation($1) ? $0 : $0 + 1 }
    }

    /// Where each scalar begins, and the end.
    var scalarOffsets: [Int] {
        var offsets: [Int] = []
        offsets.reserveCapacity(bytes.count + 1)
        for (offset, byte) in bytes.enumerated() where !Self.isContinuation(byte) { offsets.append(offset) }
        offsets.append(bytes.count)
        return offsets
    }

    /// The scalar beginning at `offset` and the offset behind it; `bytes` is always valid UTF-8.
    func scalar(at offset: Int) -> (scalar: Unicode.Scalar, end: Int) {
        let lead = bytes[offset]
        if lead < 0x80 { return (Unicode.Scalar(lead), offset + 1) }
        var end = offset + 1
        var value = UInt32(lead) & (lead < 0xE0 ? 0x1F : lead < 0xF0 ? 0x0F : 0x07)
        while end < bytes.count, Self.isContinuation(bytes[end]) {
            value = value << 6 | UInt32(bytes[end] & 0x3F)
            end += 1
        }
        return (Unicode.Scalar(value) ?? "\u{FFFD}", end)
    }

    /// The scalar that ends at `end`, and where it begins.
    func scalar(before end: Int) -> (scalar: Unicode.Scalar, start: Int) {
        var start = end - 1
        while start > 0, Self.isContinuation(bytes[start]) { start -= 1 }
        return (scalar(at: start).scalar, start)
    }

    var scalars: [Unicode.Scalar] { Array(String(decoding: bytes, as: UTF8.self).unicodeScalars) }
}
