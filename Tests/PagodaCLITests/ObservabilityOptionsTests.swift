import ArgumentParser
import PagodaCLI
import Testing

@Suite("Options about logs and traces")
struct ObservabilityOptionsTests {
    @Test(
        "they are accepted in vLLM's spellings and ours",
        arguments: [
            "--log-format json --log-level DEBUG", "--log_level warning --enable-log-requests",
            "--enable-request-id-headers", "--enable-debug-endpoints --no-enable-log-requests",
            "--otlp-traces-endpoint http://localhost:4318/v1/traces --otlp-traces-sample-ratio 0.25",
        ])
    func accepted(line: String) throws {
        _ = try Pagoda.parseAsRoot(arguments(line))
    }

    @Test(
        "what can't be done is refused in a sentence that names the option",
        arguments: [
            ("--log-format xml", "log-format"), ("--log-level loud", "log-level"),
            ("--no-enable-request-id-headers", "no-enable-request-id-headers"),
            ("--otlp-traces-endpoint localhost:4317", "otlp-traces-endpoint"),
            ("--otlp-traces-endpoint grpc://localhost:4317", "otlp-traces-endpoint"),
            ("--otlp-traces-sample-ratio 1.5", "otlp-traces-sample-ratio"),
            ("--otlp-traces-sample-ratio nan", "otlp-traces-sample-ratio"),
            ("--otlp-traces-sample-ratio=-0.1", "otlp-traces-sample-ratio"),
        ])
    func refused(line: String, name: String) {
        do {
            _ = try Pagoda.parseAsRoot(arguments(line))
            Issue.record("\(line) was accepted")
        } catch {
            #expect(Pagoda.message(for: error).contains("--\(name)"))
        }
    }

    private func arguments(_ line: String) -> [String] {
        Pagoda.normalized(["serve", "M"] + line.split(separator: " ").map { String($0) })
    }
}
