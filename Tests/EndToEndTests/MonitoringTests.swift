// The real Prometheus and Alertmanager around the real server: every format, every rule and panel, the first alerts.

import AsyncHTTPClient
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@Suite("Monitoring by the real Prometheus", .serialized)
struct MonitoringTests {
    /// The time under load; tools/scrape-check.sh makes it two minutes.
    private static let loadSeconds =
        ProcessInfo.processInfo.environment["PAGODA_SCRAPE_SECONDS"].flatMap(Int.init) ?? 12

    // MARK: - Formats

    @Test("text, OpenMetrics and protobuf are scraped under load without an error and stored under the same names")
    func formats() async throws {
        let server = try await RunningServer(["--max-num-seqs", "16"])
        let contentTypes = Mutex<[String: Set<String>]>([:])
        let relay = try await SmallHTTPServer { request in
            let format = String(request.head.uri.dropFirst())
            var relayed = HTTPClientRequest(url: server.base + "/metrics")
            let accepted = format == "text" ? "text/plain;version=0.0.4" : request.head.headers.first(name: "Accept")
            relayed.headers.add(name: "Accept", value: accepted ?? "")
            let response = try await HTTPClient.shared.execute(relayed, timeout: .seconds(5))
            let contentType = response.headers.first(name: "Content-Type") ?? ""
            contentTypes.withLock { _ = $0[format, default: []].insert(contentType) }
            return SmallHTTPServer.Response(
                status: response.status, contentType: contentType,
                body: try await response.body.collect(upTo: 16 << 20))
        }
        let direct = "127.0.0.1:\(server.port)/metrics"
        let plain = try await RunningPrometheus(targets: [
            "direct": direct, "openmetrics": "127.0.0.1:\(relay.port)/openmetrics",
            "text": "127.0.0.1:\(relay.port)/text",
        ])
        let native = try await RunningPrometheus(
            targets: ["direct": direct, "protobuf": "127.0.0.1:\(relay.port)/protobuf"],
            features: ["native-histograms"])

        let finished = try await load(server, clients: 8, seconds: Self.loadSeconds)
        for prometheus in [plain, native] {
            try await prometheus.wait(
                for: "count(sum by (job) (vllm_request_count) == \(finished)) == count(up)", seconds: 20)
            #expect(try await prometheus.query("min_over_time(up[1h]) != 1").isEmpty)
            // Samples dropped for their order, their time or a limit; targets lost at a reload.
            let troubles = try await prometheus.get("/metrics").split(separator: "\n").filter {
                $0.hasPrefix("prometheus_target_scrapes_") || $0.hasPrefix("prometheus_target_scrape_pool_exceeded")
            }
            #expect(troubles.count >= 8)
            for line in troubles { #expect(line.hasSuffix(" 0"), "\(line)") }
        }
        #expect(
            contentTypes.withLock { $0 } == [
                "text": ["text/plain; version=0.0.4; charset=utf-8"],
                "openmetrics": ["application/openmetrics-text; version=1.0.0; charset=utf-8"],
                "protobuf": [
                    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
                ],
            ])

        let names = try await plain.names(ofJob: "text")
        #expect(names.contains("vllm_request_count") && names.contains("vllm:iteration_tokens_total_bucket"))
        for job in ["direct", "openmetrics"] {
            let others = try await plain.names(ofJob: job)
            #expect(others == names, "\(job): \(others.symmetricDifference(names).sorted())")
        }
        // A native histogram is one series where a classic one is three.
        let histograms = Set(names.filter { $0.hasSuffix("_bucket") }.map { String($0.dropLast("_bucket".count)) })
        let parts = histograms.flatMap { name in ["_bucket", "_sum", "_count"].map { name + $0 } }
        for job in ["direct", "protobuf"] {
            let others = try await native.names(ofJob: job)
            let expected = names.subtracting(parts).union(histograms)
            #expect(others == expected, "\(job): \(others.symmetricDifference(expected).sorted())")
        }
        let count = try await native.query("histogram_count(vllm_request_latency_seconds)")
        #expect(count.map(\.value) == [Double(finished), Double(finished)])
    }

    @Test("promtool reads the exposition and objects to nothing but the names that others chose")
    func lint() async throws {
        let server = try await RunningServer()
        _ = try await server.post("/v1/completions", #"{"prompt": "One", "max_tokens": 4}"#)
        let text = try await server.get("/metrics")
        let file = FileManager.default.temporaryDirectory.appending(path: "exposition-\(UUID().uuidString)")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let command = "\(try TestFiles.prometheusProgram("promtool")) check metrics < \(file.path) 2>&1"
        let found = try output(of: "/bin/sh", ["-c", command]).split(separator: "\n").map(String.init)
        var expected: Set<String> = [
            #"vllm_request_count counter metrics should have "_total" suffix"#,
            #"vllm_request_count non-histogram and non-summary metrics should not have "_count" suffix"#,
            #"vllm:iteration_tokens_total non-counter metrics should not have "_total" suffix"#,
        ]
        for match in text.matches(of: #/# TYPE (vllm:\w+) /#) {
            expected.insert("\(match.1) metric names should not contain ':'")
        }
        #expect(Set(found) == expected, "\(Set(found).symmetricDifference(expected).sorted())")
    }

    @Test("every difference from what vLLM showed after the same ten requests is explained in the documents")
    func besideVLLM() async throws {
        let server = try await RunningServer()
        let script = TestFiles.root.appending(path: "tools/compare-with-vllm.py").path
        let text = try output(of: "/usr/bin/env", ["python3", script, server.base])
        #expect(text.contains(" 0 not explained; 0 explanations without a difference"), "\(text)")
    }

    // MARK: - Rules and panels

    @Test("no rule and no panel asks for a series or a label that a scrape does not give")
    func rulesAndPanels() async throws {
        let server = try await RunningServer(["--max-num-seqs", "16"])
        let prometheus = try await RunningPrometheus(
            targets: ["pagoda": "127.0.0.1:\(server.port)/metrics"], rules: try Self.hurriedRules())
        _ = try await load(server, clients: 4, seconds: 6)

        let groups = try await prometheus.data("rules")["groups"]?.arrayValue ?? []
        let rules = groups.flatMap { $0["rules"]?.arrayValue ?? [] }
        #expect(rules.count >= 50)
        for rule in rules {
            let name = rule["name"]?.stringValue ?? "", error = rule["lastError"]?.stringValue ?? ""
            #expect(rule["health"]?.stringValue == "ok", "\(name): \(error)")
        }
        let panels = try Self.panelQueries()
        #expect(panels.count >= 60)

        // While the windows still see the load.
        for panel in panels {
            let samples = try await prometheus.query(panel.query)
            #expect(!samples.isEmpty, "\(panel.title): \(panel.query) is empty")
            for label in panel.legendLabels where !samples.allSatisfy({ $0.labels[label] != nil }) {
                Issue.record("\(panel.title): no label \(label) in \(panel.query)")
            }
        }

        let queries = rules.compactMap { $0["query"]?.stringValue } + panels.map(\.query)
        let selectors = Set(queries.flatMap(PromQLSelectors.selectors)).filter { !$0.hasPrefix("ALERTS") }
        #expect(selectors.count >= 100)
        for selector in selectors.sorted() {
            let found = try await prometheus.query("count(\(selector))")
            #expect(!found.isEmpty, "no series \(selector)")
        }
    }

    @Test("selectors are found among functions, operators and labels")
    func selectors() {
        let expression = """
            sum by (le, job) (rate(a:b_total{x="}(", y=~"z"}[5m])) / on (job) group_left () c > bool 1e3 \
            and histogram_quantile(0.9, d offset 5m) or count without (le) (e{})
            """
        #expect(PromQLSelectors.selectors(in: expression) == [#"a:b_total{x="}(", y=~"z"}"#, "c", "d", "e{}"])
    }

    // MARK: - Alerts

    @Test("a queue that outgrows the KV cache alerts by latency, KV usage and growth; a dead server pages and mails")
    func scenarioOne() async throws {
        // 131 blocks: some thirty of the requests below, all let in as fast as they come.
        let server = try await RunningServer([
            "--kv-cache-memory-bytes", "50000000", "--max-num-seqs", "64", "--max-decode-slowdown", "0",
        ])
        let received = Mutex<[Notification]>([])
        // Stands for the DingTalk bridge, WeCom's interface and the generic webhook.
        let receiver = try await SmallHTTPServer { request in
            let notification = Notification(
                path: request.head.uri, authorization: request.head.headers.first(name: "Authorization"),
                body: String(buffer: request.body))
            received.withLock { $0.append(notification) }
            return SmallHTTPServer.Response(body: ByteBuffer(string: #"{"errcode": 0, "access_token": "token"}"#))
        }
        let mailbox = try await SmallMailServer()
        let alertmanager = try await MonitoringProgram(
            "prometheus-alertmanager",
            files: try Self.hurriedAlertmanager(receiverPort: receiver.port, mailPort: mailbox.port)
        ) { port in
            [
                "--config.file=alertmanager.yml", "--storage.path=data", "--web.listen-address=127.0.0.1:\(port)",
                "--cluster.listen-address=",
            ]
        }
        let prometheus = try await RunningPrometheus(
            targets: ["pagoda": "127.0.0.1:\(server.port)/metrics"], rules: try Self.hurriedRules(),
            alertmanagerPort: alertmanager.port)

        let expected = ["PagodaLatencyP99High", "PagodaKVCacheNearlyFull", "PagodaQueueGrowing"]
        try await withThrowingTaskGroup(of: Void.self) { group in
            // Requests come faster than they are served, and none waits for another.
            let deadline = ContinuousClock.now + .seconds(90)
            var index = 0
            while !Self.allReceived(expected, at: "/bridge/dingtalk/operators/send", in: received.withLock { $0 }) {
                if ContinuousClock.now > deadline {
                    let alerts = try await prometheus.get("/api/v1/alerts")
                    try #require(Bool(false), "not all alerts came; Prometheus has \(alerts)")
                }
                let number = index
                index += 1
                group.addTask {
                    let body = """
                        {"prompt": "Report number \(number) on the state of the harbour, its ships, its cranes and its \
                        weather, written by the one who is on duty:", "max_tokens": 40, "ignore_eos": true}
                        """
                    _ = try? await server.post("/v1/completions", body)
                }
                try await Task.sleep(for: .milliseconds(25))
            }
            group.cancelAll()
        }
        try await Self.eventually {
            Self.allReceived(expected, at: "/wecom/message/send", in: received.withLock { $0 })
        }

        _ = server.terminate()
        try await Self.eventually {
            received.withLock { $0 }.contains {
                $0.path == "/alerts" && $0.body.contains("PagodaDown") && $0.authorization == "Bearer webhook-token"
            }
        }
        try await Self.eventually {
            mailbox.mails.contains { mail in
                mail.sender.contains("alerts@example.com") && mail.recipients.contains("<operators@example.com>")
                    && mail.text.contains("Subject: ") && mail.text.contains("PagodaDown")
            }
        }
    }

    private struct Notification: Sendable {
        var path: String
        var authorization: String?
        var body: String
    }

    private static func allReceived(_ alerts: [String], at path: String, in notifications: [Notification]) -> Bool {
        alerts.allSatisfy { alert in
            notifications.contains { $0.path.hasPrefix(path) && $0.body.contains(alert) && $0.body.contains("firing") }
        }
    }

    private static func eventually(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !condition() {
            try #require(ContinuousClock.now < deadline)
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    // MARK: - What is deployed, in a hurry

    /// The rules of deploy/ with windows of ten seconds and pauses of one: a copy for tests that have no hours.
    private static func hurriedRules() throws -> [String: String] {
        var rules: [String: String] = [:]
        for name in ["recording.yml", "alerts.yml"] {
            rules[name] = try deployed("prometheus/rules/\(name)")
                .replacing(#/\[\d+[mhd]\]/#, with: "[10s]")
                .replacing(#/for: \d+[mhd]/#, with: "for: 1s")
        }
        return rules
    }

    /// The configuration of deploy/ with one receiver's address for all others, mail unencrypted, and without waiting.
    private static func hurriedAlertmanager(receiverPort: Int, mailPort: Int) throws -> [String: String] {
        let receiver = "http://127.0.0.1:\(receiverPort)"
        let wecom = "wechat_api_corp_id: id\n  wechat_api_url: \(receiver)/wecom/"
        let configuration = try deployed("alertmanager/alertmanager.yml")
            .replacing("http://localhost:8060/", with: "\(receiver)/bridge/")
            .replacing("http://localhost:9099/", with: "\(receiver)/")
            .replacing("mail.example.com:587", with: "127.0.0.1:\(mailPort)\n  smtp_require_tls: false")
            .replacing("wechat_api_corp_id: CORP_ID", with: wecom)
            .replacing(#/group_(wait|interval): \w+/#) { "group_\($0.1): 1s" }
        return [
            "alertmanager.yml": configuration,
            "templates/pagoda.tmpl": try deployed("alertmanager/templates/pagoda.tmpl"),
            "secrets/smtp-password": "smtp-password", "secrets/webhook-token": "webhook-token",
        ]
    }

    private struct PanelQuery {
        var title: String
        var query: String
        var legendLabels: [String]
    }

    /// What the dashboard asks for if a reader chose all instances; its variables' queries too.
    private static func panelQueries() throws -> [PanelQuery] {
        let dashboard = try JSONParser.parse(try deployed("grafana/dashboards/pagoda.json"))
        func chosen(_ query: String) -> String {
            query.replacing("$instance", with: ".*").replacing("$model_name", with: ".*")
                .replacing("$__rate_interval", with: "10s")
        }
        var queries: [PanelQuery] = []
        for panel in dashboard["panels"]?.arrayValue ?? [] {
            for target in panel["targets"]?.arrayValue ?? [] {
                let legend = target["legendFormat"]?.stringValue ?? ""
                queries.append(
                    PanelQuery(
                        title: panel["title"]?.stringValue ?? "",
                        query: chosen(target["expr"]?.stringValue ?? ""),
                        legendLabels: legend.matches(of: #/{{(\w+)}}/#).map { String($0.1) }))
            }
        }
        for variable in dashboard["templating"]?["list"]?.arrayValue ?? [] {
            let definition = variable["definition"]?.stringValue ?? ""
            guard let match = definition.wholeMatch(of: #/label_values\((.+), (\w+)\)/#) else { continue }
            queries.append(
                PanelQuery(title: "variable", query: chosen(String(match.1)), legendLabels: [String(match.2)]))
        }
        return queries
    }

    private static func deployed(_ path: String) throws -> String {
        try String(contentsOf: TestFiles.root.appending(path: "deploy/\(path)"), encoding: .utf8)
    }

    // MARK: - Load

    /// Keeps so many clients busy for a time; how many requests they made, all of which succeeded.
    private func load(_ server: RunningServer, clients: Int, seconds: Int) async throws -> Int {
        let deadline = ContinuousClock.now + .seconds(seconds)
        return try await withThrowingTaskGroup(of: Int.self) { group in
            for client in 0..<clients {
                group.addTask {
                    var count = 0
                    while ContinuousClock.now < deadline {
                        let streams = (client + count).isMultiple(of: 2)
                        let response = try await server.post(
                            "/v1/completions",
                            #"{"prompt": "Client \#(client) said", "max_tokens": 12, "stream": \#(streams)}"#)
                        #expect(response.status == .ok)
                        for try await _ in response.body {}
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
    }
}
