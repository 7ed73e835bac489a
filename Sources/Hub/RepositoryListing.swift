// What a repository holds, and what the Hub says of each file.

internal import AsyncHTTPClient
internal import JSON
internal import NIOHTTP1

/// The files of one commit.
struct RepositoryListing: Sendable {
    let commit: String
    /// Safe paths, in the server's order.
    let files: [String]
    /// In bytes, of those of which the server says it.
    let sizes: [String: Int]

    private static let limits = JSONLimits(depth: 32, valueCount: 2_000_000, sizeBytes: 32 << 20)

    /// Checks the answer to `/api/models/ORG/NAME/revision/REVISION`.
    init(_ bytes: [UInt8], repository: RepositoryID, url: String) throws(HubError) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.parse(bytes, limits: Self.limits)
        } catch {
            throw .badAnswer(url: url, reason: "\(error)")
        }
        guard let commit = value["sha"]?.stringValue, Revision.isCommit(commit) else {
            throw .badAnswer(url: url, reason: "\"sha\" is no commit")
        }
        guard let siblings = value["siblings"]?.arrayValue else {
            throw .badAnswer(url: url, reason: "\"siblings\" is no list of files")
        }
        var files: [String] = [], sizes: [String: Int] = [:]
        for sibling in siblings {
            guard let name = sibling["rfilename"]?.stringValue else {
                throw .badAnswer(url: url, reason: "a file in it has no \"rfilename\"")
            }
            guard RepositoryFile.isSafe(name) else {
                throw .unsafeFileName(repository: "\(repository)", name: name)
            }
            files.append(name)
            if let size = (sibling["lfs"]?["size"] ?? sibling["size"])?.integerValue, size >= 0 {
                sizes[name] = Int(size)
            }
        }
        self.commit = commit
        self.files = files
        self.sizes = sizes
    }
}

/// A file to fetch, and what it must be in the end.
struct RemoteFile: Sendable {
    let path: String
    let url: HTTPURL
    let identity: BlobIdentity
    /// In bytes.
    let size: Int
}

extension HubClient {
    /// - Parameter attempts: By default as configured.
    func listing(_ revision: String, attempts: Int?) async throws(HubError) -> RepositoryListing {
        let url = listingURL(revision), name = "\(repository)"
        let bytes = try await retrying(attempts: attempts) { () async throws(RequestFailure) -> [UInt8] in
            let answer = try await send(.GET, url)
            guard answer.response.status == .ok else {
                let isRevision = answer.header("X-Error-Code") == "RevisionNotFound"
                throw failure(
                    answer,
                    missing: isRevision
                        ? .noRevision(repository: name, revision: revision, url: "\(url)")
                        : .noRepository(repository: name, url: "\(url)"))
            }
            return try await body(answer, limit: 32 << 20)
        }
        return try RepositoryListing(bytes, repository: repository, url: "\(url)")
    }

    /// Asks for a file's hash and size, without its content.
    ///
    /// - Parameter listedSize: Stands in where the answer has none.
    func metadata(_ path: String, commit: String, listedSize: Int?) async throws(HubError) -> RemoteFile {
        let url = fileURL(path, commit: commit)
        return try await retrying { () async throws(RequestFailure) -> RemoteFile in
            // A redirect to a content network has the Hub's own word on the file; what comes after it does not.
            let answer = try await send(.HEAD, url, stoppingAt: { $0.contains(name: "X-Linked-Etag") })
            let status = answer.response.status
            guard status == .ok || (300..<400).contains(status.code) else {
                throw failure(
                    answer, missing: .noFile(file: path, repository: "\(repository)", url: "\(url)"))
            }
            func bad(_ reason: String) -> RequestFailure {
                RequestFailure(error: .badAnswer(url: "\(url)", reason: reason))
            }
            guard answer.header("X-Repo-Commit") == commit else { throw bad("X-Repo-Commit is not \(commit)") }
            guard let tag = answer.header("X-Linked-Etag") ?? answer.header("ETag"),
                let identity = BlobIdentity(etag: tag)
            else { throw bad("the ETag is neither SHA-256 nor a Git object, so the file could not be checked") }
            let told = answer.header("X-Linked-Size") ?? (status == .ok ? answer.header("Content-Length") : nil)
            guard let size = told.map({ Int($0) }) ?? listedSize, size >= 0 else { throw bad("it tells no size") }
            return RemoteFile(path: path, url: url, identity: identity, size: size)
        }
    }
}
