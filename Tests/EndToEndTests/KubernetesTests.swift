// deploy/kubernetes against the real server: its metrics, its options, its probes under load and while it drains.

import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Testing
import Yams

@Suite("Kubernetes manifests and the real server", .serialized)
struct KubernetesTests {
    /// What the manifests say, without what overlays change.
    private struct Deployment {
        var arguments: [String]
        var graceSeconds: Double
        var pauseSeconds: Double
        /// Path and time limit by the probe's name.
        var probes: [String: (path: String, seconds: Double)] = [:]

        init() throws {
            let manifest = try #require(
                try Yams.load(yaml: try KubernetesTests.text("kubernetes/base/deployment.yaml")) as? [String: Any])
            let template = (manifest["spec"] as? [String: Any])?["template"] as? [String: Any]
            let pod = try #require(template?["spec"] as? [String: Any])
            let container = try #require((pod["containers"] as? [[String: Any]])?.first)
            arguments = try #require(container["args"] as? [String])
            graceSeconds = Double(try #require(pod["terminationGracePeriodSeconds"] as? Int))
            let hook = container["lifecycle"] as? [String: [String: [String: Int]]]
            pauseSeconds = Double(try #require(hook?["preStop"]?["sleep"]?["seconds"]))
            for name in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let probe = try #require(container[name] as? [String: Any])
                let path = try #require((probe["httpGet"] as? [String: Any])?["path"] as? String)
                probes[name] = (path, Double(try #require(probe["timeoutSeconds"] as? Int)))
            }
        }

        func value(of option: String) throws -> String {
            let argument = try #require(arguments.first { $0.hasPrefix("--\(option)=") })
            return String(argument.dropFirst(option.count + 3))
        }
    }

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: TestFiles.root.appending(path: "deploy/\(path)"), encoding: .utf8)
    }

    private static func files(in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: TestFiles.root.appending(path: "deploy/\(folder)").path)
            .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.map { "\(folder)/\($0)" }
    }

    // MARK: - Names

    @Test("every metric that a file for Kubernetes or for pairs of Prometheus names is in a live scrape")
    func metricNames() async throws {
        let server = try await RunningServer()
        let scrape = try await server.get("/metrics")
        var shown = Set(TestFiles.metricValues(scrape).keys)
        for match in scrape.matches(of: #/# TYPE ([\w:]+) /#) { shown.insert(String(match.1)) }
        var named: [String: String] = [:]
        for file in try Self.files(in: "kubernetes") + Self.files(in: "prometheus/ha") {
            let words = try Self.text(file).split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") }
            for word in words where word.contains(#/^(vllm[:_]|pagoda_)/#) {
                named[word.hasSuffix(":") ? String(word.dropLast()) : String(word)] = file
            }
        }
        #expect(named.count >= 3)
        for (name, file) in named where !shown.contains(name) {
            Issue.record("\(file) names \(name), which a scrape does not show")
        }
    }

    @Test("every option that a manifest or a compose file gives the server is one of its own")
    func options() throws {
        let help = try output(of: try TestFiles.binary(), ["serve", "--help"])
        var count = 0
        for file in try Self.files(in: "kubernetes") + ["compose/docker-compose.yml"] {
            guard file.contains("base") || file.contains("overlays") || file.contains("compose") else { continue }
            let text = try Self.text(file)
            // The endpoint picker and the programs of the monitoring have options of their own.
            guard !file.hasSuffix("endpoint-picker.yaml") else { continue }
            let server = text.components(separatedBy: "\n  prometheus:")[0]
            for match in server.matches(of: #/(?:- |value: )(--[a-z][a-z-]+)(?:=|\n)/#) {
                count += 1
                let isOption = help.contains("\(match.1) ") || help.contains("\(match.1)\n")
                #expect(isOption, "\(file): \(match.1)")
            }
        }
        #expect(count >= 15)
    }

    // MARK: - Autoscaling

    /// Values of `key: …` in a manifest, quotes removed.
    private static func values(of key: String, in text: String) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let line = line.drop { $0 == " " || $0 == "-" }
            guard line.hasPrefix("\(key): ") else { return nil }
            return line.dropFirst(key.count + 2).trimmingCharacters(in: CharacterSet(charactersIn: "'\""))
        }
    }

    @Test("what the autoscalers ask has an answer for each pod, and passes its threshold when requests wait")
    func autoscaling() async throws {
        let server = try await RunningServer(["--max-num-seqs", "1"])
        let prometheus = try await RunningPrometheus(
            targets: ["pagoda": "127.0.0.1:\(server.port)/metrics"],
            settings: [
                "pagoda": [
                    "relabel_configs:", "  - {target_label: namespace, replacement: online}",
                    "  - {target_label: pod, replacement: pagoda-0}",
                ]
            ])
        let keda = try Self.text("kubernetes/overlays/keda/scaledobject.yaml")
        let queries = Self.values(of: "query", in: keda)
        let thresholds = Self.values(of: "threshold", in: keda)
        #expect(queries.count == 2 && thresholds == ["4", "0.8"])
        for query in queries { #expect(try await prometheus.query(query).map(\.value) == [0]) }

        let rules = try Self.text("kubernetes/overlays/prometheus-adapter/configmap.yaml")
        let series = Self.values(of: "seriesQuery", in: rules)
        let metrics = Self.values(of: "metricsQuery", in: rules)
        #expect(series.count == 2 && metrics.count == 2)
        var adapted: [String] = []
        for (series, metric) in zip(series, metrics) {
            #expect(try await !prometheus.query(series).isEmpty, "\(series)")
            let name = String(series.prefix { $0 != "{" })
            let query = metric.replacing("<<.Series>>", with: name).replacing("<<.GroupBy>>", with: "pod")
                .replacing("<<.LabelMatchers>>", with: #"namespace="online",pod=~"pagoda-0""#)
            let samples = try await prometheus.query(query)
            #expect(samples.map(\.labels) == [["pod": "pagoda-0"]], "\(query)")
            adapted.append(query)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<10 {
                group.addTask {
                    let body = #"{"prompt": "Number \#(number)", "max_tokens": 1000, "ignore_eos": true}"#
                    _ = try? await server.post("/v1/completions", body)
                }
            }
            try await prometheus.wait(for: "(\(queries[0])) > \(thresholds[0])", seconds: 60)
            try await prometheus.wait(for: "(\(adapted[0])) > \(thresholds[0])", seconds: 60)
            #expect(try await prometheus.query("(\(queries[1])) > 0").count == 1)
            group.cancelAll()
        }
    }

    // MARK: - Probes

    private struct Probe: Sendable {
        var name: String
        var status: Int?
        var seconds: Double
    }

    /// One round of the probes.
    private static func probe(_ server: RunningServer, _ deployment: Deployment) async -> [Probe] {
        var probes: [Probe] = []
        for (name, probe) in deployment.probes.sorted(by: { $0.key < $1.key }) {
            let begun = ContinuousClock.now
            let status = try? await server.status(probe.path)
            let elapsed = (ContinuousClock.now - begun) / .seconds(1)
            probes.append(Probe(name: name, status: status.map { Int($0.code) }, seconds: elapsed))
        }
        return probes
    }

    @Test("probes stay green under 32 streams; in drain the pod is alive, not ready, and gone within its grace")
    func probes() async throws {
        let deployment = try Deployment()
        let timeout = try deployment.value(of: "shutdown-timeout")
        let seconds = try #require(Double(timeout))
        #expect(deployment.graceSeconds >= deployment.pauseSeconds + seconds + 10)
        let server = try await RunningServer(["--shutdown-timeout", timeout])
        let (underLoad, draining, whole) = try await withThrowingTaskGroup(of: Bool.self) {
            group -> ([Probe], [Probe], Int) in
            for number in 0..<32 {
                group.addTask {
                    let body = """
                        {"prompt": "Stream \(number)", "max_tokens": 160, "ignore_eos": true, "stream": true}
                        """
                    let response = try await server.post("/v1/completions", body)
                    let text = String(buffer: try await response.body.collect(upTo: 1 << 20))
                    return response.status == .ok && text.hasSuffix("data: [DONE]\n\n")
                }
            }
            while try await server.metrics()["vllm_running_requests"] != 32 {
                try await Task.sleep(for: .milliseconds(50))
            }
            var underLoad: [Probe] = [], draining: [Probe] = []
            for _ in 0..<10 { underLoad += await Self.probe(server, deployment) }
            kill(server.process.processIdentifier, SIGTERM)
            while try await server.status("/health") == .ok {}
            while server.process.isRunning {
                let round = await Self.probe(server, deployment)
                // The last round may meet the end.
                if round.allSatisfy({ $0.status != nil }) { draining += round }
                try await Task.sleep(for: .milliseconds(100))
            }
            return (underLoad, draining, try await group.reduce(0) { $0 + ($1 ? 1 : 0) })
        }
        #expect(underLoad.count == 30)
        for probe in underLoad { #expect(probe.status == 200 && probe.seconds < 1, "\(probe)") }
        #expect(draining.count >= 6)
        for probe in draining {
            #expect(probe.status == (probe.name == "livenessProbe" ? 200 : 503), "\(probe)")
            #expect(probe.seconds < (deployment.probes[probe.name]?.seconds ?? 0), "\(probe)")
        }
        #expect(whole == 32)
        #expect(server.process.terminationStatus == 0)
    }
}
