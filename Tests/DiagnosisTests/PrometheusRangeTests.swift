import Diagnosis
import Testing

@Suite("Prometheus range")
struct PrometheusRangeTests {
    private func answer(instances: [String]) -> [UInt8] {
        let results = instances.flatMap { instance in
            [
                ("vllm:num_requests_running", #"[1700000000,"3"],[1700000010.5,"5"]"#),
                ("vllm:generation_tokens_total", #"[1700000000,"100"],[1700000010.5,"310"]"#),
            ].map { name, values in
                """
                {"metric":{"__name__":"\(name)","instance":"\(instance)","job":"pagoda","model_name":"m","engine":"0"},\
                "values":[\(values)]}
                """
            }
        }
        return Array(
            """
            {"status":"success","data":{"resultType":"matrix","result":[\(results.joined(separator: ","))]}}
            """.utf8)
    }

    @Test("an answer of the API becomes a window")
    func window() throws {
        let range = try PrometheusRange("5m", instance: nil)
        let window = try range.window(answer(instances: ["a:8000"]))
        #expect(window.seconds == 10.5)
        #expect(window.mean(of: "vllm:num_requests_running") == 4)
        #expect(window.rate(of: "vllm:generation_tokens_total") == 20)
        #expect(window.label("model_name", of: "vllm:num_requests_running") == "m")
    }

    @Test("a range is asked for in about thirty steps, by the names that matter and the instance")
    func question() throws {
        let range = try PrometheusRange("5m", instance: #"a"\b"#)
        #expect(range.length == 300 && range.step == 10)
        #expect(
            range.query
                == #"{__name__=~"(vllm|pagoda)[:_].+|process_start_time_seconds",instance="a\"\\b"}"#)
        #expect(try PrometheusRange("2h", instance: nil).step == 240)
        #expect(try PrometheusRange("10s", instance: nil).step == 1)
    }

    @Test("the server's own time is read")
    func time() throws {
        let answer = #"{"status":"success","data":{"resultType":"scalar","result":[1700000000.25,"1700000000.25"]}}"#
        #expect(try PrometheusRange.time(Array(answer.utf8)) == 1_700_000_000.25)
        for other in [#"{"data":{"result":[]}}"#, #"{"data":{"result":["x"]}}"#, #"{"data":[]}"#, "[]"] {
            #expect(throws: DiagnosisError.self) { try PrometheusRange.time(Array(other.utf8)) }
        }
    }

    @Test("what is no range is refused", arguments: ["", "5", "m", "5x", "-5m", "0s", "nans", "infd", "999999999d"])
    func wrongRange(text: String) {
        #expect(throws: DiagnosisError.unknownRange(text)) { try PrometheusRange(text, instance: nil) }
    }

    @Test("several servers are refused by name, since a diagnosis is of one")
    func severalServers() throws {
        let range = try PrometheusRange("5m", instance: nil)
        #expect(throws: DiagnosisError.severalServers(["a:1", "b:2"])) {
            try range.window(answer(instances: ["b:2", "a:1"]))
        }
    }

    @Test(
        "other answers are refused with what they are",
        arguments: [
            ("<html>", "not Prometheus' HTTP API"), (#"{"status":"error","error":"bad"}"#, "(bad)"),
            ("{}", "no data"), (#"{"data":{"resultType":"scalar","result":[1,"1"]}}"#, "no matrix"),
            (#"{"data":{"resultType":"matrix","result":[]}}"#, "longer --range"),
            (
                #"{"data":{"resultType":"matrix","result":[{"metric":{"__name__":"a"},"values":[[1,"x"],[2],3]}]}}"#,
                "longer --range"
            ), (#"{"data":{"resultType":"matrix","result":[1,{"metric":[]},{"metric":{}}]}}"#, "longer --range"),
        ])
    func refusals(text: String, words: String) throws {
        let range = try PrometheusRange("5m", instance: nil)
        let error = #expect(throws: DiagnosisError.self) { try range.window(Array(text.utf8)) }
        #expect(try #require(error).description.contains(words))
    }
}
