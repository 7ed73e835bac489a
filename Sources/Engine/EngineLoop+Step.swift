// One step: plan, execute, sample, commit.

import Kernels
import Models
import Primitives
import Sampling
import Scheduling

extension EngineLoop {
    func step() {
        let planned = Instant.now()
        scheduler.schedule(at: planned, allowing: pacer.allowance(in: scheduler), into: &batch)
        buildForwardBatch()
        noteSchedule(at: planned)
        let begun = Instant.now()
        // What the step's commands took is part of planning it.
        statistics.scheduleSeconds = begun.seconds(since: statistics.startedAt)
        do throws(ExecutionError) {
            try executor.execute(forward, into: logits)
        } catch {
            let failed = Instant.now()
            drawn = failed
            statistics.forwardSeconds = failed.seconds(since: begun)
            return stepFailed()
        }
        stepSucceeded()
        let computed = Instant.now()
        statistics.forwardSeconds = computed.seconds(since: begun)
        sampleRows()
        scheduler.commit(batch)
        let drawn = Instant.now()
        self.drawn = drawn
        statistics.sampleSeconds = drawn.seconds(since: computed)
        noteStep(from: planned, to: drawn)
        for draw in draws {
            record(draw, at: drawn)
        }
        draws.removeAll(keepingCapacity: true)
    }

    // MARK: - Plan

    /// Lays the plan out flat, as executors want it.
    private func buildForwardBatch() {
        forward.removeAll()
        for copy in batch.blockCopies {
            forward.blockCopies.append(ForwardBatch.BlockCopy(source: copy.source, destination: copy.destination))
        }
        for entry in batch.entries {
            guard let owner = owners[entry.sequence.index] else { continue }
            let table = scheduler.blockTable(of: entry.sequence)
            let firstRow = forward.rowCount
            // Rows, positions and slots are kept in 32 bits by the configuration's limits.
            forward.sequences.append(
                ForwardBatch.Sequence(
                    firstRow: Int32(firstRow), rowCount: Int32(entry.count), contextLength: Int32(entry.end),
                    blockTableOffset: Int32(forward.blockTables.count),
                    promptLength: Int32(owner.run.request.promptTokenIDs.count)))
            forward.blockTables.append(contentsOf: table)
            for position in entry.start..<entry.end {
                let (block, offset) = position.quotientAndRemainder(dividingBy: limits.blockSize)
                forward.tokenIDs.append(owner.run.token(at: position, choice: owner.choice))
                forward.positions.append(Int32(position))
                forward.slotMapping.append(table[block] * Int32(limits.blockSize) + Int32(offset))
            }
            for row in (forward.rowCount - entry.logitCount)..<forward.rowCount {
                forward.logitRows.append(Int32(row))
            }
        }
    }

    private func noteSchedule(at now: Instant) {
        for tenant in queueClocks.indices { queueClocks[tenant].advance(to: now, cause: batch.tenantCauses[tenant]) }
        statistics.preemptionCount = batch.preempted.count
        statistics.prefixQueryTokenCount = batch.prefixQueryCount
        statistics.prefixHitTokenCount = batch.prefixHitCount
        for sequence in batch.preempted {
            guard let owner = owners[sequence.index] else { continue }
            owner.run.sequences[owner.choice].ledger.preempt(at: now)
        }
        for sequence in batch.admitted {
            guard let owner = owners[sequence.index] else { continue }
            owner.run.sequences[owner.choice].ledger.admit(at: now, queueClocks[owner.run.tenant])
            // Samples run from the moment their prompt does.
            for choice in owner.run.sequences.indices where owner.run.sequences[choice].scheduled == nil {
                owner.run.sequences[choice].scheduled = now
            }
        }
        for run in newcomers where run.sequences[0].scheduled == nil && !run.sequences[0].hasEnded {
            let cause = batch.tenantCauses[run.tenant] ?? .tokenBudget
            run.sequences[0].ledger.wait(at: now, for: cause, queueClocks[run.tenant])
        }
        newcomers.removeAll(keepingCapacity: true)
        statistics.sequenceCount = batch.entries.count
        statistics.logitRowCount = batch.logitRowCount
        for entry in batch.entries {
            guard let owner = owners[entry.sequence.index] else { continue }
            // The row of position p attends to p + 1 tokens.
            statistics.attendedTokenCount += (entry.start + 1 + entry.end) * entry.count / 2
            statistics.contextTokenCount += entry.end
            statistics.tenants[owner.run.tenantPlace].computedTokenCount += entry.count
            if isDecode(entry, of: owner.run) {
                statistics.decodeTokenCount += 1
            } else {
                statistics.prefillTokenCount += entry.count
                statistics.largestPrefillChunk = max(statistics.largestPrefillChunk, entry.count)
            }
        }
    }

    private func isDecode(_ entry: Batch.Entry, of run: RequestRun) -> Bool {
        entry.count == 1 && entry.start >= run.request.promptTokenIDs.count
    }

    /// Writes down for every sequence of the step what its time went to.
    private func noteStep(from planned: Instant, to drawn: Instant) {
        pacer.note(
            prefillRows: statistics.prefillTokenCount, decodeRows: statistics.decodeTokenCount,
            seconds: drawn.seconds(since: planned))
        let shares = shareEstimator.shares(
            started: planned, ended: drawn, prefillRows: statistics.prefillTokenCount,
            decodeRows: statistics.decodeTokenCount)
        for entry in batch.entries {
            guard let owner = owners[entry.sequence.index] else { continue }
            let isDecode = isDecode(entry, of: owner.run)
            owner.run.sequences[owner.choice].ledger.note(entry, isDecode: isDecode, in: shares)
        }
    }

    // MARK: - Sample

    /// Draws from every row that wants it, before the plan is committed.
    private func sampleRows() {
        var row = 0
        for entry in batch.entries {
            defer { row += entry.logitCount }
            guard let owner = owners[entry.sequence.index] else { continue }
            scorePrompt(entry, of: owner.run, firstRow: row)
            guard entry.samples else { continue }
            let last = row + entry.logitCount - 1
            let siblings = scheduler.unforkedSiblings(of: entry.sequence)
            draw(for: owner, from: siblings.isEmpty ? last : copy(of: last))
            for sibling in siblings {
                if let owner = owners[sibling.index] { draw(for: owner, from: copy(of: last)) }
            }
        }
    }

    /// Copies a row that several samples draw from, since drawing overwrites it, to the buffer's spare one.
    private func copy(of row: Int) -> Int {
        let spare = logits.rowCapacity - 1
        logits.copyRow(row, to: spare)
        return spare
    }

    private func draw(for owner: Owner, from row: Int) {
        let run = owner.run
        if run.sequences[owner.choice].sampler == nil {
            run.sequences[owner.choice].sampler = SequenceSampler(
                parameters: run.request.parameters, promptTokenIDs: run.request.promptTokenIDs,
                sampleIndex: owner.choice, fallbackSeed: seed &+ run.queue.ticket &* 0x9E37_79B9_7F4A_7C15,
                vocabularySize: logits.vocabularySize)
        }
        let token = try? logits.withRow(row) { (row) throws(SamplingError) -> SampledToken? in
            try run.sequences[owner.choice].sampler?.sample(&row)
        }
        draws.append(Draw(owner: owner, token: token))
    }

    /// Keeps the logprobs of the prompt's tokens whose rows were computed; told as one event when all are there.
    private func scorePrompt(_ entry: Batch.Entry, of run: RequestRun, firstRow: Int) {
        guard let topCount = run.request.promptLogprobCount, run.sequences[0].output.isEmpty else { return }
        let prompt = run.request.promptTokenIDs
        for index in 0..<entry.logitCount {
            // The row of a position gives the logprobs of the token after it; the prompt's last row is for sampling.
            let next = entry.end - entry.logitCount + index + 1
            guard next < prompt.count else { continue }
            run.promptLogprobs.append(
                logits.withRow(firstRow + index) { row in
                    Logprobs.position(of: prompt[next], in: row.span, topCount: topCount)
                })
        }
        guard entry.samples else { return }
        tell(run, .promptLogprobs(run.promptLogprobs))
        run.promptLogprobs = []
    }

    // MARK: - Commit

    /// Tells a draw to everybody and decides whether its sequence goes on.
    private func record(_ draw: Draw, at now: Instant) {
        let run = draw.owner.run
        let choice = draw.owner.choice
        guard let token = draw.token else { return finish(draw.owner, reason: .error, at: now) }
        run.sequences[choice].output.append(token.token)
        tell(run, .token(choice: choice, token))
        statistics.generatedTokenCount += 1
        if let last = run.sequences[choice].lastToken {
            statistics.interTokenLatencies.append(now.seconds(since: last))
        } else {
            // Up to here the time was its prompt's, which the first sample has written down.
            run.sequences[choice].ledger = run.sequences[0].ledger
            run.sequences[choice].firstToken = now
            run.sequences[choice].firstTokenParts = run.sequences[choice].ledger.parts
            let origin = run.request.origin
            statistics.firstTokens.append(
                FirstToken(seconds: now.seconds(since: origin.arrival), trace: origin.trace, tenant: origin.tenant))
            statistics.tenants[run.tenantPlace].unansweredCount -= 1
            statistics.tenants[run.tenantPlace].answeredCount += 1
            statistics.firstTokenParts += run.sequences[choice].ledger.parts
            statistics.promptTokenCount += run.request.promptTokenIDs.count
            let found = scheduler.foundTokenCount(of: run.sequences[choice].handle)
            statistics.cachedPromptTokenCount += found
            run.queue.tell(cachedPromptTokenCount: found)
        }
        run.sequences[choice].lastToken = now
        let generatedCount = run.sequences[choice].output.count
        if let verdict = run.stopRule.verdict(on: token.token, generatedCount: generatedCount) {
            finish(draw.owner, reason: verdict.reason, stopTokenID: verdict.stopTokenID, at: now)
        } else {
            scheduler.extend(run.sequences[choice].handle, blockHash: run.nameLastBlock(of: choice, &hasher))
        }
    }
}

extension SequenceRequest {
    /// - Parameter tenant: The scheduler's number of it.
    init(_ request: EngineRequest, tenant: Int) {
        self.init(promptCount: request.promptTokenIDs.count, maximumTokens: request.parameters.maximumTokens)
        sampleCount = request.sampleCount
        priority = request.priority
        self.tenant = tenant
        wantsPromptLogits = request.promptLogprobCount != nil
        blockHashes = request.blockHashes
    }
}
