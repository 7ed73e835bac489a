// Where the tests' models and the program are.

import Foundation
import Testing

enum TestFiles {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static var cache: String {
        ProcessInfo.processInfo.environment["PAGODA_CACHE"] ?? "\(NSHomeDirectory())/.cache/pagoda"
    }

    /// The default model's file.
    static func model() throws -> String {
        try existing("\(cache)/models/SmolLM2-135M-Instruct.Q4_1.gguf", madeBy: "tools/fetch-model.sh")
    }

    /// The interpreter that has the `openai` package.
    static func python() throws -> String {
        try existing("\(cache)/python/bin/python", madeBy: "tools/python-client.sh")
    }

    /// A folder that tools/quantized-checkpoints.py makes; nil if it has not been made.
    static func quantizedCheckpoint(_ name: String) -> String? {
        let path = "\(cache)/quantized/\(name)"
        return FileManager.default.fileExists(atPath: path + "/config.json") ? path : nil
    }

    static func binary() throws -> String {
        try existing(root.appending(path: ".build/release/pagoda").path, madeBy: "make build")
    }

    /// prometheus, promtool, prometheus-alertmanager or amtool, as Debian builds it.
    static func prometheusProgram(_ name: String) throws -> String {
        try existing("\(cache)/prometheus/usr/bin/\(name)", madeBy: "tools/fetch-prometheus.sh")
    }

    /// nginx, as Debian builds it.
    static func nginx() throws -> String {
        try existing("\(cache)/nginx/usr/sbin/nginx", madeBy: "tools/fetch-nginx.sh")
    }

    private static func existing(_ path: String, madeBy command: String) throws -> String {
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run \(command)")
        return path
    }

    /// Each sample of an exposition in text form by its name without labels; samples of one name are summed.
    static func metricValues(_ text: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            values[String(line[..<space].prefix { $0 != "{" }), default: 0] += value
        }
        return values
    }
}
