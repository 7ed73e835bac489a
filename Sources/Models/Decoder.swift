// The forward pass of every decoder family: tokens in, logits out, K and V through block tables.

internal import Kernels
internal import ModelFiles

/// A transformer decoder with pre-norm RMSNorm, rotary embedding, grouped-query attention and SwiGLU.
///
/// Written for all workers at once: each line of `forward` is a stage that they share and leave together. The result of
/// a row depends on its sequence alone, bit for bit: no sum's order depends on the batch, its chunks or the workers.
struct Decoder {
    /// Of this rank: `headCount` and `keyValueHeadCount` are its own.
    let configuration: ModelConfiguration
    let weights: DecoderWeights
    let buffers: DecoderBuffers
    let rotary: RotaryTable
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
        embed(batch.tokenIDs, worker)
        for index in weights.layers.indices {
            attention(index, batch, plan, worker)
            feedForward(weights.layers[index], rows: rows, worker)
        }
        outputHead(batch, into: logits, worker)
    }

    private func attention(
        _ index: Int, _ batch: ForwardBatch, _ plan: AttentionPlan, _ worker: Worker
    ) {
        let layer = weights.layers[index], rows = batch.rowCount
        norm(layer.attentionNorm, rows: rows, for: layer.queryKeyValue, worker)
        layer.queryKeyValue.multiply(
            buffers.normed, tokenCount: rows, into: buffers.queryKeyValue, kernels, worker, workerCount: workerCount)
        worker.stage(tiles: rows) { row in
            placeInCache(layer, index, row: row, position: batch.positions[row], slot: batch.slotMapping[row])
        }
        // Heads can be quantised where they are computed, unless a group has columns of several tasks or ranks.
        let isEachTasks = share.isWhole && headGroupsFillGroups && !layer.attentionOutput.permutesColumns
        let quantizes = layer.attentionOutput.usesQuantizedActivations
        let operands = attentionOperands(quantizes: quantizes && isEachTasks)
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
        layer.attentionOutput.multiply(
            buffers.attention, tokenCount: rows, into: buffers.hidden, firstColumn: share.firstHiddenColumn,
            accumulate: true, kernels, worker, workerCount: workerCount)
        if let bias = layer.attentionOutputBias {
            worker.stage(tiles: rows) { row in
                kernels.add(bias, to: buffers.hidden, row: row, firstColumn: share.firstHiddenColumn)
            }
        }
        gather(.hidden, rows: rows, worker)
    }

    /// Whether the heads of a task of attention can be quantised by themselves.
    private var headGroupsFillGroups: Bool { groupSize * headSize % ActivationRows.groupColumns == 0 }

    private func attentionOperands(quantizes: Bool) -> KVCacheStorage.AttentionOperands {
        KVCacheStorage.AttentionOperands(
            queries: buffers.queryKeyValue, out: buffers.attention, firstOutColumn: share.firstAttentionColumn,
            quantizes: quantizes, groupSize: groupSize, window: configuration.slidingWindow ?? 0,
            scale: 1 / Float(headSize).squareRoot(), scratch: buffers.attentionScratch,
            partials: buffers.attentionPartials)
    }

    /// Adds the biases, rotates Q and K to their position, and writes K and V to their slot.
    private func placeInCache(_ layer: DecoderLayer, _ index: Int, row: Int, position: Int32, slot: Int32) {
        if let bias = layer.queryKeyValueBias { kernels.add(bias, to: buffers.queryKeyValue, row: row) }
        kernels.rotate(
            buffers.queryKeyValue, row: row, firstColumn: 0,
            headCount: configuration.headCount + configuration.keyValueHeadCount, headSize: headSize, table: rotary,
            position: Int(position))
        cache.store(
            layer: index, slot: Int(slot), from: buffers.queryKeyValue, row: row, keyColumn: queryWidth,
            valueColumn: queryWidth + keyWidth, kernels)
    }

    private func feedForward(_ layer: DecoderLayer, rows: Int, _ worker: Worker) {
        let consumer = layer.gate.usesQuantizedActivations ? layer.gate : layer.up
        norm(layer.feedForwardNorm, rows: rows, for: consumer, worker)
        let quantizes = layer.down.usesQuantizedActivations
        let isEachTiles = share.isWhole && !layer.down.permutesColumns
        PackedMatrix.multiplyGated(
            gate: layer.gate, up: layer.up, buffers.normed, tokenCount: rows, into: buffers.gated,
            firstColumn: share.firstGatedColumn, quantizes: quantizes && isEachTiles, scratch: buffers.up, kernels,
            worker, workerCount: workerCount)
        gather(.gated, rows: rows, worker)
        if quantizes, !isEachTiles {
            worker.stage(tiles: rows) { row in buffers.gated.quantize(row: row, for: layer.down, kernels) }
        }
        layer.down.multiply(
            buffers.gated, tokenCount: rows, into: buffers.hidden, firstColumn: share.firstHiddenColumn,
            accumulate: true, kernels, worker, workerCount: workerCount)
        gather(.hidden, rows: rows, worker)
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
        share.exchange?.collect(logits, rows: batch.logitRows.count, worker)
    }

    private func norm(_ weight: FloatMatrix, rows: Int, for consumer: PackedMatrix, _ worker: Worker) {
        worker.stage(tiles: rows) { row in
            kernels.rmsNorm(
                buffers.hidden, row: row, weight: weight, epsilon: configuration.normEpsilon,
                into: buffers.normed.values, row: row)
            buffers.normed.quantize(row: row, for: consumer, kernels)
        }
    }
}
