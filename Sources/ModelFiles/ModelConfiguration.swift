// The numbers that describe a decoder, whichever file they came from.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How positions beyond the trained context are brought within it.
public enum RopeScaling: Sendable, Equatable {
    case none
    case linear(factor: Double)
    case llama3(
        factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Int)
    case yarn(Yarn)
    case longRope(LongRope)
    /// A kind that readers know only by name.
    case unsupported(String)

    /// YaRN (Peng et al., 2023).
    public struct Yarn: Sendable, Equatable {
        public var factor: Double
        public var originalContextLength: Int
        public var betaFast: Double
        public var betaSlow: Double
        /// The factor on attention's cosines and sines, where it is not derived from `factor`.
        public var attentionFactor: Double?

        public init(
            factor: Double, originalContextLength: Int, betaFast: Double = 32, betaSlow: Double = 1,
            attentionFactor: Double? = nil
        ) {
            self.factor = factor
            self.originalContextLength = originalContextLength
            self.betaFast = betaFast
            self.betaSlow = betaSlow
            self.attentionFactor = attentionFactor
        }
    }

    /// LongRoPE (Ding et al., 2024): divisors of each frequency, of one kind for contexts as long as in training and of
    /// another for longer ones.
    public struct LongRope: Sendable, Equatable {
        /// Shape [rotaryDimensions / 2], as is `longFactors`.
        public var shortFactors: [Double]
        public var longFactors: [Double]
        public var originalContextLength: Int
        /// The factor on attention's cosines and sines.
        public var attentionFactor: Double

        /// - Parameter attentionFactor: Nil: √(1 + ln(factor) / ln(originalContextLength)).
        public init(
            shortFactors: [Double], longFactors: [Double], originalContextLength: Int, factor: Double,
            attentionFactor: Double? = nil
        ) {
            self.shortFactors = shortFactors
            self.longFactors = longFactors
            self.originalContextLength = originalContextLength
            // The logarithm of 1 would be divided by.
            let derived = factor > 1 && originalContextLength > 1
            self.attentionFactor =
                attentionFactor ?? (derived ? (1 + log(factor) / log(Double(originalContextLength))).squareRoot() : 1)
        }
    }
}

/// Which layers see a sliding window alone.
public enum SlidingLayers: Sendable, Equatable {
    /// All but every so many-th.
    case allButEvery(Int)
    /// For each layer.
    case each([Bool])
}

/// A mixture of experts in place of the feed-forward part of layers.
public struct ExpertConfiguration: Sendable, Equatable {
    public var count: Int
    /// Experts that a token goes to; at most `count`.
    public var perToken: Int
    public var intermediateSize: Int
    /// Of the expert that all tokens go to; nil if there is none.
    public var sharedIntermediateSize: Int?
    /// Whether the weights of a token's experts are made to sum up to 1; nil: as the family does.
    public var normalizesWeights: Bool?
    /// Layers that have an ordinary feed-forward part.
    public var denseLayers: Set<Int>
}

/// What a checkpoint says about its decoder. Sizes have been checked to be positive and sane, head counts to divide.
public struct ModelConfiguration: Sendable, Equatable {
    /// As found: the class name in config.json (`LlamaForCausalLM`), or `general.architecture` of GGUF (`llama`).
    public var architecture: String
    public var hiddenSize: Int
    public var intermediateSize: Int
    public var layerCount: Int
    public var headCount: Int
    /// Divides `headCount`.
    public var keyValueHeadCount: Int
    public var headSize: Int
    /// Rows of the embedding.
    public var vocabularySize: Int
    /// Positions the model supports, with its scaling.
    public var contextLength: Int
    public var normEpsilon: Float
    /// Nil: as the family has it.
    public var hiddenActivation: String?
    /// What scores are multiplied with is 1 / √attentionScalar; nil: as the family has it.
    public var attentionScalar: Double?
    /// Scores of attention are bent below it: cap × tanh(score / cap); nil: they are not.
    public var attentionSoftcap: Double?
    /// Logits likewise.
    public var logitSoftcap: Double?
    public var ropeTheta: Double
    public var ropeScaling: RopeScaling
    /// Leading dimensions of each head that are rotated.
    public var rotaryDimensions: Int
    /// The tensor of divisors of the rotary frequencies, f32 [rotaryDimensions / 2], where GGUF gives the scaling so.
    public var ropeFrequencyDivisors: String?
    /// Whether the output head is the embedding.
    public var tiesEmbeddings: Bool
    public var hasQKVBias: Bool
    public var hasOutputBias: Bool
    public var hasMLPBias: Bool
    /// How many of the last positions attention sees; nil for all.
    public var slidingWindow: Int?
    /// Layers that have it; nil: as the family has it.
    public var slidingLayers: SlidingLayers?
    /// The base of the rotary embedding of those layers, which is not scaled; nil: as the family has it.
    public var slidingRopeTheta: Double?
    public var experts: ExpertConfiguration?
    public var bosTokenID: Int?
    /// Tokens that end a generation; see also `GenerationDefaults.eosTokenIDs`.
    public var eosTokenIDs: [Int]
}

/// What sizes may be: far above any model, and low enough that products of three fit an integer.
enum ConfigurationLimits {
    static let layers = 1...4096
    static let hidden = 1...1 << 20
    static let heads = 1...1 << 16
    static let headSize = 1...1 << 14
    static let intermediate = 1...1 << 22
    static let vocabulary = 1...1 << 24
    static let context = 1...1 << 30
    static let epsilon = 1e-12...0.1
    static let theta = 1.0...1e12
    static let factor = 1e-3...1e6
    static let experts = 1...4096
    static let softcap = 1e-3...1e6
    static let attentionScalar = 1e-3...1e6
}

extension ModelConfiguration {
    /// Checks that head counts divide as attention needs, that rotation fits a head, and that what is said of each
    /// layer or expert is said of as many as there are.
    func check(
        file: String, headsKey: String, rotaryKey: String, slidingKey: String, expertsKey: String
    ) throws(ModelFileError) {
        guard headCount % keyValueHeadCount == 0 else {
            throw .badValue(
                file: file, key: headsKey, reason: "is \(keyValueHeadCount), which does not divide \(headCount) heads")
        }
        guard rotaryDimensions >= 2, rotaryDimensions <= headSize, rotaryDimensions % 2 == 0 else {
            throw .badValue(
                file: file, key: rotaryKey,
                reason: "rotates \(rotaryDimensions) dimensions of heads of \(headSize), not an even part of them")
        }
        if case .longRope(let rope) = ropeScaling {
            for factors in [rope.shortFactors, rope.longFactors] where factors.count != rotaryDimensions / 2 {
                throw .badValue(
                    file: file, key: rotaryKey,
                    reason: "wants \(rotaryDimensions / 2) factors of longrope, of which there are \(factors.count)")
            }
        }
        if case .each(let layers) = slidingLayers, layers.count != layerCount {
            throw .badValue(
                file: file, key: slidingKey, reason: "names \(layers.count) layers of a model of \(layerCount)")
        }
        if let experts, experts.perToken > experts.count {
            throw .badValue(
                file: file, key: expertsKey, reason: "is \(experts.perToken), more than all \(experts.count) experts")
        }
    }

    /// The head size: as given, or else the share of each head in the hidden size.
    static func headSize(
        _ given: Int?, hidden: Int, heads: Int, file: String, key: String
    ) throws(ModelFileError) -> Int {
        if let given { return given }
        guard hidden % heads == 0 else {
            throw .badValue(
                file: file, key: key, reason: "is \(heads), which does not divide the hidden size \(hidden)")
        }
        return hidden / heads
    }
}
