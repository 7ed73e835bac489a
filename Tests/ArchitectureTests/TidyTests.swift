import Foundation
import Testing

@Suite("Tidiness")
struct TidyTests {
    @Test("a source file has one subject: at most 450 lines, none longer than 120 columns")
    func sizes() throws {
        for file in try SourceTree.files(in: "Sources", withExtension: ["swift", "c", "h"]) {
            #expect(file.lines.count <= 450, "\(file.path) has \(file.lines.count) lines")
            for (number, line) in file.lines.enumerated() where line.count > 120 {
                Issue.record("\(file.path):\(number + 1) has \(line.count) columns")
            }
        }
    }

    @Test("nothing in Sources can trap on what a client or a file says, or hides a data race")
    func forbiddenWords() throws {
        let words = ["try!", "as!", "fatalError(", "FIXME", "TODO"]
        for file in try SourceTree.swiftFiles(in: "Sources") {
            for (number, line) in file.lines.enumerated() {
                for word in words where line.contains(word) {
                    Issue.record("\(file.path):\(number + 1): \(word)")
                }
            }
        }
    }

    @Test("unsafe memory stays where it is looked for")
    func unsafeCode() throws {
        let allowed: Set<String> = ["Kernels", "CKernels"]
        for file in try SourceTree.swiftFiles(in: "Sources") where !allowed.contains(file.target) {
            guard !file.path.hasSuffix("ModelFiles/MappedFile.swift") else { continue }
            for (number, line) in file.lines.enumerated() where line.contains("UnsafeMutable") {
                Issue.record("\(file.path):\(number + 1): unsafe memory outside Kernels and MappedFile")
            }
        }
    }

    @Test("every link between the project's documents leads somewhere")
    func documentLinks() throws {
        let documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map { SourceTree.root.appending(path: $0) }
        let folder = SourceTree.root.appending(path: "docs")
        let inDocs = (try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))
            .filter { $0.pathExtension == "md" }
        for document in documents + inDocs {
            let text = try String(contentsOf: document, encoding: .utf8)
            for match in text.matches(of: /\]\(([^)#:]+)(#[^)]*)?\)/) {
                let target = document.deletingLastPathComponent().appending(path: String(match.1))
                #expect(
                    FileManager.default.fileExists(atPath: target.path), "\(document.lastPathComponent): \(match.1)")
            }
        }
    }
}
