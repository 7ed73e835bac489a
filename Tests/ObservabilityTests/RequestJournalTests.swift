import Engine
import JSON
import Observability
import Primitives
import Testing

@Suite("The journal of requests", .timeLimit(.minutes(1)))
struct RequestJournalTests {
    private let journal = RequestJournal(RequestJournal.Configuration())

    @Test("a request is in flight until its sequences have ended and its client has the answer, in either order")
    func endings() async throws {
        let answeredFirst = follow("gone", prompt: 1)
        let endedFirst = follow("served", prompt: 2)
        #expect(try ids("in_flight") == ["gone", "served"])
        endedFirst.answered(status: 200, outcome: .success)
        answeredFirst.answered(status: 0, outcome: .clientGone)
        #expect(try ids("in_flight") == ["gone", "served"])
        end(1, choice: 0, reason: .abort)
        end(2, choice: 0)
        try await eventually { try ids("in_flight").isEmpty }
        let finished = try ids("finished")
        #expect(Set(finished) == ["gone", "served"])
        let third = follow("third", prompt: 3)
        end(3, choice: 0)
        #expect(try ids("in_flight") == ["third"])
        third.answered(status: 200, outcome: .success)
        #expect(try ids("in_flight").isEmpty)
        #expect(try ids("finished").first == "third")
    }

    @Test("a finished request shows its whole life, and the parts of its time add up to the whole")
    func timeline() throws {
        let request = journal.follow(
            RequestIdentity(id: "r"),
            RequestSubject(endpoint: "/v1/completions", arrival: at(0), streams: true, sampleCount: 1))
        request.submit(RequestID(7), promptTokenCount: 20, sampleCount: 1)
        var sequence = sequence(7)
        sequence.scheduled = at(30)
        sequence.firstToken = at(50)
        sequence.lastToken = at(90)
        sequence.cachedPromptTokenCount = 16
        sequence.preemptionCount = 1
        sequence.prefillChunks = [PrefillChunk(started: at(30), ended: at(50), tokenCount: 4)]
        sequence.preemptions = [PreemptionSpan(started: at(60), recovered: at(70))]
        sequence.parts[.admission] = 10_000_000
        sequence.parts[.queueSlots] = 20_000_000
        sequence.parts[.ownPrefill] = 20_000_000
        sequence.parts[.preemption] = 10_000_000
        sequence.parts[.decode] = 30_000_000
        tell([sequence])
        request.answered(status: 200, outcome: .success, at: at(95))

        let entry = try #require(try document()["finished"]?.arrayValue?.first)
        #expect(entry["endpoint"] == "/v1/completions" && entry["state"] == "finished" && entry["stream"] == true)
        #expect(entry["status"] == 200 && entry["outcome"] == "success")
        #expect(entry["prompt_tokens"] == 20 && entry["cached_tokens"] == 16 && entry["generated_tokens"] == 3)
        #expect(entry["total_seconds"] == 0.095 && entry["first_token"] == 0.05 && entry["preemptions"] == 1)
        let parts = try #require(entry["parts"]?.objectValue)
        #expect(parts["client"] == 0.005)
        let sum = parts.members.reduce(0) { $0 + ($1.value.doubleValue ?? .nan) }
        #expect(abs(sum - 0.095) < 1e-9)
        let life = try #require(entry["sequences"]?.arrayValue?.first)
        #expect(life["queued"] == 0.01 && life["scheduled"] == 0.03 && life["finished"] == 0.09)
        #expect(life["prefill_chunks"] == [["from": 0.03, "to": 0.05, "tokens": 4]])
        #expect(life["preemptions"] == [["from": 0.06, "to": 0.07]])
        #expect(life["finish_reason"] == "stop")
    }

    @Test("of a request in flight the engine's own account is shown")
    func inFlight() async throws {
        let waiting = follow("waiting", prompt: 1)
        let running = follow("running", prompt: 2)
        var first = sequence(1)
        (first.phase, first.reason) = (.queued, nil)
        var second = sequence(2)
        (second.phase, second.reason) = (.decode, nil)
        let live = [first, second]
        let document = try JSONParser.parse(await journal.document(asking: { live }))
        let entries = try #require(document["in_flight"]?.arrayValue)
        #expect(entries.map { $0["state"] } == ["waiting", "running"])
        #expect(entries[1]["sequences"]?.arrayValue?.first?["phase"] == "decode")
        #expect(entries[1]["generated_tokens"] == 3)
        #expect(document["engine_answered"] == true)
        withExtendedLifetime((waiting, running)) {}
    }

    @Test("an engine that does not answer hides its own account alone")
    func stuckEngine() async throws {
        let request = follow("r", prompt: 1)
        let (never, continuation) = AsyncStream.makeStream(of: Void.self)
        let document = try JSONParser.parse(
            await journal.document(asking: {
                for await _ in never {}
                return []
            }))
        #expect(document["engine_answered"] == false)
        #expect(document["in_flight"]?.arrayValue?.map { $0["id"] } == ["r"])
        continuation.finish()
        withExtendedLifetime(request) {}
    }

    @Test("memory is bounded: the last requests, and of each the first sequences")
    func bounds() throws {
        var configuration = RequestJournal.Configuration()
        configuration.finishedCount = 5
        let journal = RequestJournal(configuration)
        for number in 0..<100 {
            let request = journal.follow(
                RequestIdentity(id: "r\(number)"),
                RequestSubject(endpoint: "/v1/completions", arrival: at(0), streams: false, sampleCount: 50))
            let id = RequestID(UInt64(number))
            request.submit(id, promptTokenCount: 10, sampleCount: 50)
            var step = StepStatistics()
            for choice in 0..<50 { step.finished.append(sequence(id.value, choice: choice, sampleCount: 50)) }
            journal.stepEnded(step)
            request.answered(status: 200, outcome: .success)
        }
        let document = try JSONParser.parse(journal.document(live: []))
        let finished = try #require(document["finished"]?.arrayValue)
        #expect(finished.map { $0["id"] } == ["r99", "r98", "r97", "r96", "r95"])
        #expect(finished[0]["generated_tokens"] == 150 && finished[0]["prompt_tokens"] == 10)
        #expect(finished[0]["sequences"]?.arrayValue?.count == 16)
        #expect(finished[0]["sequences_not_shown"] == 34)
    }

    @Test("a prompt that the engine refused keeps its request from nothing")
    func withdrawal() throws {
        let request = follow("half", prompt: 1)
        request.submit(RequestID(2), promptTokenCount: 5, sampleCount: 4)
        request.withdraw(RequestID(2), sampleCount: 4)
        request.answered(status: 503, outcome: .failed)
        #expect(try ids("in_flight") == ["half"])
        end(1, choice: 0, reason: .abort)
        // Sequences that nobody follows are nobody's.
        end(2, choice: 0)
        end(99, choice: 0)
        #expect(try ids("finished").count <= 1)
    }

    // MARK: -

    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000) }

    private func follow(_ id: String, prompt: UInt64) -> FollowedRequest {
        let request = journal.follow(
            RequestIdentity(id: id),
            RequestSubject(endpoint: "/v1/completions", arrival: at(0), streams: false, sampleCount: 1))
        request.submit(RequestID(prompt), promptTokenCount: 10, sampleCount: 1)
        return request
    }

    private func sequence(_ id: UInt64, choice: Int = 0, sampleCount: Int = 1) -> SequenceStatistics {
        SequenceStatistics(
            request: RequestID(id), choice: choice, reason: .stop, promptTokenCount: 20, generatedTokenCount: 3,
            sampleCount: sampleCount, maximumTokens: 16, preemptionCount: 0, arrival: at(0), queued: at(10),
            scheduled: nil, firstToken: nil, lastToken: nil, finished: at(90))
    }

    private func end(_ id: UInt64, choice: Int, reason: FinishReason = .stop) {
        var sequence = sequence(id, choice: choice)
        sequence.reason = reason
        tell([sequence])
    }

    private func tell(_ sequences: [SequenceStatistics]) {
        var step = StepStatistics()
        step.finished = sequences
        journal.stepEnded(step)
    }

    private func document() throws -> JSONValue {
        try JSONParser.parse(journal.document(live: []))
    }

    private func ids(_ list: String) throws -> [String] {
        try document()[list]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
    }
}

/// Waits until a condition holds; fails after some seconds.
func eventually(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try await !condition() {
        try #require(ContinuousClock.now < deadline, "the condition never held")
        try await Task.sleep(for: .milliseconds(5))
    }
}
