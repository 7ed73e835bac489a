// The files of deploy/ and the programs that judge them.

import Foundation
import Testing

enum DeploymentFiles {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let deploy = root.appending(path: "deploy")

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// The paths below a folder of the project, relative to it, that end so.
    static func paths(in folder: String, ending: String) throws -> [String] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: root.appending(path: folder).path)
        return names.filter { $0.hasSuffix(ending) }.sorted()
    }

    /// promtool or amtool, as Debian builds it.
    static func program(_ name: String) throws -> String {
        let cache = ProcessInfo.processInfo.environment["PAGODA_CACHE"] ?? "\(NSHomeDirectory())/.cache/pagoda"
        let path = "\(cache)/prometheus/usr/bin/\(name)"
        try #require(
            FileManager.default.isExecutableFile(atPath: path), "\(path) is missing: run tools/fetch-prometheus.sh")
        return path
    }

    /// Runs a program in a folder to its end; its status and all that it wrote.
    static func run(
        _ program: String, _ arguments: [String], in folder: URL = deploy, environment: [String: String] = [:]
    ) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
