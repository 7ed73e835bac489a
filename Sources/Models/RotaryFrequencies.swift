// Rotary position embedding: frequencies of every scaling, and the table made of them.

internal import Kernels
public import ModelFiles

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Inverse frequencies of a model's rotary embedding, and the factor on its cosines and sines.
///
/// Computed in fp32 in the order in which Transformers does, so that the angles of far positions round alike.
public struct RotaryFrequencies: Sendable, Equatable {
    /// Shape [rotaryDimensions / 2].
    public private(set) var inverse: [Float]
    public private(set) var amplitude: Float = 1

    /// - Parameters:
    ///   - divisors: Of each frequency, where a checkpoint gives them as a tensor (GGUF's `rope_freqs`).
    ///   - contextLength: Positions that will be computed. LongRoPE has factors for contexts as long as in training and
    ///     others for longer ones. They are chosen once, by the longest context that is served, as vLLM and llama.cpp
    ///     do: were each sequence to choose them, keys in the cache would have to be rotated anew as it grows.
    ///   - variant: See `RopeScaling.variant(promptLength:)`.
    public init(
        _ configuration: ModelConfiguration, divisors: [Float]?, contextLength: Int, variant: Int = 0
    ) throws(ModelError) {
        var base = Float(configuration.ropeTheta)
        if case .dynamicNTK = configuration.ropeScaling {
            // NTK-aware scaling by 1, 3, 7, … (QWenModel.get_ntk_alpha), in the precision of its Python.
            let factor = Double(2 << variant) - 1, size = Double(configuration.rotaryDimensions)
            base = Float(configuration.ropeTheta * pow(factor, size / (size - 2)))
        }
        let frequencies = Self.frequencies(base: base, dimensions: configuration.rotaryDimensions)
        inverse = frequencies.map { 1 / $0 }
        switch configuration.ropeScaling {
        case .none, .dynamicNTK:
            break
        case .linear(let factor):
            inverse = inverse.map { $0 / Float(factor) }
        case .llama3(let factor, let low, let high, let originalContext):
            scaleLlama3(factor: Float(factor), low: Float(low), high: Float(high), originalContext: originalContext)
        case .yarn(let yarn):
            scaleYarn(yarn, frequencies: frequencies, base: configuration.ropeTheta)
        case .longRope(let rope):
            let factors = contextLength > rope.originalContextLength ? rope.longFactors : rope.shortFactors
            inverse = zip(factors, frequencies).map { 1 / (Float($0) * $1) }
            amplitude = Float(rope.attentionFactor)
        case .unsupported(let name):
            throw .unsupportedFeature("rope scaling \(name)", file: configuration.architecture)
        }
        if let divisors {
            guard divisors.count == inverse.count else {
                throw .shapeMismatch(
                    tensor: "rope_freqs.weight", expected: [inverse.count], found: [divisors.count],
                    file: configuration.architecture)
            }
            for (index, divisor) in divisors.enumerated() where divisor != 0 { inverse[index] /= divisor }
        }
    }

    /// Those of a base, without scaling.
    init(dimensions: Int, theta: Double) {
        inverse = Self.frequencies(base: Float(theta), dimensions: dimensions).map { 1 / $0 }
    }

    private static func frequencies(base: Float, dimensions: Int) -> [Float] {
        stride(from: 0, to: dimensions, by: 2).map { powf(base, Float($0) / Float(dimensions)) }
    }

    /// Llama 3.1: long waves are stretched, short ones kept, those between blended.
    private mutating func scaleLlama3(factor: Float, low: Float, high: Float, originalContext: Int) {
        let context = Float(originalContext)
        inverse = inverse.map { frequency in
            let wavelength = 2 * Float.pi / frequency
            if wavelength > context / low { return frequency / factor }
            if wavelength < context / high { return frequency }
            let smooth = (context / wavelength - low) / (high - low)
            return (1 - smooth) * (frequency / factor) + smooth * frequency
        }
    }

    /// YaRN (Peng et al., 2023): interpolates slow dimensions, keeps fast ones, ramps between.
    private mutating func scaleYarn(_ yarn: RopeScaling.Yarn, frequencies: [Float], base: Double) {
        let dimensions = Double(frequencies.count * 2), context = Double(yarn.originalContextLength)
        func dimension(ofRotations rotations: Double) -> Double {
            dimensions * log(context / (rotations * 2 * Double.pi)) / (2 * log(base))
        }
        let low = max(0, dimension(ofRotations: yarn.betaFast).rounded(.down))
        var high = min(dimensions - 1, dimension(ofRotations: yarn.betaSlow).rounded(.up))
        if low == high { high += 0.001 }
        for (index, frequency) in frequencies.enumerated() {
            let ramp = min(1, max(0, (Float(index) - Float(low)) / Float(high - low)))
            let kept = 1 - ramp
            inverse[index] = 1 / (Float(yarn.factor) * frequency) * (1 - kept) + 1 / frequency * kept
        }
        amplitude = Float(yarn.attentionFactor ?? (yarn.factor > 1 ? 0.1 * log(yarn.factor) + 1 : 1))
    }

    /// The table for positions 0..<positions.
    func table(positions: Int, in arena: Arena) throws(KernelError) -> RotaryTable {
        let table = try RotaryTable(positions: positions, rotaryDimensions: inverse.count * 2, in: arena)
        for position in 0..<positions {
            for (index, frequency) in inverse.enumerated() {
                let angle = Float(position) * frequency
                table.cosines[position, index] = cosf(angle) * amplitude
                table.sines[position, index] = sinf(angle) * amplitude
            }
        }
        return table
    }
}

/// Which of its rotations a sequence has; see `RopeScaling.variant(promptLength:)`.
public struct RotaryVariants: Sendable, Equatable {
    private let scaling: RopeScaling

    /// One for all.
    public init() { scaling = .none }

    public init(_ scaling: RopeScaling) { self.scaling = scaling }

    public func variant(promptLength: Int) -> Int { scaling.variant(promptLength: promptLength) }
}

extension ModelConfiguration {
    /// What a query at `position` is multiplied with; nil: nothing.
    func logNFactor(position: Int) -> Float? {
        guard let logNLength, position >= logNLength else { return nil }
        return Float(log(Double(position + 1)) / log(Double(logNLength)))
    }
}
