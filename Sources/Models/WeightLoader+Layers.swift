// A layer's weights, as its family has them.

internal import Kernels
internal import ModelFiles

extension WeightLoader {
    func layer(_ layer: Int) throws -> DecoderLayer {
        let hidden = configuration.hiddenSize, headSize = configuration.headSize
        let queryRows = configuration.headCount * headSize, keyRows = configuration.keyValueHeadCount * headSize
        let stacked =
            architecture.fusesQueryKeyValue
            ? fusedQueryKeyValue(layer, queryRows: queryRows, keyRows: keyRows)
            : [
                RowRange(role: .query(layer: layer), count: queryRows),
                RowRange(role: .key(layer: layer), count: keyRows),
                RowRange(role: .value(layer: layer), count: keyRows),
            ]
        let normsHeads = architecture.normsQueriesAndKeys, normsOutputs = architecture.normsOutputs
        return DecoderLayer(
            attentionNorm: try norm(.attentionNorm(layer: layer), size: hidden),
            queryKeyValue: try matrix(stacked, columns: hidden, rounding: rounding),
            queryKeyValueBias: try bias(
                stacked, isRequired: architecture.requiresQueryKeyValueBias, isSplit: true),
            queryNorm: normsHeads ? try norm(.queryNorm(layer: layer), size: headSize) : nil,
            keyNorm: normsHeads ? try norm(.keyNorm(layer: layer), size: headSize) : nil,
            attentionOutput: try matrix(
                .attentionOutput(layer: layer), rows: hidden, columns: queryRows, rounding: rounding),
            attentionOutputBias: try bias(
                [RowRange(role: .attentionOutput(layer: layer), count: hidden)], isRequired: false, isSplit: true),
            attentionOutputNorm: normsOutputs ? try norm(.attentionOutputNorm(layer: layer), size: hidden) : nil,
            feedForwardOutputNorm: normsOutputs ? try norm(.feedForwardOutputNorm(layer: layer), size: hidden) : nil,
            feedForwardNorm: try norm(.feedForwardNorm(layer: layer), size: hidden),
            feedForward: try feedForward(layer))
    }

    /// Q, K and V of one tensor, of which a shard has parts.
    private func fusedQueryKeyValue(_ layer: Int, queryRows: Int, keyRows: Int) -> [RowRange] {
        let role = TensorRole.queryKeyValue(layer: layer), total = queryRows + 2 * keyRows
        guard !shard.isWhole else { return [RowRange(role: role, count: total)] }
        return [
            RowRange(role: role, count: queryRows, total: total, split: .heads),
            RowRange(role: role, count: keyRows, first: queryRows, total: total, split: .keyValueHeads),
            RowRange(role: role, count: keyRows, first: queryRows + keyRows, total: total, split: .keyValueHeads),
        ]
    }

    private func feedForward(_ layer: Int) throws -> FeedForward {
        if let experts = configuration.experts, !experts.denseLayers.contains(layer) {
            return .experts(try mixture(layer, experts))
        }
        let inner = configuration.intermediateSize
        let gate = RowRange(role: .gate(layer: layer), count: inner),
            up = RowRange(role: .up(layer: layer), count: inner)
        let fused = TensorRole.gateUp(layer: layer)
        return .dense(
            try matrices(
                gate: architecture.fusesGateUp ? RowRange(role: fused, count: inner, total: 2 * inner) : gate,
                up: architecture.fusesGateUp
                    ? RowRange(role: fused, count: inner, first: inner, total: 2 * inner) : up,
                down: RowRange(role: .down(layer: layer), count: configuration.hiddenSize), inner: inner))
    }

    private func matrices(gate: RowRange, up: RowRange, down: RowRange, inner: Int) throws -> GatedMatrices {
        let hidden = configuration.hiddenSize
        try checkHasNoBias([gate.role, up.role], size: gate.total ?? inner)
        try checkHasNoBias([down.role], size: hidden)
        let packedGate = try matrix([gate], columns: hidden, rounding: rounding)
        return GatedMatrices(
            gate: packedGate, up: try matrix([up], columns: hidden, rounding: rounding, sharingInputOf: packedGate),
            down: try matrix([down], columns: inner, rounding: rounding))
    }

    // MARK: - Mixture of experts

    private func mixture(_ layer: Int, _ experts: ExpertConfiguration) throws -> ExpertMixture {
        let hidden = configuration.hiddenSize
        var router = [RowRange(role: .router(layer: layer), count: experts.count)]
        var shared: GatedMatrices?
        if let inner = experts.sharedIntermediateSize {
            shared = try matrices(
                gate: RowRange(role: .sharedExpert(.gate, layer: layer), count: inner),
                up: RowRange(role: .sharedExpert(.up, layer: layer), count: inner),
                down: RowRange(role: .sharedExpert(.down, layer: layer), count: hidden), inner: inner)
            // llama.cpp writes it as a vector or as a matrix of one row.
            let gate = TensorRole.sharedExpertGate(layer: layer)
            let leadingShape: [Int]? = tensor(names.weight(gate))?.shape.count == 1 ? [] : nil
            router.append(RowRange(role: gate, count: 1, leadingShape: leadingShape))
        }
        let each = try (0..<experts.count).map { expert in
            try matrices(
                gate: range(.gate, layer, expert, rows: experts.intermediateSize, of: experts),
                up: range(.up, layer, expert, rows: experts.intermediateSize, of: experts),
                down: range(.down, layer, expert, rows: hidden, of: experts), inner: experts.intermediateSize)
        }
        return ExpertMixture(
            router: try matrix(router, columns: hidden, rounding: nil, exact: true),
            gate: try ExpertMatrices(each.map(\.gate), in: arena), up: try ExpertMatrices(each.map(\.up), in: arena),
            down: try ExpertMatrices(each.map(\.down), in: arena), shared: shared)
    }

    /// The rows of one expert, which in GGUF are a part of all experts' tensor.
    private func range(
        _ projection: TensorRole.Projection, _ layer: Int, _ expert: Int, rows: Int, of experts: ExpertConfiguration
    ) -> RowRange {
        let role = TensorRole.expert(projection, layer: layer, expert: expert)
        guard checkpoint.format == .gguf else { return RowRange(role: role, count: rows) }
        return RowRange(
            role: role, count: rows, first: expert * rows, total: experts.count * rows,
            leadingShape: [experts.count, rows])
    }
}
