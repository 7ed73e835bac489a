// What can be said of deploy/kubernetes, compose and the pair of Prometheus without their programs;
// tools/check-deployment.py builds the overlays and checks every object against its schema.

import Foundation
import Testing
import Yams

@Suite("Manifests")
struct ManifestTests {
    private static func documents(_ path: String) throws -> [[String: Any]] {
        try Yams.load_all(yaml: DeploymentFiles.text(path)).compactMap { $0 as? [String: Any] }
    }

    private static let folders = ["deploy/kubernetes", "deploy/ingress/istio"]

    private static func manifests() throws -> [String] {
        try folders.flatMap { folder in
            try DeploymentFiles.paths(in: folder, ending: ".yaml").map { "\(folder)/\($0)" }
        }
    }

    @Test("every document of deploy/ is YAML, and every manifest says what it is")
    func parse() throws {
        for path in try DeploymentFiles.paths(in: "deploy", ending: ".yml") {
            #expect(throws: Never.self, "\(path)") { try Self.documents("deploy/\(path)") }
        }
        let manifests = try Self.manifests()
        #expect(manifests.count >= 30)
        for path in manifests {
            let documents = try Self.documents(path)
            #expect(!documents.isEmpty, "\(path)")
            for document in documents {
                #expect(document["apiVersion"] is String && document["kind"] is String, "\(path)")
                guard !path.hasSuffix("kustomization.yaml") else { continue }
                #expect((document["metadata"] as? [String: Any])?["name"] is String, "\(path)")
            }
        }
    }

    @Test("every manifest is in the kustomization beside it, and nothing else is")
    func kustomizations() throws {
        for path in try Self.manifests() where path.hasSuffix("/kustomization.yaml") {
            let folder = DeploymentFiles.root.appending(path: path).deletingLastPathComponent()
            let kustomization = try #require(try Self.documents(path).first)
            let resources = kustomization["resources"] as? [String] ?? []
            for resource in resources + (kustomization["components"] as? [String] ?? []) {
                let target = folder.appending(path: resource)
                #expect(FileManager.default.fileExists(atPath: target.path), "\(path): \(resource)")
            }
            let beside = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                .filter { $0.hasSuffix(".yaml") && $0 != "kustomization.yaml" }
            #expect(Set(beside) == Set(resources.filter { $0.hasSuffix(".yaml") }), "\(path)")
        }
    }

    @Test("autoscalers ask the Prometheus adapter for names that its rules give")
    func adapterNames() throws {
        let configuration = try #require(
            try Self.documents("deploy/kubernetes/overlays/prometheus-adapter/configmap.yaml").first)
        let text = try #require((configuration["data"] as? [String: String])?["config.yaml"])
        let given = Set(text.matches(of: #/as: (\w+)/#).map { String($0.1) })
        let autoscaler = try DeploymentFiles.text("deploy/kubernetes/components/hpa/horizontalpodautoscaler.yaml")
        let asked = Set(autoscaler.matches(of: #/metric:\n +name: (\w+)/#).map { String($0.1) })
        #expect(asked.count == 2)
        #expect(asked == given)
    }

    @Test("both autoscalers scale alike")
    func behavior() throws {
        let hpa = try #require(
            try Self.documents("deploy/kubernetes/components/hpa/horizontalpodautoscaler.yaml").first?["spec"]
                as? [String: Any])
        let keda = try #require(
            try Self.documents("deploy/kubernetes/overlays/keda/scaledobject.yaml").first?["spec"] as? [String: Any])
        let advanced = keda["advanced"] as? [String: [String: Any]]
        let behavior = try #require(advanced?["horizontalPodAutoscalerConfig"]?["behavior"] as? NSDictionary)
        #expect(behavior == hpa["behavior"] as? NSDictionary)
        #expect(keda["minReplicaCount"] as? Int == hpa["minReplicas"] as? Int)
        #expect(keda["maxReplicaCount"] as? Int == hpa["maxReplicas"] as? Int)
    }

    // MARK: - Prometheus in pairs, and in containers

    @Test("promtool accepts the pair of Prometheus, with Mimir too", arguments: ["prometheus", "mimir"])
    func pair(name: String) throws {
        let promtool = try DeploymentFiles.program("promtool")
        let texts = try ["a", "b"].map { replica in
            let path = "prometheus/ha/\(name)-\(replica).yml"
            let checked = try DeploymentFiles.run(promtool, ["check", "config", "--lint=all", "--lint-fatal", path])
            #expect(checked.status == 0, "\(checked.output)")
            #expect(checked.output.contains("2 rule files found"))
            return try DeploymentFiles.text("deploy/\(path)")
        }
        // Whatever else differed would be an alert that one of them does not have.
        let label = name == "mimir" ? "__replica__" : "replica"
        let same = texts[0].replacing("\(label): a", with: "\(label): b")
            .replacing("\(name)-a.yml …", with: "\(name)-b.yml …")
        #expect(same == texts[1])
    }

    @Test("the containers' Prometheus has the rules and finds its files")
    func composePrometheus() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "compose-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(
            at: DeploymentFiles.deploy.appending(path: "prometheus/rules"), to: folder.appending(path: "rules"))
        try "token".write(to: folder.appending(path: "token"), atomically: true, encoding: .utf8)
        let configuration = try DeploymentFiles.text("deploy/compose/prometheus.yml")
        let secret = "/run/secrets/pagoda-metrics-token"
        #expect(configuration.contains(secret))
        try configuration.replacing(secret, with: "token")
            .write(to: folder.appending(path: "prometheus.yml"), atomically: true, encoding: .utf8)
        let checked = try DeploymentFiles.run(
            try DeploymentFiles.program("promtool"),
            ["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"], in: folder)
        #expect(checked.status == 0, "\(checked.output)")
        #expect(checked.output.contains("2 rule files found"))
    }

    @Test(
        "what containers mount is there, and what they take is declared",
        arguments: try DeploymentFiles.paths(in: "deploy", ending: ".yml").filter { $0.contains("docker-compose") })
    func compose(path: String) throws {
        let folder = DeploymentFiles.deploy.appending(path: path).deletingLastPathComponent()
        let compose = try #require(try Self.documents("deploy/\(path)").first)
        let services = try #require(compose["services"] as? [String: [String: Any]])
        let volumes = Set((compose["volumes"] as? [String: Any] ?? [:]).keys)
        let secrets = Set((compose["secrets"] as? [String: Any] ?? [:]).keys)
        #expect(services.count >= 4)
        for (name, service) in services {
            for mount in service["volumes"] as? [String] ?? [] where !mount.hasPrefix("$") {
                let source = String(mount.prefix { $0 != ":" })
                let isThere =
                    source.hasPrefix(".")
                    ? FileManager.default.fileExists(atPath: folder.appending(path: source).path)
                    : volumes.contains(source)
                #expect(isThere, "\(name) mounts \(source)")
            }
            let taken = Set(service["secrets"] as? [String] ?? [])
            #expect(taken.isSubset(of: secrets), "\(name)")
        }
    }
}
