import Foundation
import Testing

@Suite("Alertmanager configuration")
struct AlertmanagerTests {
    @Test("amtool accepts the configuration, its templates too")
    func configuration() throws {
        let amtool = try DeploymentFiles.program("amtool")
        let checked = try DeploymentFiles.run(amtool, ["check-config", "alertmanager/alertmanager.yml"])
        #expect(checked.status == 0, "\(checked.output)")
        #expect(checked.output.contains("1 templates"))
    }

    @Test(
        "an alert goes where its severity says",
        arguments: [
            ("critical", "critical"), ("warning", "warning"), ("info", "info"), ("unheard-of", "info"),
        ])
    func routes(severity: String, receiver: String) throws {
        let amtool = try DeploymentFiles.program("amtool")
        let routed = try DeploymentFiles.run(
            amtool,
            [
                "config", "routes", "test", "--config.file=alertmanager/alertmanager.yml", "severity=\(severity)",
                "alertname=PagodaDown", "job=pagoda",
            ])
        #expect(routed.status == 0)
        #expect(routed.output.split(separator: "\n").last.map(String.init) == receiver, "\(routed.output)")
    }

    @Test("start.sh puts WeCom's secret into a copy that only its owner can read, whatever characters it has")
    func secrets() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "alertmanager-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: DeploymentFiles.deploy.appending(path: "alertmanager"), to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appending(path: "start.sh").path
        let refused = try DeploymentFiles.run(script, [], in: folder, environment: ["ALERTMANAGER": "/bin/echo"])
        #expect(refused.status == 1)
        #expect(refused.output.contains("secrets/smtp-password is missing"))

        let secrets = folder.appending(path: "secrets")
        try FileManager.default.createDirectory(at: secrets, withIntermediateDirectories: true)
        for name in ["smtp-password", "wecom-api-secret", "webhook-token"] {
            try #"a&b\1/$x'y"#.write(to: secrets.appending(path: name), atomically: true, encoding: .utf8)
        }
        let started = try DeploymentFiles.run(
            script, ["--log.level=warn"], in: folder, environment: ["ALERTMANAGER": "/bin/echo"])
        #expect(started.output == "--config.file=alertmanager.private.yml --log.level=warn\n")
        let copy = folder.appending(path: "alertmanager.private.yml")
        #expect(try String(contentsOf: copy, encoding: .utf8).contains(#"wechat_api_secret: 'a&b\1/$x''y'"#))
        let mode = try FileManager.default.attributesOfItem(atPath: copy.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let checked = try DeploymentFiles.run(
            try DeploymentFiles.program("amtool"), ["check-config", copy.path], in: folder)
        #expect(checked.status == 0, "\(checked.output)")
    }
}
