import Foundation
import Testing

@Suite("The systemd unit")
struct SystemdTests {
    /// The unit's settings, in their order.
    private func unit() throws -> [(name: String, value: String)] {
        try DeploymentFiles.text("deploy/systemd/pagoda.service").split(separator: "\n").compactMap { line in
            guard !line.hasPrefix("#"), let sign = line.firstIndex(of: "=") else { return nil }
            return (String(line[..<sign]), String(line[line.index(after: sign)...]))
        }
    }

    private func value(_ name: String) throws -> String {
        try #require(try unit().last { $0.name == name }?.value, "\(name) is not set")
    }

    @Test("the service has no rights, sees the system read-only and may ask little of the kernel")
    func hardening() throws {
        for name in [
            "DynamicUser", "NoNewPrivileges", "PrivateUsers", "PrivateTmp", "PrivateDevices", "ProtectHome",
            "ProtectControlGroups", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs",
            "ProtectClock",
            "ProtectHostname", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
            "MemoryDenyWriteExecute",
        ] {
            #expect(try value(name) == "yes", "\(name)")
        }
        #expect(try value("ProtectSystem") == "strict")
        #expect(try value("CapabilityBoundingSet").isEmpty && value("AmbientCapabilities").isEmpty)
        #expect(try unit().contains { $0 == ("SystemCallFilter", "@system-service") })
        #expect(try value("Restart") == "on-failure")
    }

    @Test("keys come as a credential, and systemd waits longer than the server does for its streams")
    func commandLine() throws {
        let words = try value("ExecStart").split(separator: " ").map { String($0) }
        let keys = try #require(words.firstIndex(of: "--api-key-file").map { words[$0 + 1] })
        #expect(keys == "${CREDENTIALS_DIRECTORY}/keys.yaml")
        #expect(try value("LoadCredential").hasPrefix("keys.yaml:/"))
        #expect(!words.contains("--api-key"))
        let patience = try #require(words.firstIndex(of: "--shutdown-timeout").flatMap { Int(words[$0 + 1]) })
        let stop = try #require(Int(try value("TimeoutStopSec").dropLast()))
        // Beside the streams: 5 s for the last bytes, 4 s for spans and log lines, and a step of the engine.
        #expect(stop >= patience + 15)
        let variables = try DeploymentFiles.text("deploy/systemd/pagoda.env").split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: "=").first.map(String.init) }
        for word in words where word.contains("PAGODA_") {
            let name = word.trimmingCharacters(in: CharacterSet(charactersIn: "${}"))
            #expect(variables.contains(name), "\(name) is not in pagoda.env")
        }
    }
}
