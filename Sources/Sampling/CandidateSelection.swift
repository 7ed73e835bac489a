// From adjusted logits to the index of one of them: temperature, min-p, top-k, top-p, draw.

import Kernels

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Draws an index in a few vectorised passes over the row and with work on the surviving candidates alone.
///
/// The row is only read. Results are the same on every instruction set: see `VectorOperations`.
struct CandidateSelection: Sendable {
    /// Of the values that compete: their indices in the row, in rising order, and softmax weights relative to the
    /// largest one, whose weight is 1.
    private var indices: [Int32] = []
    private var values: [Float] = []
    private var weights: [Float] = []
    /// Scratch of `cutoff` and the passes.
    private var ordered: [WeightedValue] = []
    private var sums: [Float] = []

    private static let operations = VectorOperations.best
    private static let blockSize = 128
    private static let chunkSize = 4_096
    /// Scratch beyond so many candidates is given back: a flat distribution must not cost every sequence megabytes.
    private static let keptCapacity = 1 << 14

    // MARK: - Greedy

    /// The index of the largest logit, the lowest one of equals.
    static func greedy(_ row: Span<Float>) throws(SamplingError) -> Int {
        try largest(of: row).index
    }

    private static func largest(of row: Span<Float>) throws(SamplingError) -> VectorOperations.Extreme {
        guard !row.isEmpty else { throw .noCandidate }
        let largest = operations.argmax(row)
        guard !largest.isNaN, largest.value < .infinity else { throw .notANumber }
        guard largest.value > -.infinity else { throw .noCandidate }
        return largest
    }

    // MARK: - Draw

    mutating func draw(
        from row: Span<Float>, parameters: SamplingParameters, uniform: Double
    ) throws(SamplingError) -> Int {
        let top = try Self.largest(of: row).value
        let scale = 1 / parameters.temperature
        let limitsCount = parameters.topK > 0 && parameters.topK < row.count
        guard limitsCount || parameters.topP < 1 || parameters.minP > 0 else {
            return drawFromAll(row, top: top, scale: scale, uniform: uniform)
        }
        if limitsCount || parameters.minP > 0 {
            collect(from: row, top: top, parameters: parameters, topK: limitsCount ? parameters.topK : nil)
            weigh(top: top, scale: scale)
            if parameters.topP < 1 { keepHead(ofMass: Double(parameters.topP) * mass) }
        } else {
            collectNucleus(from: row, top: top, parameters: parameters)
        }
        let position = Self.pick(weights.span, at: uniform * mass)
        let index = Int(indices[position])
        if indices.capacity > Self.keptCapacity { self = CandidateSelection() }
        return index
    }

    /// Without a filter the row is summed in chunks, and only the chunk that is hit is computed a second time.
    private mutating func drawFromAll(_ row: Span<Float>, top: Float, scale: Float, uniform: Double) -> Int {
        let total = sumChunks(of: row, top: top, scale: scale)
        var target = uniform * total
        var chunk = 0
        // Rounding may leave the target at the very end: the last chunk of any weight takes it.
        let last = sums.lastIndex { $0 > 0 } ?? 0
        while chunk < last, target >= Double(sums[chunk]) {
            target -= Double(sums[chunk])
            chunk += 1
        }
        let start = chunk * Self.chunkSize
        let end = min(row.count, start + Self.chunkSize)
        weights.removeAll(keepingCapacity: true)
        for index in start..<end {
            weights.append(row[index])
        }
        Self.operations.exp(&weights, shift: top, scale: scale)
        return start + Self.pick(weights.span, at: target)
    }

    private mutating func sumChunks(of row: Span<Float>, top: Float, scale: Float) -> Double {
        sums.removeAll(keepingCapacity: true)
        var total = 0.0
        for start in stride(from: 0, to: row.count, by: Self.chunkSize) {
            let chunk = row.extracting(start..<min(row.count, start + Self.chunkSize))
            sums.append(Self.operations.expSum(chunk, shift: top, scale: scale))
            total += Double(sums[sums.count - 1])
        }
        return total
    }

    /// The first index at which the running sum of weights passes `target`.
    private static func pick(_ weights: Span<Float>, at target: Double) -> Int {
        var sum = 0.0
        var lastPossible = 0
        for index in weights.indices where weights[index] > 0 {
            sum += Double(weights[index])
            if sum > target { return index }
            lastPossible = index
        }
        return lastPossible
    }

    // MARK: - Filters

    /// Candidates by min-p and top-k; ties with the k-th largest all stay, as in vLLM.
    private mutating func collect(
        from row: Span<Float>, top: Float, parameters: SamplingParameters, topK: Int?
    ) {
        var threshold = -Float.infinity
        if parameters.minP > 0 {
            threshold = top + parameters.temperature * Float(log(Double(min(1, parameters.minP))))
        }
        if let topK {
            threshold = max(threshold, lowerBound(ofLargest: topK, in: row))
        }
        Self.operations.collect(from: row, atLeast: threshold, indices: &indices, values: &values)
        guard let topK, values.count > topK else { return }
        ordered.removeAll(keepingCapacity: true)
        for value in values {
            ordered.append(WeightedValue(value: value, weight: 1))
        }
        keep(atLeast: WeightedCutoff(&ordered, reaching: Double(topK)).value)
    }

    /// A value that at least `count` values of the row reach: the count-th largest of the maxima of its blocks.
    private mutating func lowerBound(ofLargest count: Int, in row: Span<Float>) -> Float {
        guard count <= row.count / Self.blockSize else { return -.infinity }
        Self.operations.blockMaxima(of: row, block: Self.blockSize, into: &sums)
        ordered.removeAll(keepingCapacity: true)
        for maximum in sums {
            ordered.append(WeightedValue(value: maximum, weight: 1))
        }
        return WeightedCutoff(&ordered, reaching: Double(count)).value
    }

    /// Candidates by top-p alone: the few large ones are tried first, since they nearly always have the mass.
    private mutating func collectNucleus(from row: Span<Float>, top: Float, parameters: SamplingParameters) {
        let scale = 1 / parameters.temperature
        let target = Double(parameters.topP) * sumChunks(of: row, top: top, scale: scale)
        for depth in [Float(6), 12, .infinity] {
            Self.operations.collect(
                from: row, atLeast: top - depth * parameters.temperature, indices: &indices, values: &values)
            weigh(top: top, scale: scale)
            if mass >= target { break }
        }
        keepHead(ofMass: target)
    }

    private mutating func weigh(top: Float, scale: Float) {
        weights.removeAll(keepingCapacity: true)
        weights.append(contentsOf: values)
        Self.operations.exp(&weights, shift: top, scale: scale)
    }

    private var mass: Double {
        weights.reduce(into: 0.0) { $0 += Double($1) }
    }

    /// Keeps the shortest head, in falling order, whose weights reach `target`; of equal ones the lowest indices.
    private mutating func keepHead(ofMass target: Double) {
        ordered.removeAll(keepingCapacity: true)
        for index in values.indices {
            ordered.append(WeightedValue(value: values[index], weight: weights[index]))
        }
        let cutoff = WeightedCutoff(&ordered, reaching: target)
        var equalsLeft = cutoff.equalCount
        var kept = 0
        for index in values.indices {
            if values[index] < cutoff.value { continue }
            if values[index] == cutoff.value {
                guard equalsLeft > 0 else { continue }
                equalsLeft -= 1
            }
            move(index, to: kept)
            kept += 1
        }
        truncate(to: kept)
    }

    private mutating func keep(atLeast threshold: Float) {
        var kept = 0
        for index in values.indices where values[index] >= threshold {
            values[kept] = values[index]
            indices[kept] = indices[index]
            kept += 1
        }
        values.removeLast(values.count - kept)
        indices.removeLast(indices.count - kept)
    }

    private mutating func move(_ index: Int, to position: Int) {
        values[position] = values[index]
        indices[position] = indices[index]
        weights[position] = weights[index]
    }

    private mutating func truncate(to count: Int) {
        values.removeLast(values.count - count)
        indices.removeLast(indices.count - count)
        weights.removeLast(weights.count - count)
    }
}
