import Diagnosis
import Testing

@Suite("Exposition parser")
struct ExpositionParserTests {
    private func parse(_ text: String) throws(DiagnosisError) -> [SeriesValue] {
        try ExpositionParser.parse(Array(text.utf8))
    }

    @Test("samples are read with labels, escapes and every spelling of a number")
    func samples() throws {
        let text = """
            # HELP a b \\n c
            # TYPE a counter
            a 1
            vllm:b_total{model_name="x\\"y\\\\z\\nw", le="+Inf",} 2.5e+06 1700000000000
              c { d = "e" } -Inf
            f{} NaN
            g_bucket{le="1.0"} 17 # {trace_id="4bf9"} 0.043 1718000000.123

            # EOF
            """
        let series = try parse(text)
        #expect(series.map(\.name) == ["a", "vllm:b_total", "c", "f", "g_bucket"])
        #expect(series[1].labels == [SeriesLabel("model_name", "x\"y\\z\nw"), SeriesLabel("le", "+Inf")])
        #expect(series[1].value == 2_500_000 && series[2].value == -.infinity && series[3].value.isNaN)
        #expect(series[2].labels == [SeriesLabel("d", "e")] && series[4].value == 17)
    }

    @Test("windows line ends and a missing last one are no trouble")
    func lineEnds() throws {
        #expect(try parse("a 1\r\nb 2").map(\.value) == [1, 2])
        #expect(try parse("").isEmpty)
    }

    @Test(
        "what is no exposition is refused with its line",
        arguments: [
            ("<!DOCTYPE html>", 1), ("a 1\nb", 2), ("a{b} 1", 1), ("a{b=\"c} 1\nd 2", 1), ("a{b=\"c\" d=\"e\"} 1", 1),
            ("a one", 1), ("1a 2", 1), ("a 1\n\n{} 1", 3), ("a{b=c} 1", 1), ("a{b=\"\\", 1), ("{\"a\": 1}", 1),
        ])
    func malformed(text: String, line: Int) {
        #expect(throws: DiagnosisError.notAnExposition(line: line)) { try parse(text) }
    }

    @Test("a text of too many series or labels is refused")
    func limits() {
        let series = String(repeating: "a 1\n", count: 200_001)
        #expect(throws: DiagnosisError.tooManySeries(limit: 200_000)) { try parse(series) }
        let labels = (0..<65).map { "l\($0)=\"\"" }.joined(separator: ",")
        #expect(throws: DiagnosisError.notAnExposition(line: 1)) { try parse("a{\(labels)} 1") }
    }

    @Test("random bytes and damaged expositions never do more than fail", arguments: 0..<50)
    func hostile(seed: Int) {
        var random = SplitMix(state: UInt64(seed))
        let good = Array("vllm:a_total{model_name=\"m\",le=\"0.5\"} 12.5\n# TYPE b gauge\nb 1e300 5\n".utf8)
        for _ in 0..<200 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: position)
                default: bytes.insert(contentsOf: "{}\"\\#,= \n\0".utf8.shuffled(using: &random), at: position)
                }
            }
            let series = (try? ExpositionParser.parse(bytes)) ?? []
            #expect(series.count <= bytes.count)
        }
    }
}

/// A small generator whose numbers a seed decides.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
