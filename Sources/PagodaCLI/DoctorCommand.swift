// `pagoda doctor`: what limits a running server, in words.

internal import ArgumentParser
internal import Diagnosis
internal import JSON
internal import LoadTesting
internal import Workload

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Say what limits a running server now, and what to change.",
        discussion: """
            Reads the server's metrics for some seconds, or asks a Prometheus that scrapes it. Servers of Pagoda and, \
            as far as its metrics go, vLLM are understood. The exit code is 0 whatever is found, unless --fail-on says \
            otherwise; 1 if the metrics can't be read.

            With --what-if it replays the server's last requests instead, step by step with what steps cost on that \
            machine, under other settings: \
            'max-num-batched-tokens=256', 'max-num-seqs=4,block-size=32', 'replicas=2'. Requests come when they came: \
            clients that wait for an answer before they ask again would come at other times. It takes a key with the \
            scope admin, or --enable-debug-endpoints where the server asks for none.
            """)

    @Argument(help: "The server, or the full address of its metrics.")
    var url = "http://127.0.0.1:8000"

    @Option(help: "Seconds to watch the server.")
    var interval = 5.0

    @Option(help: "Base address of a Prometheus to ask instead of the server.")
    var prometheus: String?

    @Option(help: "With --prometheus or --what-if: how far to look back, such as 30s, 5m, 2h or 1d.")
    var range = "5m"

    @Option(help: "With --prometheus: the server's label 'instance', if several are scraped.")
    var instance: String?

    @Option(help: "API key of the server.")
    var apiKey: String?

    @Option(parsing: .upToNextOption, help: "Headers of each request: NAME=VALUE.")
    var header: [String] = []

    @Flag(help: "Write JSON instead of text.")
    var json = false

    @Option(help: "Exit with 2 if the verdict is at least this: limit or trouble.")
    var failOn: String?

    @OptionGroup(title: "What if") var whatIf: WhatIfOptions

    func run() async throws {
        if whatIf.isAsked { return try await replay() }
        let threshold = try threshold()
        let source = try source()
        let verdict = Verdict(try ServerFigures(try await source.window()))
        if json {
            var writer = JSONWriter()
            verdict.write(to: &writer)
            Console.write(String(decoding: writer.bytes, as: UTF8.self) + "\n")
        } else {
            Console.write(VerdictText(verdict, source: source.address).text)
        }
        if let threshold, verdict.severity >= threshold { throw ExitCode(2) }
    }

    /// Says what other settings would do, rather than what is the matter.
    private func replay() async throws {
        guard failOn == nil, prometheus == nil else {
            throw CommandError.server("--what-if goes with neither --fail-on nor --prometheus: it replays requests.")
        }
        let scenarios = try whatIf.scenarios()
        let source = try captureSource()
        let bytes = try await source.bytes()
        let workload = try Workload(json: bytes)
        if let path = whatIf.saveCapture { try LocalFile.write(bytes, toPath: path, option: "save-capture") }
        // It may compute for a while.
        let report = try await blocking { try WhatIfReport(workload, from: source.address, scenarios: scenarios) }
        if json {
            var writer = JSONWriter()
            report.write(to: &writer)
            Console.write(String(decoding: writer.bytes, as: UTF8.self) + "\n")
        } else {
            Console.write(WhatIfText(report).text)
        }
    }

    private func captureSource() throws -> CaptureSource {
        if let file = whatIf.capture { return CaptureSource(file: file) }
        let seconds = try PrometheusRange(range, instance: nil).length
        guard (1...86_400).contains(seconds) else {
            throw CommandError.invalidOption(name: "range", value: range, allowed: "1s to 1d with --what-if")
        }
        return CaptureSource(server: MetricsClient.base(url), seconds: seconds, client: try client())
    }

    private func client() throws -> MetricsClient {
        var headers = try keysAndValues(header, option: "header")
        if let apiKey { headers.append((key: "Authorization", value: "Bearer \(apiKey)")) }
        return MetricsClient(headers: headers)
    }

    private func threshold() throws(CommandError) -> Severity? {
        guard let failOn else { return nil }
        guard let severity = Severity(rawValue: failOn), severity >= .limit else {
            throw .invalidOption(name: "fail-on", value: failOn, allowed: "limit or trouble")
        }
        return severity
    }

    private func source() throws -> any MetricsSource {
        let client = try client()
        if let prometheus {
            let range = try PrometheusRange(range, instance: instance)
            return PrometheusSource(base: MetricsClient.base(prometheus), range: range, client: client)
        }
        guard interval.isFinite, (0.1...3600).contains(interval) else {
            throw CommandError.invalidOption(name: "interval", value: "\(interval)", allowed: "0.1 to 3600 seconds")
        }
        return ScrapeSource(server: MetricsClient.base(url), seconds: interval, client: client)
    }
}
