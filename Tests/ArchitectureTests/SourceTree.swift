// The project's own files, as the architecture tests read them.

import Foundation

/// A Swift or C file below Sources, with its lines.
struct SourceFile {
    /// Relative to the project's folder.
    let path: String
    let target: String
    let lines: [String]
}

enum SourceTree {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let targets: [String] = folders(in: "Sources")

    static func swiftFiles(in folder: String) throws -> [SourceFile] {
        try files(in: folder, withExtension: ["swift"])
    }

    static func files(in folder: String, withExtension extensions: Set<String>) throws -> [SourceFile] {
        let base = root.appending(path: folder)
        guard let paths = FileManager.default.enumerator(atPath: base.path) else { return [] }
        return try paths.compactMap { $0 as? String }
            .filter { extensions.contains(($0 as NSString).pathExtension) && !$0.contains("Fixtures/") }.sorted()
            .map { path in
                let text = try String(contentsOf: base.appending(path: path), encoding: .utf8)
                return SourceFile(
                    path: "\(folder)/\(path)", target: path.split(separator: "/").first.map(String.init) ?? "",
                    lines: text.components(separatedBy: "\n"))
            }
    }

    private static func folders(in folder: String) -> [String] {
        let base = root.appending(path: folder)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base.path)) ?? []
        return names.filter { name in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: base.appending(path: name).path, isDirectory: &isFolder)
                && isFolder.boolValue
        }.sorted()
    }
}
