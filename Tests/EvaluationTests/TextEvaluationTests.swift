import EngineTesting
import Evaluation
import Kernels
import Models
import Primitives
import Testing

@Suite("Text evaluation")
struct TextEvaluationTests {
    private let text = (0..<200).map { TokenID($0 * 37 % 61) }

    @Test("a text is cut into whole windows, BOS in the place of each first token")
    func windows() throws {
        let windows = try TextWindows(Array(0..<23), contextLength: 7, bosID: 99)
        #expect(windows.count == 3 && windows.firstScored == 3 && windows.scoredCount == 3)
        #expect(windows[0] == [99, 1, 2, 3, 4, 5, 6])
        #expect(windows[2] == [99, 15, 16, 17, 18, 19, 20])
        #expect(try TextWindows(Array(0..<23), contextLength: 7, bosID: nil)[1] == [7, 8, 9, 10, 11, 12, 13])
    }

    @Test("a text shorter than a window, and a window with nothing to score, are refused")
    func refusedWindows() {
        #expect(throws: EvaluationError.textTooShort(tokenCount: 6, contextLength: 7)) {
            try TextWindows(Array(0..<6), contextLength: 7, bosID: nil)
        }
        #expect(throws: EvaluationError.contextTooShort(contextLength: 3, least: 4)) {
            try TextWindows(Array(0..<6), contextLength: 3, bosID: nil)
        }
    }

    @Test("a token is scored by the logits of the position before it, in the second half of each window")
    func alignment() throws {
        let executor = executor { $0.script = { (($0.last ?? 0) + 1) % 61 } }
        let counting = (0..<120).map { TokenID($0 % 61) }
        let expected = try Self.scores(of: executor, windows: TextWindows(counting, contextLength: 24, bosID: nil))
        let result = try TextEvaluation(executor).run(TextWindows(counting, contextLength: 24, bosID: nil))
        #expect(result.perplexity == expected)
        // The script's token has a logit of 16, the others at most 8.
        #expect(result.perplexity.value < 1.02)
        #expect(result.perplexity.count == 5 * 11 && result.windowCount == 5 && result.computedCount == 5 * 23)
        let other = try TextEvaluation(executor).run(TextWindows(text, contextLength: 24, bosID: nil))
        #expect(other.perplexity.value > 1000)
    }

    /// The score of each window computed in one pass, all logits at hand.
    private static func scores(of executor: ScriptedExecutor, windows: TextWindows) throws -> Perplexity {
        var perplexity = Perplexity()
        let logits = LogitsBuffer(rowCapacity: 64, vocabularySize: executor.vocabularySize)
        for index in 0..<windows.count {
            let window = windows[index]
            var batch = ForwardBatch()
            batch.tokenIDs = window
            batch.positions = (0..<Int32(window.count)).map { $0 }
            batch.slotMapping = batch.positions
            batch.blockTables = [0, 1]
            batch.logitRows = batch.positions
            batch.sequences = [
                ForwardBatch.Sequence(
                    firstRow: 0, rowCount: Int32(window.count), contextLength: Int32(window.count), blockTableOffset: 0,
                    promptLength: Int32(window.count))
            ]
            try executor.execute(batch, into: logits)
            for position in window.count / 2..<window.count - 1 {
                let score = logits.withRow(position) { RowScore($0.span, followedBy: window[position + 1]) }
                perplexity.add(score.negativeLogLikelihood)
            }
        }
        return perplexity
    }

    @Test("the pieces in which a window is computed change nothing", arguments: [(1, 1), (5, 3), (512, 64), (7, 200)])
    func pieces(rows: Int, logitRows: Int) throws {
        let windows = try TextWindows(text, contextLength: 50, bosID: 3)
        let whole = try TextEvaluation(executor()).run(windows)
        let pieces = try TextEvaluation(
            executor {
                $0.maximumRows = rows
                $0.maximumLogitRows = logitRows
            }
        ).run(windows)
        #expect(whole.perplexity == pieces.perplexity && whole.perplexity.count == 4 * 24)
    }

    @Test("a model beside itself does not diverge")
    func itself() throws {
        var progress: [Int] = []
        let evaluation = TextEvaluation(executor(), reference: executor { $0.maximumLogitRows = 5 })
        let result = try evaluation.run(TextWindows(text, contextLength: 50, bosID: nil)) {
            progress.append($0.windowCount)
        }
        let divergence = try #require(result.divergence)
        #expect(divergence.summary.maximum == 0 && divergence.summary.mean == 0)
        #expect(divergence.agreement == 1 && divergence.reference == result.perplexity)
        #expect(progress == [1, 2, 3, 4])
    }

    @Test("a model that differs from its reference diverges, and each has its own perplexity")
    func divergence() throws {
        let windows = try TextWindows(text, contextLength: 50, bosID: nil)
        let model = executor(), reference = executor { $0.script = { ($0.last ?? 0) % 61 } }
        let result = try TextEvaluation(model, reference: reference).run(windows)
        let divergence = try #require(result.divergence)
        #expect(divergence.summary.median > 1 && divergence.agreement < 0.2)
        #expect(try result.perplexity == TextEvaluation(model).run(windows).perplexity)
        #expect(try divergence.reference == TextEvaluation(reference).run(windows).perplexity)
    }

    @Test("logits that are no numbers are an error that names the position")
    func notFinite() throws {
        let windows = try TextWindows(text, contextLength: 50, bosID: nil)
        let poison = windows[0][30], poisoned = executor { $0.poison = poison }
        #expect(throws: EvaluationError.notFinite(position: 30)) { try TextEvaluation(poisoned).run(windows) }
        #expect(throws: EvaluationError.notFinite(position: 30)) {
            try TextEvaluation(executor(), reference: poisoned).run(windows)
        }
    }

    @Test("a cache that does not hold a window is an error")
    func smallCache() throws {
        let small = executor { $0.capacity = CacheCapacity(blockCount: 2, blockSize: 16) }
        #expect(throws: EvaluationError.cacheTooSmall(blockCount: 2)) {
            try TextEvaluation(small).run(TextWindows(text, contextLength: 50, bosID: nil))
        }
    }

    private func executor(_ change: (inout ScriptedExecutor.Configuration) -> Void = { _ in }) -> ScriptedExecutor {
        var configuration = ScriptedExecutor.Configuration()
        change(&configuration)
        return ScriptedExecutor(configuration)
    }
}
