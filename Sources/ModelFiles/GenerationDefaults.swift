// What a checkpoint's authors recommend for sampling.

/// Sampling settings that apply where a request names none; nil where the checkpoint is silent.
public struct GenerationDefaults: Sendable, Equatable {
    public var temperature: Double?
    public var topP: Double?
    public var topK: Int?
    public var minP: Double?
    public var repetitionPenalty: Double?
    public var maxNewTokens: Int?
    /// Tokens that end a generation, besides those of the configuration.
    public var eosTokenIDs: [Int] = []

    public init() {}

    private static let temperatures = 0.0...100.0
    private static let shares = 0.0...1.0
    private static let penalties = 0.01...100.0
    private static let counts = -1...1 << 30

    /// generation_config.json.
    init(_ file: JSONFile, vocabularySize: Int) throws(ModelFileError) {
        temperature = try file.number("temperature", in: Self.temperatures)
        topP = try file.number("top_p", in: Self.shares)
        topK = try file.integer("top_k", in: Self.counts)
        minP = try file.number("min_p", in: Self.shares)
        repetitionPenalty = try file.number("repetition_penalty", in: Self.penalties)
        maxNewTokens = try file.integer("max_new_tokens", in: 1...Self.counts.upperBound)
        eosTokenIDs = try file.tokenIDs("eos_token_id", below: vocabularySize)
    }

    /// Keys `general.sampling.*` of GGUF.
    init(_ metadata: GGUFMetadata) throws(ModelFileError) {
        func number(_ name: String, in range: ClosedRange<Double>) throws(ModelFileError) -> Double? {
            let key = "general.sampling." + name
            guard let value = try metadata.number(key) else { return nil }
            guard range.contains(value) else {
                throw .badValue(
                    file: metadata.fileName, key: key,
                    reason: "is \(value), not from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        temperature = try number("temp", in: Self.temperatures)
        topP = try number("top_p", in: Self.shares)
        let counts = Double(Self.counts.lowerBound)...Double(Self.counts.upperBound)
        topK = try number("top_k", in: counts).map { Int($0) }
        minP = try number("min_p", in: Self.shares)
        repetitionPenalty = try number("penalty_repeat", in: Self.penalties)
    }
}
