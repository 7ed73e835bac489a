// What a forward pass of a model costs, and what its machine could do at best.

internal import Kernels
internal import ModelFiles

/// Work and memory traffic of a model's forward passes, in plain numbers.
public struct ModelCosts: Sendable, Equatable {
    /// Multiply-adds of all layers' matrices for one row; of experts, of those that a row goes to.
    public let multiplyAddsPerRow: Double
    /// Of the output head, for one row of logits.
    public let multiplyAddsPerLogitRow: Double
    /// Of attention, for one row and one token that it attends to: all heads, all layers.
    public let multiplyAddsPerAttendedToken: Double
    /// Packed bytes of all layers' matrices, each read once in a pass, and of the output head. Of experts those of a
    /// pass of one row, which is the least: more rows go to more of them.
    public let weightBytes: Double
    public let headBytes: Double
    /// Of one token's K and V in the cache.
    public let cacheBytesPerToken: Double

    public init(
        multiplyAddsPerRow: Double, multiplyAddsPerLogitRow: Double, multiplyAddsPerAttendedToken: Double,
        weightBytes: Double, headBytes: Double, cacheBytesPerToken: Double
    ) {
        self.multiplyAddsPerRow = multiplyAddsPerRow
        self.multiplyAddsPerLogitRow = multiplyAddsPerLogitRow
        self.multiplyAddsPerAttendedToken = multiplyAddsPerAttendedToken
        self.weightBytes = weightBytes
        self.headBytes = headBytes
        self.cacheBytesPerToken = cacheBytesPerToken
    }
}

/// What a machine can do at best with a model's weights.
public struct ModelMachineRates: Sendable, Equatable {
    public let multiplyAddsPerSecond: Double
    public let readBytesPerSecond: Double

    public init(multiplyAddsPerSecond: Double, readBytesPerSecond: Double) {
        self.multiplyAddsPerSecond = multiplyAddsPerSecond
        self.readBytesPerSecond = readBytesPerSecond
    }
}

/// An executor that knows what its steps cost.
public protocol MeasuredExecutor: Executor, SendableMetatype {
    var costs: ModelCosts { get }
    /// Of the packed weights in this process.
    var weightBytes: Int { get }

    /// Measures the machine's limits for some 50 ms. Only while nobody executes anything.
    func measuredRates() throws -> ModelMachineRates
}

extension LocalExecutor {
    public var costs: ModelCosts {
        let configuration = decoder.configuration
        let matrices = layerMatrices, experts = expertCosts
        let head = decoder.weights.outputHead
        return ModelCosts(
            multiplyAddsPerRow: matrices.reduce(0) { $0 + $1.elementCount } + experts.elements,
            multiplyAddsPerLogitRow: head.elementCount,
            // Queries by keys, then their weights by values.
            multiplyAddsPerAttendedToken:
                2 * Double(configuration.layerCount) * Double(configuration.headCount) * Double(configuration.headSize),
            weightBytes: matrices.reduce(0) { $0 + Double($1.byteCount) } + experts.bytes,
            headBytes: Double(head.byteCount),
            cacheBytesPerToken: Double(decoder.cache.shape.bytesPerToken))
    }

    public func measuredRates() throws -> ModelMachineRates {
        let rates = try MachineLimits.measuredRates(for: layerMatrices, instructionSet, pool: pool)
        return ModelMachineRates(multiplyAddsPerSecond: rates.multiplyAdds, readBytesPerSecond: rates.readBandwidth)
    }

    /// Those that every row meets.
    private var layerMatrices: [PackedMatrix] {
        decoder.weights.layers.flatMap { layer in
            let feedForward: [PackedMatrix] =
                switch layer.feedForward {
                case .dense(let matrices): matrices.all
                case .experts(let mixture): [mixture.router] + (mixture.shared?.all ?? [])
                }
            return [layer.queryKeyValue, layer.attentionOutput] + feedForward
        }
    }

    /// Of the experts that one row goes to, in all layers.
    private var expertCosts: (elements: Double, bytes: Double) {
        guard let experts = decoder.configuration.experts else { return (0, 0) }
        let perToken = Double(experts.perToken), share = perToken / Double(experts.count)
        return decoder.weights.layers.reduce((0, 0)) { sum, layer in
            guard case .experts(let mixture) = layer.feedForward else { return sum }
            let matrices = [mixture.gate, mixture.up, mixture.down]
            return (
                sum.0 + perToken * matrices.reduce(0) { $0 + $1.elementsPerExpert },
                sum.1 + share * matrices.reduce(0) { $0 + Double($1.byteCount) }
            )
        }
    }
}

extension PackedMatrix {
    fileprivate var elementCount: Double { Double(rowCount) * Double(columnCount) }
}
