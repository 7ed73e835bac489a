// One repository's folder in the Hub cache, laid out as Python's `huggingface_hub` lays it out and reads it.

/// The layout:
///
///     CACHE/models--ORG--NAME/refs/main                     the commit's hash
///     CACHE/models--ORG--NAME/snapshots/COMMIT/config.json  → ../../blobs/HASH
///     CACHE/models--ORG--NAME/blobs/HASH                    named by the ETag
///     CACHE/models--ORG--NAME/blobs/HASH.incomplete         what has come of it
///     CACHE/.locks/models--ORG--NAME/HASH.lock              held by whoever downloads it
struct RepositoryCache: Sendable {
    let repository: RepositoryID
    /// Of all repositories.
    private let root: String

    init(_ repository: RepositoryID, in folder: String) {
        self.repository = repository
        root = folder
    }

    var folder: String { "\(root)/\(repository.folderName)" }
    var blobFolder: String { "\(folder)/blobs" }

    func snapshot(_ commit: String) -> String { "\(folder)/snapshots/\(commit)" }
    func blob(_ identity: BlobIdentity) -> String { "\(blobFolder)/\(identity.name)" }
    func partialBlob(_ identity: BlobIdentity) -> String { blob(identity) + ".incomplete" }

    /// Makes the folders, and tells backup programs that they need no copy.
    func prepare() throws(HubError) {
        try LocalFiles.makeFolder(blobFolder)
        try LocalFiles.makeFolder(lockFolder)
        let tag = "\(root)/CACHEDIR.TAG"
        guard LocalFiles.kind(tag) == .nothing else { return }
        try LocalFiles.replace(
            tag,
            with: Array(
                """
                Signature: 8a477f597d28d172789f06886806bc55
                # This file is a cache directory tag; see https://bford.info/cachedir/.

                """.utf8))
    }

    private var lockFolder: String { "\(root)/.locks/\(repository.folderName)" }

    /// Nil while another process downloads the blob.
    func lock(_ identity: BlobIdentity) throws(HubError) -> FileLock? {
        try FileLock(path: "\(lockFolder)/\(identity.name).lock")
    }

    // MARK: - Revisions

    /// The commit that a revision meant when it was last asked for; nil if it never was.
    func commit(of revision: String) -> String? {
        if Revision.isCommit(revision) { return revision }
        guard let bytes = LocalFiles.read("\(folder)/refs/\(revision)", limit: 64) else { return nil }
        let text = String(decoding: bytes.prefix { $0 > 0x20 }, as: UTF8.self)
        return Revision.isCommit(text) ? text : nil
    }

    func remember(_ commit: String, as revision: String) throws(HubError) {
        guard revision != commit, self.commit(of: revision) != commit else { return }
        let path = "\(folder)/refs/\(revision)"
        try LocalFiles.makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
        try LocalFiles.replace(path, with: Array(commit.utf8))
    }

    // MARK: - Snapshots

    /// Whether a file of a commit is there. A commit's files never change.
    ///
    /// - Parameter size: In bytes, if known.
    func has(_ path: String, of commit: String, size: Int?) -> Bool {
        guard let found = LocalFiles.size("\(snapshot(commit))/\(path)") else { return false }
        return size.map { $0 == found } ?? true
    }

    /// Puts a blob that is there into a snapshot.
    func add(_ path: String, _ identity: BlobIdentity, to commit: String) throws(HubError) {
        let components = path.split(separator: "/").map { String($0) }
        try LocalFiles.makeFolder(([snapshot(commit)] + components.dropLast()).joined(separator: "/"))
        let way = String(repeating: "../", count: components.count + 1)
        try LocalFiles.link("\(snapshot(commit))/\(path)", to: "\(way)blobs/\(identity.name)")
    }
}
