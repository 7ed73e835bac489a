import ArgumentParser
import PagodaCLI
import Testing

@Suite("doctor")
struct DoctorTests {
    @Test(
        "what can't be done is refused before anything is asked",
        arguments: [
            (["--interval", "0"], "--interval 0.0 is not possible; allowed is 0.1 to 3600 seconds."),
            (["--interval", "nan"], "--interval nan is not possible; allowed is 0.1 to 3600 seconds."),
            (["--fail-on", "note"], "--fail-on note is not possible; allowed is limit or trouble."),
            (["--header", "x"], "--header x is not possible; allowed is KEY=VALUE."),
            (["--prometheus", "p:9090", "--range", "x"], "'x' is no length of time; write 30s, 5m, 2h or 1d."),
        ])
    func refusals(options: [String], message: String) async throws {
        let error = await #expect(throws: (any Error).self) { try await run(options) }
        #expect("\(try #require(error))" == message)
    }

    @Test("a server that is not there is named, with what to check")
    func noServer() async throws {
        let error = await #expect(throws: (any Error).self) { try await run(["127.0.0.1:9", "--interval", "0.1"]) }
        let sentence = "\(try #require(error))"
        #expect(sentence.hasPrefix("No answer from http://127.0.0.1:9/metrics: "))
        #expect(sentence.hasSuffix("Is the server running there?"))
    }

    private func run(_ options: [String]) async throws {
        guard var command = try Pagoda.parseAsRoot(["doctor"] + options) as? any AsyncParsableCommand else { return }
        try await command.run()
    }
}
