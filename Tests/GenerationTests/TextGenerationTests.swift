import Engine
import EngineTesting
import Generation
import Primitives
import Testing

@Suite("Generated text")
struct TextGenerationTests {
    private static let letters = (97...122).map { TokenID($0) }

    private func request(
        _ count: Int = 40, configure: (inout GenerationRequest) -> Void = { _ in }
    ) -> GenerationRequest {
        var request = GenerationRequest(prompt: .text("hi"))
        request.maximumTokens = count
        request.temperature = 0
        request.ignoresEOS = true
        request.allowedTokenIDs = Self.letters
        configure(&request)
        return request
    }

    @Test("the same request gives the same text, alone and beside others")
    func determinism() async throws {
        let generator = try TestModel.generator()
        let alone = try await TestModel.collect(request(), on: generator)
        let together = try await withThrowingTaskGroup(of: [TextDelta].self) { group in
            for _ in 0..<8 { group.addTask { [self] in try await TestModel.collect(request(), on: generator) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(together.allSatisfy { $0 == alone })
        #expect(alone[0].text.utf8.count == 40)
        #expect(alone[0].ending == ChoiceEnding(reason: .length))
    }

    @Test("a stop string cuts the text, or stays where it is asked for, and later tokens are dropped")
    func stopString() async throws {
        let generator = try TestModel.generator()
        let text = try await TestModel.collect(request(), on: generator)[0].text
        let stop = String(text.dropFirst(10).prefix(2))
        let start = try #require(text.utf8.count >= 12 ? text.range(of: stop) : nil)
        for includes in [false, true] {
            let delta = try await TestModel.collect(
                request {
                    $0.stopStrings = ["??", stop]; $0.includesStop = includes
                }, on: generator)[0]
            #expect(delta.text == String(text[..<(includes ? start.upperBound : start.lowerBound)]))
            #expect(delta.ending == ChoiceEnding(reason: .stop, stopString: stop))
            #expect(delta.tokenIDs.count == text[..<start.upperBound].utf8.count)
        }
    }

    @Test("a stop string within the least number of tokens does not count")
    func minimumTokens() async throws {
        let generator = try TestModel.generator()
        let text = try await TestModel.collect(request(), on: generator)[0].text
        let delta = try await TestModel.collect(
            request {
                $0.stopStrings = [String(text.prefix(1))]; $0.minimumTokens = 5
            }, on: generator)[0]
        #expect(delta.text.hasPrefix(String(text.prefix(5))))
    }

    @Test("a client's stop token ends the text without being part of it", arguments: [false, true])
    func stopToken(includes: Bool) async throws {
        let generator = try TestModel.generator()
        let whole = try await TestModel.collect(request(), on: generator)[0]
        let token = whole.tokenIDs[7]
        let count = try #require(whole.tokenIDs.firstIndex(of: token))
        let delta = try await TestModel.collect(
            request {
                $0.stopTokenIDs = [token]; $0.includesStop = includes
            }, on: generator)[0]
        #expect(delta.text.utf8.count == count + (includes ? 1 : 0))
        #expect(delta.tokenIDs.last == token)
        #expect(delta.ending == ChoiceEnding(reason: .stop, stopTokenID: token))
    }

    @Test("the end of sequence leaves no text and no stop reason", arguments: [true, false])
    func endOfSequence(skips: Bool) async throws {
        let generator = try TestModel.generator()
        let delta = try await TestModel.collect(
            request {
                $0.allowedTokenIDs = [TestModel.endID]
                $0.ignoresEOS = false
                $0.skipsSpecialTokens = skips
            }, on: generator)[0]
        #expect(delta.text == "")
        #expect(delta.tokenIDs == [TestModel.endID])
        #expect(delta.ending == ChoiceEnding(reason: .stop))
    }

    @Test("characters come whole, whatever tokens they are made of")
    func wholeCharacters() async throws {
        let generator = try TestModel.generator()
        // The bytes of é, alone or not: the text holds only whole ones and replacements, never a part of one.
        let request = request(60) { $0.allowedTokenIDs = [0xC3, 0xA9] }
        let generation = try generator.start(generator.prepare(request))
        var text = ""
        for await batch in generation {
            for delta in batch.deltas { text += delta.text }
        }
        let ids = try await TestModel.collect(request, on: generator)[0].tokenIDs
        var expected = String(decoding: ids.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
        // A character that the end has cut is left out.
        if ids.last == 0xC3 { expected.removeLast() }
        #expect(text == expected)
    }

    @Test("logprobs name each token by text and bytes, and a prompt's begin with none")
    func logprobs() async throws {
        let generator = try TestModel.generator()
        let request = request(3) {
            $0.logprobCount = 2; $0.promptLogprobCount = 1
        }
        let generation = try generator.start(generator.prepare(request))
        var prompt: [PositionLogprob] = []
        var positions: [PositionLogprob] = []
        for await batch in generation {
            prompt += batch.promptLogprobs ?? []
            positions += batch.deltas.flatMap(\.logprobs)
        }
        #expect(prompt.map(\.chosen.text) == ["h", "i"])
        #expect(prompt.map { $0.chosen.logprob == nil } == [true, false])
        #expect(prompt[1].top.count == 1)
        #expect(positions.count == 3)
        #expect(positions.allSatisfy { $0.top.count == 2 && $0.chosen.bytes == Array($0.chosen.text.utf8) })
        #expect(positions.allSatisfy { ($0.chosen.logprob ?? 1) <= 0 })
    }

    @Test("a prompt of one token has logprobs too: none")
    func shortPrompt() async throws {
        let generator = try TestModel.generator()
        let request = request(2) {
            $0.prompt = .text("h"); $0.promptLogprobCount = 0
        }
        let generation = try generator.start(generator.prepare(request))
        var prompt: [PositionLogprob]?
        for await batch in generation { prompt = batch.promptLogprobs ?? prompt }
        #expect(prompt?.count == 1)
        #expect(prompt?.first?.chosen.logprob == nil)
    }

    @Test("samples differ, and each ends once")
    func samples() async throws {
        let generator = try TestModel.generator()
        let deltas = try await TestModel.collect(
            request {
                $0.sampleCount = 4; $0.temperature = 1; $0.seed = 3
            }, on: generator)
        #expect(Set(deltas.map(\.text)).count == 4)
        #expect(deltas.allSatisfy { $0.ending?.reason == .length })
    }

    @Test("where only the prompt is wanted, nothing but its end comes")
    func promptOnly() async throws {
        let generator = try TestModel.generator()
        let prepared = try generator.prepare(request(0))
        #expect(prepared.isPromptOnly && prepared.promptText == "hi")
        let delta = try await TestModel.collect(request(0), on: generator)[0]
        #expect(delta.text == "" && delta.tokenIDs.isEmpty)
        #expect(delta.ending == ChoiceEnding(reason: .length))
    }

    @Test("cancelling ends every choice by abort, and letting go frees the engine")
    func cancelling() async throws {
        let observer = RecordingObserver()
        let gate = Gate()
        defer { gate.open() }
        let generator = try TestModel.generator(observer: observer) { _, executor in
            executor.beforeStep = { _ in gate.pass() }
        }
        let generation = try generator.start(
            generator.prepare(request(300) { $0.sampleCount = 2 }))
        await gate.waitForArrival()
        _ = try generator.start(generator.prepare(request(300)))
        generation.cancel()
        gate.open()
        var endings: [EndReason?] = []
        for await batch in generation { endings += batch.deltas.filter { $0.ending != nil }.map(\.ending?.reason) }
        #expect(endings == [.abort, .abort])
        await generator.shutdown(draining: .seconds(30))
        #expect(observer.finished.map(\.reason) == [.abort, .abort, .abort])
    }

    @Test("what came while nobody read is one delta for each choice")
    func coalescing() async throws {
        let observer = RecordingObserver()
        let generator = try TestModel.generator(observer: observer)
        let request = request(200) { $0.sampleCount = 2 }
        let generation = try generator.start(generator.prepare(request))
        // All is computed before the first look.
        let other = try generator.start(generator.prepare(request))
        for await _ in other {}
        var batches: [TextBatch] = []
        for await batch in generation { batches.append(batch) }
        #expect(batches.first?.deltas.map(\.choice).sorted() == [0, 1])
        #expect((batches.first?.deltas.first?.tokenIDs.count ?? 0) > 100)
        #expect(batches.count <= 3)
    }

    @Test("bad words are never completed")
    func badWords() async throws {
        let generator = try TestModel.generator()
        let text = try await TestModel.collect(request(), on: generator)[0].text
        let word = String(text.dropFirst(4).prefix(3))
        let other = try await TestModel.collect(request { $0.badWords = [word] }, on: generator)[0].text
        #expect(other.range(of: word) == nil)
        #expect(other.hasPrefix(String(text.prefix(4))))
    }
}

extension String {
    /// Where `pattern` first is.
    fileprivate func range(of pattern: String) -> Range<Index>? {
        indices.lazy.compactMap { start in
            self[start...].hasPrefix(pattern) ? start..<index(start, offsetBy: pattern.count) : nil
        }.first
    }
}
