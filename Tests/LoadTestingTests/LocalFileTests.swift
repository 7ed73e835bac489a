import Foundation
import LoadTesting
import Testing

@Suite("Files")
struct LocalFileTests {
    @Test("a result replaces the file, or is appended on a line of its own")
    func results() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "load-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: root) }
        let folder = root + "/a/b"
        try LocalFile.makeFolder(folder, option: "result-dir")
        try LocalFile.makeFolder(folder, option: "result-dir")
        let path = folder + "/result.json"
        try LocalFile.write(Array("{1}".utf8), toPath: path, appends: true)
        try LocalFile.write(Array("{2}".utf8), toPath: path, appends: true)
        #expect(try LocalFile.text(atPath: path, option: "dataset-path") == "{1}\n{2}")
        try LocalFile.write(Array("{3}".utf8), toPath: path, appends: false)
        #expect(try LocalFile.text(atPath: path, option: "dataset-path") == "{3}")
    }

    @Test("what can't be read or written is refused by its option")
    func refusals() {
        #expect(
            throws: LoadTestError.invalidOption(
                name: "dataset-path", value: "/nowhere/at-all", allowed: "a file that can be read")
        ) {
            try LocalFile.text(atPath: "/nowhere/at-all", option: "dataset-path")
        }
        #expect(throws: LoadTestError.self) { try LocalFile.makeFolder("/dev/null/x", option: "result-dir") }
        #expect(throws: LoadTestError.self) { try LocalFile.write([1], toPath: "/dev/null/x", appends: false) }
    }
}
