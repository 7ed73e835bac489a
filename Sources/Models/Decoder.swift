// The forward pass of every decoder family: tokens in, logits out, K and V through block tables.

internal import Kernels
internal import ModelFiles

/// A transformer decoder with RMSNorm, rotary embedding, grouped-query attention and a gated feed-forward part.
///
/// Written for all workers at once: each line of `forward` is a stage that they share and leave together. The result of
/// a row depends on its sequence alone, bit for bit: no sum's order depends on the batch, its chunks or the workers.
struct Decoder {
    /// Of this rank: `headCount` and `keyValueHeadCount` are its own.
    let configuration: ModelConfiguration
    let settings: DecoderSettings
    let weights: DecoderWeights
    let buffers: DecoderBuffers
    /// Of each variant; see `RopeScaling.variant(promptLength:)`.
    let rotary: [RotaryTable]
    /// Of layers with a sliding window; nil: as the others.
    let slidingRotary: RotaryTable?
    let cache: KVCacheStorage
    let kernels: KernelSet
    let workerCount: Int
    let share: RankShare

    private var headSize: Int { configuration.headSize }
    private var queryWidth: Int { configuration.headCount * headSize }
    private var keyWidth: Int { configuration.keyValueHeadCount * headSize }
    private var groupSize: Int { configuration.headCount / configuration.keyValueHeadCount }

    /// Computes the batch: K and V into the cache, logits of `batch.logitRows` into `logits`.
    func forward(
        _ batch: ForwardBatch, plan: AttentionPlan, into logits: LogitsBuffer, _ worker: Worker
    ) {
        let rows = batch.rowCount
        let layers = weights.layers
        expect(layers.first?.queryKeyValue, rows: rows, worker)
        embed(batch.tokenIDs, worker)
        for index in layers.indices {
            attention(index, batch, plan, worker)
            let isLast = index + 1 == layers.count
            feedForward(
                layers[index], before: isLast ? weights.outputHead : layers[index + 1].queryKeyValue, rows: rows,
                worker)
        }
        outputHead(batch, into: logits, worker)
    }

    func attention(
        _ index: Int, _ batch: ForwardBatch, _ plan: AttentionPlan, _ worker: Worker
    ) {
        let layer = weights.layers[index], rows = batch.rowCount
        norm(layer.attentionNorm, rows: rows, for: layer.queryKeyValue, worker)
        expect(layer.attentionOutput, rows: rows, worker)
        layer.queryKeyValue.multiply(
            buffers.normed, tokenCount: rows, into: buffers.queryKeyValue, kernels, worker, workerCount: workerCount)
        worker.stage(tiles: rows) { row in
            placeInCache(
                layer, index, row: row, position: batch.positions[row], slot: batch.slotMapping[row],
                rotary: rotary[plan.rotaryVariant(ofRow: row)])
        }
        // Heads can be quantised where they are computed, unless a group has columns of several tasks or ranks.
        let isEachTasks = share.isWhole && headGroupsFillGroups && !layer.attentionOutput.permutesColumns
        let quantizes = layer.attentionOutput.usesQuantizedActivations
        let operands = attentionOperands(window: settings.windows[index], quantizes: quantizes && isEachTasks)
        worker.stage(tiles: plan.tasks.count) { task in
            cache.attend(
                layer: index, task: plan.tasks[task], operands, blockTables: batch.blockTables, worker, kernels)
        }
        if !plan.merges.isEmpty {
            worker.stage(tiles: plan.merges.count) { task in
                cache.mergeParts(of: plan.merges[task], operands, kernels)
            }
        }
        gather(.attention, rows: rows, worker)
        if quantizes, !isEachTasks {
            worker.stage(tiles: rows) { row in
                buffers.attention.quantize(row: row, for: layer.attentionOutput, kernels)
            }
        }
        expectFeedForward(layer, rows: rows, worker)
        addToResidual(
            layer.attentionOutput, buffers.attention, bias: layer.attentionOutputBias, norm: layer.attentionOutputNorm,
            rows: rows, worker)
    }

    /// Says which matrix is read after the one that is next, if it is known.
    func expect(_ matrix: PackedMatrix?, rows: Int, _ worker: Worker) {
        guard let matrix else { return worker.expectNothing() }
        matrix.expect(tokenCount: rows, worker, workerCount: workerCount)
    }

    /// hidden += matrix × activations + bias, normed first where the family does it.
    func addToResidual(
        _ matrix: PackedMatrix, _ activations: ActivationRows, bias: FloatMatrix?, norm: FloatMatrix?, rows: Int,
        _ worker: Worker
    ) {
        let out = norm == nil ? buffers.hidden : buffers.branch
        matrix.multiply(
            activations, tokenCount: rows, into: out, firstColumn: share.firstColumn(of: .hidden),
            accumulate: norm == nil, kernels, worker, workerCount: workerCount)
        if !share.isWhole {
            // The bias of this rank's columns.
            if let bias {
                worker.stage(tiles: rows) { row in
                    kernels.add(bias, to: out, row: row, firstColumn: share.firstColumn(of: .hidden))
                }
            }
            gather(norm == nil ? .hidden : .branch, rows: rows, worker)
        }
        guard share.isWhole && bias != nil || norm != nil else { return }
        worker.stage(tiles: rows) { row in
            if share.isWhole, let bias { kernels.add(bias, to: out, row: row) }
            guard let norm else { return }
            // Other ranks may still be reading what was gathered.
            let normed = share.isWhole ? out : buffers.normed.values
            kernels.rmsNorm(
                out, row: row, weight: norm, epsilon: configuration.normEpsilon, into: normed, row: row)
            kernels.add(normed, row: row, times: 1, to: buffers.hidden, row: row)
        }
    }

    /// Whether the heads of a task of attention can be quantised by themselves.
    private var headGroupsFillGroups: Bool { groupSize * headSize % ActivationRows.groupColumns == 0 }

    private func attentionOperands(window: Int, quantizes: Bool) -> KVCacheStorage.AttentionOperands {
        KVCacheStorage.AttentionOperands(
            queries: buffers.queryKeyValue, out: buffers.attention, firstOutColumn: share.firstColumn(of: .attention),
            quantizes: quantizes, groupSize: groupSize, window: window, scale: settings.attentionScale,
            softcap: settings.attentionSoftcap, scratch: buffers.attentionScratch, partials: buffers.attentionPartials)
    }

    /// Adds the biases, norms the heads of Q and K where the family does it, rotates them to their position, and writes
    /// K and V to their slot.
    private func placeInCache(
        _ layer: DecoderLayer, _ index: Int, row: Int, position: Int32, slot: Int32, rotary: RotaryTable
    ) {
        if let bias = layer.queryKeyValueBias { kernels.add(bias, to: buffers.queryKeyValue, row: row) }
        if let norm = layer.queryNorm {
            kernels.rmsNormHeads(
                buffers.queryKeyValue, row: row, firstColumn: 0, headCount: configuration.headCount, weight: norm,
                epsilon: configuration.normEpsilon)
        }
        if let norm = layer.keyNorm {
            kernels.rmsNormHeads(
                buffers.queryKeyValue, row: row, firstColumn: queryWidth, headCount: configuration.keyValueHeadCount,
                weight: norm, epsilon: configuration.normEpsilon)
        }
        kernels.rotate(
            buffers.queryKeyValue, row: row, firstColumn: 0,
            headCount: configuration.headCount + configuration.keyValueHeadCount, headSize: headSize,
            table: settings.windows[index] > 0 ? slidingRotary ?? rotary : rotary, position: Int(position))
        if let factor = configuration.logNFactor(position: Int(position)) {
            kernels.scale(buffers.queryKeyValue, row: row, columnCount: queryWidth, by: factor)
        }
        cache.store(
            layer: index, slot: Int(slot), from: buffers.queryKeyValue, row: row, keyColumn: queryWidth,
            valueColumn: queryWidth + keyWidth, kernels)
    }

    private func outputHead(_ batch: ForwardBatch, into logits: LogitsBuffer, _ worker: Worker) {
        let head = weights.outputHead
        worker.stage(tiles: batch.logitRows.count) { index in
            kernels.rmsNorm(
                buffers.hidden, row: Int(batch.logitRows[index]), weight: weights.outputNorm,
                epsilon: configuration.normEpsilon, into: buffers.logitInputs.values, row: index)
            buffers.logitInputs.quantize(row: index, for: head, kernels)
        }
        head.multiply(
            buffers.logitInputs, tokenCount: batch.logitRows.count, into: logits, firstColumn: share.firstToken,
            kernels, worker, workerCount: workerCount)
        buffers.logitRefinement.refine(
            logits, firstColumn: share.firstToken, of: head, buffers.logitInputs, tokenCount: batch.logitRows.count,
            kernels, worker)
        if let cap = settings.logitSoftcap {
            let end = share.firstToken + head.rowCount, step = Self.cappedColumns
            let perRow = (head.rowCount + step - 1) / step
            worker.stage(tiles: batch.logitRows.count * perRow) { tile in
                let first = share.firstToken + tile % perRow * step
                kernels.softcap(logits, row: tile / perRow, columns: first..<min(end, first + step), cap: cap)
            }
        }
        share.exchange?.collect(logits, rows: batch.logitRows.count, worker)
    }

    /// Logits that a tile caps.
    private static let cappedColumns = 8192

    /// Norms the residual stream for a consumer; nil: for those that read it in fp32.
    func norm(_ weight: FloatMatrix, rows: Int, for consumer: PackedMatrix?, _ worker: Worker) {
        worker.stage(tiles: rows) { row in
            kernels.rmsNorm(
                buffers.hidden, row: row, weight: weight, epsilon: configuration.normEpsilon,
                into: buffers.normed.values, row: row)
            if let consumer { buffers.normed.quantize(row: row, for: consumer, kernels) }
        }
    }
}
