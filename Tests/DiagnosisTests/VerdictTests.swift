import Diagnosis
import JSON
import Testing

@Suite("Verdict")
struct VerdictTests {
    private func text(_ scrapes: Scrapes) throws -> String {
        VerdictText(try scrapes.verdict, source: "http://h/metrics").text
    }

    @Test("findings are ranked: trouble, then limits, then notes")
    func ranking() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 1000, sequences: 2, multiplyAdds: 268e9, bytes: 95e9)
        scrapes.gauge("pagoda_max_running_sequences", 2)
        scrapes.gauge("vllm:num_requests_waiting", 30)
        scrapes.gauge("pagoda_memory_oom_kills", 1)
        let verdict = try scrapes.verdict
        #expect(verdict.findings.map(\.limit) == [.slots, .memoryBandwidth, .memory])
        #expect(verdict.severity == .trouble)
    }

    @Test("where no rule applies, it says so")
    func unclear() throws {
        var scrapes = Scrapes()
        scrapes.gauge("vllm:num_requests_waiting", 4)
        let verdict = try scrapes.verdict
        #expect(verdict.headline == "Nothing limits it. No limit stands out in these 10 s.")
    }

    @Test("the page has the headline, the evidence in a column and what to change")
    func page() throws {
        var scrapes = Scrapes()
        scrapes.gauge("vllm:kv_cache_usage_perc{model_name=\"m\"}", 0.97)
        scrapes.gauge("vllm:num_requests_running{model_name=\"m\"}", 8)
        scrapes.gauge("vllm:num_requests_waiting", 14)
        scrapes.counter("pagoda_request_seconds_total{part=\"decode\"}", 30)
        scrapes.counter("pagoda_request_seconds_total{part=\"queue_blocks\"}", 10)
        let lines = try text(scrapes).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[3].hasPrefix("Limited by KV cache space. 14 requests wait for KV blocks"))
        #expect(lines.contains("1. KV cache space (trouble)"))
        #expect(lines.contains("   requests waiting        14"))
        #expect(lines.contains { $0.hasPrefix("   → raise --kv-cache-memory-bytes: ") })
        #expect(lines.contains("latency by owner: decode 75 % · queue blocks 25 %"))
        #expect(lines.allSatisfy { $0.count <= 100 })
    }

    @Test("a server's names can't command a terminal")
    func controlCharacters() throws {
        var scrapes = Scrapes()
        scrapes.gauge("vllm:num_requests_running{model_name=\"a\u{1b}[31mb\u{202e}\u{9b}c\"}", 0)
        scrapes.gauge("vllm:num_requests_waiting", 20)
        scrapes.tenant("x\u{7}\\n", computed: 900, answered: 8)
        scrapes.tenant("y", computed: 100, unanswered: 4)
        let text = try text(scrapes)
        #expect(text.contains("a?[31mb??c"))
        #expect(!text.unicodeScalars.contains { ["\u{1b}", "\u{7}", "\u{9b}", "\u{202e}"].contains($0) })
        #expect(text.contains("The tenant x?? has"))
    }

    @Test("the JSON says the same in members")
    func json() throws {
        var scrapes = Scrapes()
        scrapes.busy(steps: 1000, sequences: 1, multiplyAdds: 134e9, bytes: 95e9)
        var writer = JSONWriter()
        try scrapes.verdict.write(to: &writer)
        let json = try JSONParser.parse(writer.bytes)
        #expect(json["limit"] == "memory_bandwidth" && json["severity"] == "limit" && json["seconds"] == 10.0)
        #expect(json["headline"]?.stringValue?.hasPrefix("Limited by memory bandwidth.") == true)
        let finding = try #require(json["findings"]?.arrayValue?.first)
        #expect(finding["evidence"]?.arrayValue?.first?["unit"] == "bytes_per_second")
        #expect(finding["evidence"]?.arrayValue?.first?["text"] == "10 GB/s")
        #expect(finding["advice"]?.arrayValue?.first?["direction"] == "raise")
    }

    @Test(
        "numbers have as many digits as people read",
        arguments: [
            (Quantity(0.97, .share), "97 %"), (Quantity(0.12345, .share), "12.3 %"),
            (Quantity(1.239, .seconds), "1.24 s"),
            (Quantity(0.0832, .seconds), "83.2 ms"), (Quantity(13.1e9, .bytesPerSecond), "13.1 GB/s"),
            (Quantity(212.4, .perSecond), "212/s"), (Quantity(1_234_567, .count), "1,234,567"),
            (Quantity(82.34e9, .multiplyAddsPerSecond), "82.3 GMAC/s"), (Quantity(6 * 1024 * 1024, .bytes), "6 MiB"),
            (Quantity(.nan, .count), "unknown"), (Quantity(.infinity, .seconds), "unknown"),
            (Quantity(-0.001, .count), "0"),
            (Quantity(1e300, .count), "1e+300"), (Quantity(-1.5, .count), "-1.5"), (Quantity(9.999, .count), "10"),
            (Quantity(99.97, .count), "100"), (Quantity(2.5, .factor), "2.5 times"),
        ])
    func quantities(quantity: Quantity, text: String) {
        #expect(quantity.text == text)
    }
}
