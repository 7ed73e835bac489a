// The feed-forward part of a layer: one for all tokens, or a mixture of experts.

internal import Kernels

extension Decoder {
    /// - Parameter next: The matrix that is read after the layer, if it is known.
    func feedForward(_ layer: DecoderLayer, before next: PackedMatrix?, rows: Int, _ worker: Worker) {
        switch layer.feedForward {
        case .dense(let matrices):
            norm(layer.feedForwardNorm, rows: rows, for: matrices.reader, worker)
            expect(matrices.down, rows: rows, worker)
            gate(matrices, into: buffers.feedForward, .gated, rows: rows, worker)
            expect(next, rows: rows, worker)
            addToResidual(
                matrices.down, buffers.feedForward.gated, bias: nil, norm: layer.feedForwardOutputNorm, rows: rows,
                worker)
        case .experts(let mixture):
            if let buffers = buffers.experts { experts(mixture, layer, buffers, rows: rows, worker) }
        }
    }

    /// Says what `feedForward` reads first; which experts is not known before.
    func expectFeedForward(_ layer: DecoderLayer, rows: Int, _ worker: Worker) {
        switch layer.feedForward {
        case .dense(let matrices):
            PackedMatrix.expectGated(
                gate: matrices.gate, up: matrices.up, tokenCount: rows, worker, workerCount: workerCount)
        case .experts(let mixture): expect(mixture.router, rows: rows, worker)
        }
    }

    /// gated = activation(gate × normed) × (up × normed), as `down` reads it.
    private func gate(
        _ matrices: GatedMatrices, into buffers: GatedBuffers, _ shared: SharedBuffer, rows: Int, _ worker: Worker
    ) {
        let down = matrices.down, quantizes = down.usesQuantizedActivations
        let isEachTiles = share.isWhole && !down.permutesColumns
        PackedMatrix.multiplyGated(
            gate: matrices.gate, up: matrices.up, self.buffers.normed, tokenCount: rows, into: buffers.gated,
            firstColumn: share.firstColumn(of: shared), settings.activation, quantizes: quantizes && isEachTiles,
            scratch: buffers.up, kernels, worker, workerCount: workerCount)
        gather(shared, rows: rows, worker)
        if quantizes, !isEachTiles {
            worker.stage(tiles: rows) { row in buffers.gated.quantize(row: row, for: down, kernels) }
        }
    }

    // MARK: - Mixture of experts

    /// hidden += Σ weight × expert(normed), over each row's experts.
    ///
    /// A row's copies stand beside others' in its experts' products, whose order of summation for a row knows nothing
    /// of them; what its experts give is added in the order in which it chose them. Ranks have some columns of every
    /// expert, and choose alike, since all have the whole router.
    private func experts(
        _ mixture: ExpertMixture, _ layer: DecoderLayer, _ buffers: ExpertBuffers, rows: Int, _ worker: Worker
    ) {
        let routing = buffers.routing, perRow = routing.perRow
        norm(layer.feedForwardNorm, rows: rows, for: nil, worker)
        mixture.router.multiply(
            self.buffers.normed, tokenCount: rows, into: buffers.routerLogits, kernels, worker,
            workerCount: workerCount)
        let quantizes = mixture.gate.usesQuantizedActivations || mixture.up.usesQuantizedActivations
        worker.stage(tiles: rows) { row in
            routing.select(
                row: row, logits: buffers.routerLogits, normalizes: settings.normalizesExperts, kernels)
            if quantizes { self.buffers.normed.quantize(row: row, kernels) }
        }
        let isWhole = share.isWhole
        for first in stride(from: 0, to: rows, by: routing.groupCapacity) {
            if first > 0 { share.exchange?.meet(worker) }
            let group = first..<min(rows, first + routing.groupCapacity), copies = group.count * perRow
            worker.stage(tiles: 1) { _ in routing.group(rows: group) }
            worker.stage(tiles: copies) { copy in
                ExpertMatrices.gather(
                    self.buffers.normed, row: first + copy / perRow, choice: copy % perRow, first: first, routing,
                    gate: mixture.gate, up: mixture.up, into: buffers.inputs, kernels)
            }
            ExpertMatrices.multiplyGated(
                gate: mixture.gate, up: mixture.up, down: mixture.down, routing, buffers.inputs,
                into: buffers.gated.gated, firstColumn: share.firstColumn(of: .expertGated), settings.activation,
                quantizes: isWhole, scratch: buffers.gated.up, kernels, worker)
            gather(.expertGated, rows: routing.placeCount, worker)
            if !isWhole || mixture.down.permutesColumns {
                worker.stage(tiles: copies) { copy in
                    mixture.down.quantize(
                        buffers.gated.gated, row: first + copy / perRow, choice: copy % perRow, first: first, routing,
                        kernels)
                }
            }
            mixture.down.multiply(
                routing, buffers.gated.gated, into: buffers.outputs, firstColumn: share.firstColumn(of: .hidden),
                kernels, worker)
            worker.stage(tiles: group.count) { index in
                let row = first + index
                for choice in 0..<perRow {
                    kernels.add(
                        buffers.outputs, row: routing.place(row: row, choice: choice, first: first),
                        times: routing.weight(row: row, choice: choice), to: self.buffers.hidden, row: row,
                        columns: share.columns(of: .hidden))
                }
            }
        }
        if let shared = mixture.shared, let gated = buffers.shared {
            sharedExpert(shared, gated, buffers.routerLogits, column: routing.expertCount, rows: rows, worker)
        }
        gather(.hidden, rows: rows, worker)
    }

    /// hidden += sigmoid(gate) × expert(normed), where the gate is a column of the router's logits.
    private func sharedExpert(
        _ matrices: GatedMatrices, _ gated: GatedBuffers, _ gates: FloatMatrix, column: Int, rows: Int,
        _ worker: Worker
    ) {
        worker.stage(tiles: rows) { row in buffers.normed.quantize(row: row, for: matrices.reader, kernels) }
        gate(matrices, into: gated, .sharedGated, rows: rows, worker)
        matrices.down.multiply(
            gated.gated, tokenCount: rows, into: buffers.branch, firstColumn: share.firstColumn(of: .hidden), kernels,
            worker, workerCount: workerCount)
        worker.stage(tiles: rows) { row in
            kernels.add(
                buffers.branch, row: row, times: kernels.sigmoid(gates[row, column]), to: buffers.hidden, row: row,
                columns: share.columns(of: .hidden))
        }
    }
}
