// Certificates for tests, made by openssl.

public import Foundation

/// Certificates that openssl makes for a test: an authority, and what it signs.
public final class TestCertificates: Sendable {
    public let folder: URL

    public struct Failure: Error {
        public var arguments: [String]
    }

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "certificates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try openssl(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem",
            ])
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    public func path(_ name: String) -> String { folder.appending(path: name).path }

    /// Makes `NAME.pem` and `NAME.key`, for localhost and its address; the files are replaced in one step each.
    public func issue(_ name: String, serial: Int = 1) throws {
        try openssl(
            [
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "new.key", "-out", "new.csr",
            ])
        try openssl(
            [
                "x509", "-req", "-in", "new.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-days", "2",
                "-copy_extensions", "copy", "-set_serial", "\(serial)", "-out", "new.pem",
            ])
        for kind in ["key", "pem"] {
            let target = folder.appending(path: "\(name).\(kind)")
            try? FileManager.default.removeItem(at: target)
            try FileManager.default.moveItem(at: folder.appending(path: "new.\(kind)"), to: target)
        }
    }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(arguments: arguments) }
    }
}
