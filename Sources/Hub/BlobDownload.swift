// One file's content on its way into the cache.

internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// Fetches a blob into `HASH.incomplete`, from where an earlier try ended, checks it against its hash as it comes, and
/// renames it.
struct BlobDownload: Sendable {
    let file: RemoteFile
    let client: HubClient
    let cache: RepositoryCache
    /// Told how many bytes more are there than before; fewer if some are thrown away.
    let onBytes: @Sendable (Int) -> Void
    /// Told once that another process has it in hand.
    let onWait: @Sendable () -> Void

    /// A try that brings so much counts as none that failed.
    private static let progressBytes = 1 << 20

    /// What has come so far.
    private struct Progress {
        let partial: PartialFile
        var hasher: BlobHasher
    }

    /// Returns when the blob is in the cache, whoever brought it there.
    func run() async throws(HubError) {
        let lock = try await lock()
        defer { withExtendedLifetime(lock) {} }
        if LocalFiles.size(cache.blob(file.identity)) == file.size {
            onBytes(file.size)
            return
        }
        var progress = Progress(
            partial: try PartialFile(path: cache.partialBlob(file.identity)), hasher: newHasher)
        let resumes = try takeUp(&progress)
        try await fetchAll(&progress)
        var found = progress.hasher.digest()
        if found != file.identity.name, resumes {
            // What was left of an earlier try may be what is wrong.
            try discard(&progress)
            try await fetchAll(&progress)
            found = progress.hasher.digest()
        }
        guard found == file.identity.name else {
            LocalFiles.remove(progress.partial.path)
            throw .wrongHash(file: file.path, url: "\(file.url)", expected: file.identity.name, found: found)
        }
        try progress.partial.synchronize()
        try LocalFiles.move(progress.partial.path, to: cache.blob(file.identity))
    }

    private var newHasher: BlobHasher { BlobHasher(file.identity, size: file.size) }

    private func lock() async throws(HubError) -> FileLock {
        var isFirst = true
        while true {
            if let lock = try cache.lock(file.identity) { return lock }
            if isFirst { onWait() }
            isFirst = false
            do {
                try await Task.sleep(for: .milliseconds(100))
            } catch {
                throw .interrupted
            }
        }
    }

    /// Hashes what an earlier try has left.
    ///
    /// - Returns: Whether there is something.
    private func takeUp(_ progress: inout Progress) throws(HubError) -> Bool {
        guard progress.partial.size <= file.size else {
            try progress.partial.clear()
            return false
        }
        try progress.partial.hash(into: &progress.hasher)
        onBytes(progress.partial.size)
        return progress.partial.size > 0
    }

    private func discard(_ progress: inout Progress) throws(HubError) {
        onBytes(-progress.partial.size)
        try progress.partial.clear()
        progress.hasher = newHasher
    }

    /// Tries until all bytes are there.
    private func fetchAll(_ progress: inout Progress) async throws(HubError) {
        var failures = 0, mark = progress.partial.size
        while progress.partial.size < file.size {
            do throws(RequestFailure) {
                try await fetch(&progress)
            } catch {
                // By the most that was ever there: a server that starts anew each time must not go on for ever.
                if progress.partial.size >= mark + Self.progressBytes {
                    mark = progress.partial.size
                    failures = 0
                }
                failures += 1
                try await client.wait(after: error, failures: failures, of: client.configuration.patience.attempts)
            }
        }
    }

    /// One request for what is missing.
    private func fetch(_ progress: inout Progress) async throws(RequestFailure) {
        let offset = progress.partial.size
        let answer = try await client.send(
            .GET, file.url, headers: offset > 0 ? [("Range", "bytes=\(offset)-")] : [])
        try await accept(answer, &progress)
        var parts = answer.response.body.makeAsyncIterator()
        while let part = try await client.next(&parts, answer.url) {
            guard part.readableBytes <= file.size - progress.partial.size else {
                throw bad(answer, "it is longer than the \(file.size) bytes that it should have")
            }
            try take(part, &progress)
        }
        guard progress.partial.size == file.size else {
            let reason = "it ended after \(progress.partial.size) of \(file.size) bytes"
            throw RequestFailure(
                error: .unreachable(url: "\(answer.url)", reason: reason, attempts: 1), isTransient: true)
        }
    }

    /// Checks the head of an answer: what it says of the length must fit what is known.
    private func accept(_ answer: HubClient.Answer, _ progress: inout Progress) async throws(RequestFailure) {
        let headers = answer.response.headers, offset = progress.partial.size
        guard headers.first(name: "Content-Encoding").map({ $0.lowercased() == "identity" }) ?? true else {
            throw bad(answer, "it is compressed, which was not asked for")
        }
        switch answer.response.status {
        case .partialContent where offset > 0:
            let expected = "bytes \(offset)-\(file.size - 1)/\(file.size)"
            guard headers.first(name: "Content-Range") == expected else {
                throw bad(answer, "its Content-Range is not \(expected)")
            }
            try checkLength(answer, file.size - offset)
        case .ok:
            // Without ranges the file comes from its start.
            if offset > 0 { try local { () throws(HubError) in try discard(&progress) } }
            try checkLength(answer, file.size)
        case .rangeNotSatisfiable where offset > 0:
            try local { () throws(HubError) in try discard(&progress) }
            throw RequestFailure(error: .status(url: "\(answer.url)", code: 416), isTransient: true)
        default:
            throw client.failure(
                answer,
                missing: .noFile(file: file.path, repository: "\(client.repository)", url: "\(answer.url)"))
        }
    }

    private func checkLength(_ answer: HubClient.Answer, _ expected: Int) throws(RequestFailure) {
        guard let told = answer.response.headers.first(name: "Content-Length") else { return }
        guard Int(told) == expected else { throw bad(answer, "its Content-Length is not \(expected)") }
    }

    private func take(_ part: ByteBuffer, _ progress: inout Progress) throws(RequestFailure) {
        let before = progress.partial.size
        let fits = try local { () throws(HubError) in try progress.partial.write(part) }
        guard fits else {
            // What is there stays for when there is room.
            throw RequestFailure(
                error: .diskFull(
                    file: file.path, folder: cache.blobFolder, neededBytes: file.size - progress.partial.size,
                    freeBytes: LocalFiles.freeBytes(cache.blobFolder) ?? 0))
        }
        part.withUnsafeReadableBytes { progress.hasher.update($0) }
        onBytes(progress.partial.size - before)
    }

    private func bad(_ answer: HubClient.Answer, _ reason: String) -> RequestFailure {
        RequestFailure(error: .badAnswer(url: "\(answer.url)", reason: reason))
    }

    /// What the local disk refuses does not pass by another request.
    private func local<Result>(_ body: () throws(HubError) -> Result) throws(RequestFailure) -> Result {
        do throws(HubError) {
            return try body()
        } catch {
            throw RequestFailure(error: error)
        }
    }
}
