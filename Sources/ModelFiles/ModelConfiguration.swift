// The numbers that describe a decoder, whichever file they came from.

/// How positions beyond the trained context are brought within it.
public enum RopeScaling: Sendable, Equatable {
    case none
    case linear(factor: Double)
    case llama3(
        factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContextLength: Int)
    case yarn(Yarn)
    /// The base grows with the prompt beyond the trained length (first-generation Qwen); see `variant(promptLength:)`.
    case dynamicNTK(trainedLength: Int)
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

    /// Which of its frequencies a sequence with a prompt of `promptLength` tokens has, from first to last token: 0 up
    /// to the trained length, then one more for each doubling. Always 0 where the prompt's length plays no part.
    ///
    /// Keys of different variants can't be shared: whoever keeps them beyond their sequence must keep them apart.
    public func variant(promptLength: Int) -> Int {
        guard case .dynamicNTK(let trainedLength) = self else { return 0 }
        var variant = 0, length = trainedLength
        while length < promptLength {
            variant += 1
            length *= 2
        }
        return variant
    }
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
    /// Positions it is run with unless asked otherwise; at most `contextLength`.
    public var defaultContextLength: Int
    public var normEpsilon: Float
    public var hiddenActivation: String
    public var ropeTheta: Double
    public var ropeScaling: RopeScaling
    /// Leading dimensions of each head that are rotated.
    public var rotaryDimensions: Int
    /// LogN attention: from position n on, n as given here, a query is multiplied by the logarithm to base n of the
    /// number of tokens up to and with it. Nil: none.
    public var logNLength: Int?
    /// The tensor of divisors of the rotary frequencies, f32 [rotaryDimensions / 2], where GGUF gives the scaling so.
    public var ropeFrequencyDivisors: String?
    /// Whether the output head is the embedding.
    public var tiesEmbeddings: Bool
    public var hasQKVBias: Bool
    public var hasOutputBias: Bool
    public var hasMLPBias: Bool
    /// How many of the last positions attention sees; nil for all.
    public var slidingWindow: Int?
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
}

extension ModelConfiguration {
    /// Checks that head counts divide as attention needs, and that rotation fits a head.
    func check(file: String, headsKey: String, rotaryKey: String) throws(ModelFileError) {
        guard headCount % keyValueHeadCount == 0 else {
            throw .badValue(
                file: file, key: headsKey, reason: "is \(keyValueHeadCount), which does not divide \(headCount) heads")
        }
        guard rotaryDimensions >= 2, rotaryDimensions <= headSize, rotaryDimensions % 2 == 0 else {
            throw .badValue(
                file: file, key: rotaryKey,
                reason: "rotates \(rotaryDimensions) dimensions of heads of \(headSize), not an even part of them")
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
