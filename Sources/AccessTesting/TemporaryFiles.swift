// Files that a test writes, and that go with it.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A folder of its own, removed with what is in it.
public final class TemporaryFiles: Sendable {
    public let folder: String

    public init() throws {
        var template = Array("/tmp/pagoda-access-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw CannotWrite() }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        guard let directory = opendir(folder) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { unlink(folder + "/" + name) }
        }
        closedir(directory)
        rmdir(folder)
    }

    public struct CannotWrite: Error {}

    /// Writes a file in one step, as one that replaces it would; its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> String {
        let path = folder + "/" + name
        guard let file = fopen(path + ".new", "wb") else { throw CannotWrite() }
        let bytes = Array(text.utf8)
        let count = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, count == bytes.count, rename(path + ".new", path) == 0 else { throw CannotWrite() }
        return path
    }
}
