import Diagnosis
import JSON
import Testing

@Suite("Metrics history")
struct MetricsHistoryTests {
    private let history = MetricsHistory(instance: "i")

    private func record(_ text: String, seconds: Double) {
        history.record(Array(text.utf8), seconds: seconds)
    }

    private func json(
        after limit: Double? = nil, _ resolution: MetricsHistory.Resolution = .fine
    ) throws -> JSONValue {
        try JSONParser.parse(history.json(after: limit, resolution, version: "1", now: (9, 1_700_000_000.5)))
    }

    private func times(_ json: JSONValue) -> [Double] {
        (json["rows"]?.arrayValue ?? []).compactMap { $0.arrayValue?.first?.doubleValue }
    }

    @Test("series become columns under the names of the exposition; those of ignored labels are added up")
    func columns() throws {
        record(
            """
            vllm_request_count{status="SUCCESS",model="m",endpoint="a"} 3
            vllm_request_count{status="SUCCESS",model="m",endpoint="b"} 4
            vllm_request_count{status="FAILED",model="m",endpoint="a"} 1
            vllm:num_preemptions_total{engine="0",model_name="m"} 2.5
            vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 7
            something_else 9
            vllm_generation_throughput NaN
            """, seconds: 1)
        let json = try json()
        #expect(
            json["columns"] == [
                #"vllm_request_count{status="SUCCESS"}"#, #"vllm_request_count{status="FAILED"}"#,
                "vllm:num_preemptions_total", #"vllm:time_to_first_token_seconds_bucket{le="+Inf"}"#,
                "vllm_generation_throughput",
            ])
        let row: JSONValue = [1, 7, 1, 2.5, 7, nil]
        #expect(json["rows"] == .array([row]))
        #expect(json["latest"] == row)
        #expect(json["instance"] == "i" && json["now"] == 9.0 && json["time"] == 1_700_000_000.5)
    }

    @Test("a page gets the columns once, and then only the rows that it does not have")
    func increments() throws {
        for second in 0..<25 { record("vllm_running_requests \(second)", seconds: Double(second)) }
        #expect(times(try json()).count == 25)
        let more = try json(after: 21)
        #expect(times(more) == [22, 23, 24])
        #expect(more["columns"] == nil)
        #expect(times(try json(after: nil, .coarse)) == [0, 10, 20])
        let latest: JSONValue = [24, 24]
        #expect(try json(after: 20, .coarse)["latest"] == latest)
        #expect(try json(after: .nan)["rows"] == [])
        #expect(try json(after: .infinity)["rows"] == [])
    }

    @Test("it keeps five minutes of each second and an hour of every tenth, however long the server runs")
    func bounds() throws {
        for second in 0..<9000 { record("vllm_running_requests 1", seconds: Double(second)) }
        let fine = times(try json()), coarse = times(try json(after: nil, .coarse))
        #expect(fine.count == 301 && fine.first == 8699 && fine.last == 8999)
        #expect(coarse.count == 361 && coarse.first == 5390 && coarse.last == 8990)
        #expect(fine == fine.sorted() && coarse == coarse.sorted())
    }

    @Test("series that come and go later do not move the columns")
    func changes() throws {
        record("vllm_running_requests 1\nvllm_waiting_requests 2", seconds: 0)
        record("vllm_running_requests 3\nvllm_generation_throughput 5\nvllm_waiting_requests 4", seconds: 1)
        record("vllm_waiting_requests 6", seconds: 2)
        record("<html>", seconds: 3)
        let rows: JSONValue = [[0, 1, 2], [1, 3, 4], [2, nil, 6]]
        #expect(try json()["rows"] == rows)
    }

    @Test("the verdict is about the last ten seconds")
    func verdict() throws {
        func text(_ waiting: Int, _ usage: Double) -> String {
            """
            vllm:num_requests_running{model_name="m"} 4
            vllm:num_requests_waiting{model_name="m"} \(waiting)
            vllm:kv_cache_usage_perc{model_name="m"} \(usage)
            """
        }
        #expect(try json()["verdict"]?["severity"] == "healthy")
        for second in 0..<20 { record(text(9, 0.99), seconds: Double(second)) }
        let busy = try json()
        #expect(busy["verdict"]?["limit"] == "kv_space")
        #expect(busy["server"]?["model"] == "m")
        for second in 20..<31 { record(text(0, 0.1), seconds: Double(second)) }
        #expect(try json()["verdict"]?["limit"] != "kv_space")
    }
}
