// Copies of small checkpoints that a test can damage.

import Foundation
import JSON
import Testing

/// The files of a fixture in memory; tensors can be changed one by one.
struct EditableCheckpoint {
    struct Tensor {
        var name: String
        var type: String
        var shape: [Int]
        var bytes: [UInt8]
        /// What the header claims instead of the true range.
        var claimedBytes: Int?
    }

    /// Texts and other files by name.
    var files: [String: [UInt8]] = [:]
    /// By the name of their file.
    var tensors: [String: [Tensor]] = [:]

    init(_ folder: URL) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where !name.hasPrefix("golden") {
            let bytes = [UInt8](try Data(contentsOf: folder.appending(path: name)))
            if name.hasSuffix(".safetensors") {
                tensors[name] = try Self.tensors(bytes)
            } else {
                files[name] = bytes
            }
        }
    }

    private static func tensors(_ bytes: [UInt8]) throws -> [Tensor] {
        let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try #require(try JSONParser.parse(Array(bytes[8..<8 + length])).objectValue)
        return try header.members.filter { $0.key != "__metadata__" }.map { member in
            func integers(_ key: String) -> [Int] {
                member.value[key]?.arrayValue?.compactMap { $0.integerValue.map { Int($0) } } ?? []
            }
            let range = integers("data_offsets")
            return Tensor(
                name: member.key, type: try #require(member.value["dtype"]?.stringValue), shape: integers("shape"),
                bytes: Array(bytes[8 + length + range[0]..<8 + length + range[1]]))
        }
    }

    /// Changes config.json as text; the old text must be there.
    mutating func replace(_ old: String, by new: String, in file: String = "config.json") throws {
        let text = String(decoding: try #require(files[file]), as: UTF8.self)
        try #require(text.contains(old), "\(file) has no \(old)")
        files[file] = Array(text.replacingOccurrences(of: old, with: new).utf8)
    }

    /// Changes the tensor whose name ends in `suffix`, in whatever file it is.
    mutating func change(_ suffix: String, _ body: (inout Tensor) -> Void) throws {
        for (file, list) in tensors {
            guard let index = list.firstIndex(where: { $0.name.hasSuffix(suffix) }) else { continue }
            body(&tensors[file, default: []][index])
            return
        }
        Issue.record("no tensor \(suffix)")
    }

    mutating func remove(_ suffix: String) throws {
        try change(suffix) { $0.name = "unused." + $0.name }
    }

    private static func encoded(_ tensors: [Tensor]) -> [UInt8] {
        var offset = 0
        let entries = tensors.map { tensor in
            let start = offset
            offset += tensor.bytes.count
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = start + (tensor.claimedBytes ?? tensor.bytes.count)
            return
                #""\#(tensor.name)":{"dtype":"\#(tensor.type)","shape":[\#(shape)],"data_offsets":[\#(start),\#(end)]}"#
        }
        let header = Array("{\(entries.joined(separator: ","))}".utf8)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
        return length + header + tensors.flatMap(\.bytes)
    }

    /// Writes the files to a new folder and calls `body` with its path. Of each file with a name in `cut` only so
    /// many bytes are left.
    func withFolder(cut: [String: Int] = [:], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pagoda-damaged-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let all = files.merging(tensors.mapValues(Self.encoded)) { $1 }
        for (name, bytes) in all {
            try Data(bytes.prefix(cut[name] ?? bytes.count)).write(to: folder.appending(path: name))
        }
        try body(folder.path)
    }
}
