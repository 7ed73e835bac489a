// The file system, in the few operations that the cache needs.

internal import NIOCore

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

enum LocalFiles {
    /// Makes a folder and those above it; one that is there already is well.
    static func makeFolder(_ path: String) throws(HubError) {
        if kind(path) == .folder { return }
        var prefix = path.hasPrefix("/") ? "/" : ""
        for component in path.split(separator: "/") {
            prefix += component + "/"
            guard mkdir(prefix, 0o777) == 0 || errno == EEXIST else { throw failure(path) }
        }
        guard kind(path) == .folder else { throw .cannotWrite(path: path, reason: "a file is in its place") }
    }

    enum Kind { case nothing, file, folder, other }

    /// Of what is at the end of symbolic links.
    static func kind(_ path: String) -> Kind {
        var status = stat()
        guard stat(path, &status) == 0 else { return .nothing }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// In bytes; nil if there is no regular file.
    static func size(_ path: String) -> Int? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(exactly: status.st_size)
    }

    /// The first bytes of a small file; nil if it cannot be read.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: limit)
        while bytes.count < limit {
            let count = Glibc.read(file, &chunk, limit - bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// Readers see the old content or the new one, never a part.
    static func replace(_ path: String, with bytes: [UInt8]) throws(HubError) {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw failure(path) }
        let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        let isWritten = count == bytes.count && fsync(file) == 0
        let error = errno
        close(file)
        guard isWritten, rename(temporary, path) == 0 else {
            let reason = isWritten ? self.reason(errno) : self.reason(error)
            unlink(temporary)
            throw .cannotWrite(path: path, reason: reason)
        }
    }

    static func move(_ path: String, to destination: String) throws(HubError) {
        guard rename(path, destination) == 0 else { throw failure(destination) }
    }

    static func remove(_ path: String) { unlink(path) }

    /// Makes `path` a symbolic link to `target`, instead of what link or file may be there.
    static func link(_ path: String, to target: String) throws(HubError) {
        for _ in 0..<3 {
            if symlink(target, path) == 0 { return }
            guard errno == EEXIST else { break }
            // Another process may have made it meanwhile.
            if linkTarget(path) == target { return }
            guard unlink(path) == 0 || errno == ENOENT else { break }
        }
        throw failure(path)
    }

    private static func linkTarget(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Bytes that a file in `folder` may still take; nil if the system does not tell.
    static func freeBytes(_ folder: String) -> Int? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        let (bytes, overflow) = UInt(status.f_bavail).multipliedReportingOverflow(by: UInt(status.f_frsize))
        return overflow ? nil : Int(exactly: bytes)
    }

    /// Paths of the files in a folder and the folders in it, below it; links whose file is gone are none.
    static func files(in folder: String, depth: Int = 8) -> [String] {
        guard depth > 0, let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream), names.count < 100_000 {
            let bytes = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let name = String(decoding: bytes, as: UTF8.self)
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted().flatMap { name -> [String] in
            let path = folder + "/" + name
            return switch kind(path) {
            case .file: [name]
            case .folder: files(in: path, depth: depth - 1).map { name + "/" + $0 }
            default: []
            }
        }
    }

    static func failure(_ path: String) -> HubError { .cannotWrite(path: path, reason: reason(errno)) }

    private static func reason(_ number: Int32) -> String {
        strerror(number).map { String(cString: $0) } ?? "error \(number)"
    }
}

/// A file that grows, and stays when the process ends, so that a later one can go on.
final class PartialFile {
    let path: String
    private(set) var size: Int
    private let file: Int32

    init(path: String) throws(HubError) {
        // Whoever may have put a link in its place does not get another file written.
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
        guard file >= 0 else { throw LocalFiles.failure(path) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, let size = Int(exactly: status.st_size)
        else {
            close(file)
            throw .cannotWrite(path: path, reason: "it is not a regular file")
        }
        self.path = path
        self.size = size
    }

    deinit { close(file) }

    func clear() throws(HubError) {
        guard ftruncate(file, 0) == 0 else { throw LocalFiles.failure(path) }
        size = 0
    }

    /// Appends.
    ///
    /// - Returns: False if the disk is full.
    func write(_ buffer: ByteBuffer) throws(HubError) -> Bool {
        var left = buffer.readableBytesView[...]
        while !left.isEmpty {
            let count = left.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(size)) }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == ENOSPC || errno == EDQUOT { return false }
            guard count > 0 else { throw LocalFiles.failure(path) }
            size += count
            left = left.dropFirst(count)
        }
        return true
    }

    /// Gives all that is there to `hasher`.
    func hash(into hasher: inout BlobHasher) throws(HubError) {
        var chunk = [UInt8](repeating: 0, count: 1 << 20), offset = 0
        while offset < size {
            let wanted = min(chunk.count, size - offset)
            let count = pread(file, &chunk, wanted, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw LocalFiles.failure(path) }
            chunk[..<count].withUnsafeBytes { hasher.update($0) }
            offset += count
        }
    }

    /// Waits until the disk has it.
    func synchronize() throws(HubError) {
        guard fsync(file) == 0 else { throw LocalFiles.failure(path) }
    }
}

/// A lock between processes; the system takes it away when the process ends. Python's `filelock` uses the same call.
final class FileLock: Sendable {
    private let file: Int32

    /// Nil while another process, or another part of this one, has it.
    init?(path: String) throws(HubError) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o664)
        guard file >= 0 else { throw LocalFiles.failure(path) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let isTaken = errno == EWOULDBLOCK || errno == EINTR
            let error = LocalFiles.failure(path)
            close(file)
            guard isTaken else { throw error }
            return nil
        }
        self.file = file
    }

    deinit { close(file) }
}
