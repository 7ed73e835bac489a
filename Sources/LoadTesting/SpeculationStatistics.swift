// How well a server guessed: speculative decoding during the run, out of the server's own metrics.

/// vLLM's counters `vllm:spec_decode_*`, summed over engines.
struct SpeculationCounters: Sendable, Equatable {
    var drafts = 0
    var draftTokens = 0
    var acceptedTokens = 0
    var acceptedByPosition: [Int: Int] = [:]
    /// Empty for servers that don't count them.
    var draftedByPosition: [Int: Int] = [:]

    /// Nil if the text, in Prometheus's format, has none of them: the server does not speculate.
    init?(exposition: String) {
        var isFound = false
        for line in exposition.split(separator: "\n") where line.hasPrefix(Self.prefix) {
            let name = line.prefix { $0 != "{" && $0 != " " }
            guard name.hasSuffix("_total"), let value = Self.value(of: line) else { continue }
            isFound = true
            switch name.dropFirst(Self.prefix.count) {
            case "num_drafts_total": drafts += value
            case "num_draft_tokens_total": draftTokens += value
            case "num_accepted_tokens_total": acceptedTokens += value
            case "num_accepted_tokens_per_pos_total":
                if let position = Self.position(in: line) { acceptedByPosition[position, default: 0] += value }
            case "num_draft_tokens_per_pos_total":
                if let position = Self.position(in: line) { draftedByPosition[position, default: 0] += value }
            default: break
            }
        }
        guard isFound else { return nil }
    }

    private static let prefix = "vllm:spec_decode_"

    /// Counters of this kind stay far below the greatest exact double.
    private static func value(of line: Substring) -> Int? {
        line.split(separator: " ").last.flatMap { Double($0) }.flatMap { value in
            (0...0x1p53).contains(value) ? Int(value) : nil
        }
    }

    private static func position(in line: Substring) -> Int? {
        let label = "position=\""
        guard let start = line.indices.first(where: { line[$0...].hasPrefix(label) }) else { return nil }
        return Int(line[start...].dropFirst(label.count).prefix { $0 != "\"" })
    }
}

/// What speculation brought during a run.
public struct SpeculationStatistics: Sendable, Equatable {
    public let draftCount: Int
    public let draftTokenCount: Int
    public let acceptedTokenCount: Int
    /// For each place in a draft, the share of tokens that were accepted; nil where none was drafted.
    public let positionRates: [Double?]

    /// Nil if nothing was drafted between the two.
    init?(from before: SpeculationCounters, to after: SpeculationCounters) {
        draftCount = after.drafts - before.drafts
        draftTokenCount = after.draftTokens - before.draftTokens
        acceptedTokenCount = after.acceptedTokens - before.acceptedTokens
        guard draftTokenCount > 0 else { return nil }
        guard draftCount > 0 else {
            positionRates = []
            return
        }
        let draftCount = draftCount
        let hasDrafted = !after.draftedByPosition.isEmpty
        let positions = Set(after.acceptedByPosition.keys).union(after.draftedByPosition.keys).sorted()
        positionRates = positions.map { position in
            func change(_ counts: KeyPath<SpeculationCounters, [Int: Int]>) -> Int {
                after[keyPath: counts][position, default: 0] - before[keyPath: counts][position, default: 0]
            }
            let drafted = hasDrafted ? change(\.draftedByPosition) : draftCount
            return drafted > 0 ? Double(change(\.acceptedByPosition)) / Double(drafted) : nil
        }
    }

    /// Accepted of a hundred drafted tokens.
    public var acceptancePercent: Double { Double(acceptedTokenCount) / Double(draftTokenCount) * 100 }

    /// Tokens that a step yields on average: those accepted and the one that the model itself adds.
    public var acceptanceLength: Double {
        draftCount > 0 ? 1 + Double(acceptedTokenCount) / Double(draftCount) : 0
    }
}
