import Foundation
import Testing

@Suite("Prometheus configuration and rules")
struct PrometheusRuleTests {
    @Test("promtool accepts the configuration and every rule")
    func configuration() throws {
        let promtool = try DeploymentFiles.program("promtool")
        let checked = try DeploymentFiles.run(
            promtool, ["check", "config", "--lint=all", "--lint-fatal", "prometheus/prometheus.yml"])
        #expect(checked.status == 0, "\(checked.output)")
    }

    @Test(
        "the rules' own tests pass",
        arguments: try DeploymentFiles.paths(in: "deploy/prometheus/tests", ending: ".yml"))
    func ruleTests(file: String) throws {
        let promtool = try DeploymentFiles.program("promtool")
        let tested = try DeploymentFiles.run(promtool, ["test", "rules", "prometheus/tests/\(file)"])
        #expect(tested.status == 0, "\(tested.output)")
    }

    @Test("every alert has a test in which it fires and one in which it does not")
    func everyAlertIsTested() throws {
        var firing: Set<String> = [], silent: Set<String> = []
        for file in try DeploymentFiles.paths(in: "deploy/prometheus/tests", ending: ".yml") {
            let text = try DeploymentFiles.text("deploy/prometheus/tests/\(file)")
            let pattern = #/alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:(?<none> \[\])?/#
            for match in text.matches(of: pattern) {
                if match.none == nil { firing.insert(String(match.1)) } else { silent.insert(String(match.1)) }
            }
        }
        let alerts = Set(try Self.alerts().map(\.name))
        #expect(alerts.count >= 20)
        #expect(firing == alerts)
        #expect(silent == alerts)
    }

    @Test("every alert has a severity that a route knows, and a runbook that leads to its section")
    func annotations() throws {
        for alert in try Self.alerts() {
            let severity = alert.text.firstMatch(of: #/severity: (\w+)/#).map { String($0.1) }
            #expect(["critical", "warning", "info"].contains(severity), "\(alert.name)")
            #expect(alert.text.contains("summary: "), "\(alert.name)")
            let runbook = try #require(
                alert.text.firstMatch(of: #/runbook: ([\w\/.\-]+)#([\w\-]+)/#), "\(alert.name) has no runbook")
            let headings = try DeploymentFiles.text(String(runbook.1)).split(separator: "\n")
                .filter { $0.hasPrefix("#") }.map { $0.drop { "# ".contains($0) }.lowercased() }
            #expect(headings.contains(String(runbook.2)), "\(alert.name): no section \(runbook.2)")
        }
    }

    /// The alerts of the rules, each with its lines.
    private static func alerts() throws -> [(name: String, text: String)] {
        let parts = try DeploymentFiles.text("deploy/prometheus/rules/alerts.yml").components(separatedBy: "- alert: ")
        return parts.dropFirst().map { (name: String($0.prefix { !$0.isNewline }), text: $0) }
    }
}
