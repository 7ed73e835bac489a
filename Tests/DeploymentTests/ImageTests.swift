import Foundation
import Testing

@Suite("The image")
struct ImageTests {
    /// Has a Dockerfile read as `make image` reads it.
    private func read(_ dockerfile: URL) throws -> (status: Int32, output: String) {
        try DeploymentFiles.run(
            "/usr/bin/env",
            ["python3", "tools/image-config.py", "--dockerfile", dockerfile.path, "--arg", "VERSION=1.2.3"],
            in: DeploymentFiles.root, environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    }

    private let dockerfile = DeploymentFiles.deploy.appending(path: "docker/Dockerfile")

    @Test("runs as a user by number, is asked for its health without a shell, and is stopped by what drains it")
    func settings() throws {
        let run = try read(dockerfile)
        try #require(run.status == 0, "\(run.output)")
        let config = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let user = try #require((config["User"] as? String)?.split(separator: ":").first.flatMap { Int($0) })
        #expect(user > 0)
        #expect(config["Entrypoint"] as? [String] == ["/usr/bin/pagoda"])
        #expect(config["StopSignal"] as? String == "SIGTERM")
        #expect((config["ExposedPorts"] as? [String: Any])?.keys.sorted() == ["8000/tcp"])
        #expect((config["Volumes"] as? [String: Any])?.keys.sorted() == ["/cache"])
        #expect(config["Env"] as? [String] == ["PATH=/usr/bin", "HF_HOME=/cache"])
        let probe = try #require(config["Healthcheck"] as? [String: Any])
        #expect(probe["Test"] as? [String] == ["CMD", "/usr/bin/pagoda", "health"])
        // Docker counts in nanoseconds.
        #expect(probe["Interval"] as? Int == 10_000_000_000)
        let labels = try #require(config["Labels"] as? [String: String])
        #expect(labels["org.opencontainers.image.version"] == "1.2.3")
        // Quotes within quotes and a continued line are read as Docker reads them.
        let description = labels["org.opencontainers.image.description"]
        #expect(description?.hasSuffix(": vLLM's command line, API and metrics") == true)
    }

    @Test(
        "what a Dockerfile says and the image would not have is refused",
        arguments: ["SHELL [\"/bin/sh\"]", "ENTRYPOINT pagoda serve", "HEALTHCHECK NONE", "ONBUILD COPY . ."])
    func refused(instruction: String) throws {
        let copy = FileManager.default.temporaryDirectory.appending(path: "Dockerfile-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: copy) }
        try (try String(contentsOf: dockerfile, encoding: .utf8) + instruction + "\n")
            .write(to: copy, atomically: true, encoding: .utf8)
        let run = try read(copy)
        #expect(run.status != 0 && run.output.contains("image-config: \(instruction): "), "\(run.output)")
    }

    @Test("the bill of materials has every package of Package.swift in its version, and all that SPDX 2.3 asks for")
    func bill() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bill-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let packages = folder.appending(path: "packages.json"), output = folder.appending(path: "pagoda.spdx.json")
        try #"[{"package": "libstdc++6", "version": "12.2.0-14+deb12u1", "architecture": "amd64"}]"#
            .write(to: packages, atomically: true, encoding: .utf8)
        let run = try DeploymentFiles.run(
            "/usr/bin/env",
            ["python3", "tools/sbom.py", "--packages", packages.path, "--created", "1700000000", output.path],
            in: DeploymentFiles.root, environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        try #require(run.status == 0, "\(run.output)")
        let bill = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: output)) as? [String: Any])
        #expect(bill["spdxVersion"] as? String == "SPDX-2.3" && bill["dataLicense"] as? String == "CC0-1.0")
        #expect(bill["SPDXID"] as? String == "SPDXRef-DOCUMENT" && bill["name"] is String)
        #expect((bill["documentNamespace"] as? String)?.hasPrefix("https://") == true)
        #expect((bill["creationInfo"] as? [String: Any])?["created"] as? String == "2023-11-14T22:13:20Z")

        let listed = try #require(bill["packages"] as? [[String: Any]])
        var identifiers: Set<String> = ["SPDXRef-DOCUMENT"]
        for package in listed {
            for field in ["name", "SPDXID", "downloadLocation", "licenseDeclared", "licenseConcluded", "copyrightText"]
            {
                #expect((package[field] as? String)?.isEmpty == false, "\(package): \(field)")
            }
            let identifier = try #require(package["SPDXID"] as? String)
            #expect(identifier.wholeMatch(of: /SPDXRef-[A-Za-z0-9.\-]+/) != nil, "\(identifier)")
            #expect(identifiers.insert(identifier).inserted, "\(identifier) stands twice")
        }
        let relations = try #require(bill["relationships"] as? [[String: String]])
        #expect(Set(relations.compactMap { $0["relatedSpdxElement"] }).union(["SPDXRef-DOCUMENT"]) == identifiers)
        #expect(relations.contains { $0["relationshipType"] == "DESCRIBES" })

        let manifest = try DeploymentFiles.text("Package.swift")
        let wanted = manifest.matches(of: /url: "https:\/\/[^"]*\/([^"\/]+)", exact: "([^"]+)"/)
        #expect(wanted.count == 9)
        for match in wanted {
            let package = listed.first { $0["name"] as? String == String(match.1) }
            #expect(package?["versionInfo"] as? String == String(match.2), "\(match.1)")
            #expect(package?["licenseDeclared"] as? String != "NOASSERTION")
        }
        let library = listed.first { $0["name"] as? String == "libstdc++6" }
        let reference = (library?["externalRefs"] as? [[String: String]])?.first?["referenceLocator"]
        #expect(reference?.hasPrefix("pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64") == true)
    }
}
