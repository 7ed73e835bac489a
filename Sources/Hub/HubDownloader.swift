// A model's files, from the cache or through the network.

internal import ModelFiles

/// A revision of a repository whose wanted files are all in the cache.
public struct HubSnapshot: Sendable, Equatable {
    /// Its commit's hash.
    public let commit: String
    public let folder: String
    /// What a model is opened by: the folder, or a GGUF file in it.
    public let modelPath: String
}

/// What happens on the way.
public enum HubEvent: Sendable, Equatable {
    /// The sizes are known of what is wanted and not there.
    case began(fileCount: Int, bytes: Int)
    /// More bytes are there; fewer, if some had to be thrown away.
    case received(bytes: Int)
    case finished(file: String)
    /// Another process has the file in hand.
    case waiting(file: String)
    /// A request failed and is sent again after a pause.
    case retrying(HubError, pause: Duration)
    /// Files that were asked for but could run code.
    case refused(files: [String])
    /// The Hub does not answer; the cache has what it had last.
    case fellBack(HubError)
}

/// Finds models in the Hub cache, and downloads what is missing.
public struct HubDownloader: Sendable {
    private let configuration: HubConfiguration

    /// Files that are fetched at once.
    private static let parallelCount = 4

    public init(_ configuration: HubConfiguration) {
        self.configuration = configuration
    }

    /// Returns when all wanted files are in the cache, each checked against its hash.
    ///
    /// Asks the Hub which commit the revision is now; if it does not answer and the cache has the model from an earlier
    /// time, that is taken. Offline nothing else is tried.
    ///
    /// - Parameters:
    ///   - revision: A branch, a tag or a commit.
    ///   - onEvent: Called on any thread.
    public func snapshot(
        of reference: HubReference, revision: String = "main", selection: FileSelection = .model,
        onEvent: @escaping @Sendable (HubEvent) -> Void = { _ in }
    ) async throws(HubError) -> HubSnapshot {
        guard Revision.isSafe(revision) else { throw .invalidRevision(revision) }
        let cache = RepositoryCache(reference.repository, in: configuration.cacheFolder)
        if configuration.isOffline {
            guard case .model = selection else { throw .offline(repository: "\(reference.repository)") }
            return try cached(reference, revision, cache)
        }
        let client = HubClient(reference.repository, configuration) { onEvent(.retrying($0, pause: $1)) }
        let download = Download(
            reference: reference, revision: revision, selection: selection, client: client, cache: cache,
            onEvent: onEvent)
        do {
            let snapshot = try await run(download)
            await client.shutDown()
            return snapshot
        } catch {
            await client.shutDown()
            throw error
        }
    }

    /// One call's parts.
    private struct Download: Sendable {
        let reference: HubReference
        let revision: String
        let selection: FileSelection
        let client: HubClient
        let cache: RepositoryCache
        let onEvent: @Sendable (HubEvent) -> Void
    }

    private func run(_ download: Download) async throws(HubError) -> HubSnapshot {
        let older: HubSnapshot? =
            if case .model = download.selection {
                try? cached(download.reference, download.revision, download.cache)
            } else { nil }
        let listing: RepositoryListing
        do throws(HubError) {
            // Whoever has a model need not wait long to hear that there is no newer one.
            listing = try await download.client.listing(download.revision, attempts: older == nil ? nil : 1)
        } catch {
            guard let older, error.isOutage else { throw error }
            download.onEvent(.fellBack(error))
            return older
        }
        if Revision.isCommit(download.revision), listing.commit != download.revision {
            throw .badAnswer(
                url: "\(download.client.listingURL(download.revision))", reason: "it is of another commit")
        }
        return try await fetch(listing, download)
    }

    // MARK: - Through the network

    private func fetch(_ listing: RepositoryListing, _ download: Download) async throws(HubError) -> HubSnapshot {
        let cache = download.cache, repository = download.reference.repository
        let folder = cache.snapshot(listing.commit)
        var modelPath = folder
        switch download.selection {
        case .patterns(let include, let exclude):
            let (wanted, refused) = FileSelection.match(listing.files, include: include, exclude: exclude)
            guard !wanted.isEmpty else { throw .nothingMatches(repository: "\(repository)", refused: refused) }
            if !refused.isEmpty { download.onEvent(.refused(files: refused)) }
            try await fetch(wanted, listing, download)
        case .model:
            switch try ModelFileSet.choose(
                from: listing.files, gguf: download.reference.gguf, repository: repository)
            {
            case .gguf(let file):
                try await fetch([file], listing, download)
                modelPath = "\(folder)/\(file)"
            case .safetensors(let files, let index):
                var wanted = files
                if let index {
                    // Which shards there are, only the index knows.
                    try await fetch([index], listing, download, isSilent: true)
                    let shards = try Self.shards(inIndex: "\(folder)/\(index)")
                    for shard in shards where !listing.files.contains(shard) {
                        throw .missingShard(repository: "\(repository)", index: index, shard: shard)
                    }
                    wanted += shards
                }
                try await fetch(wanted, listing, download)
            }
        }
        // A cache that may only be read serves as well.
        try? cache.remember(listing.commit, as: download.revision)
        return HubSnapshot(commit: listing.commit, folder: folder, modelPath: modelPath)
    }

    private static func shards(inIndex path: String) throws(HubError) -> [String] {
        do throws(ModelFileError) {
            return try SafetensorsCheckpoint.shardNames(inIndex: path)
        } catch {
            throw .badIndex(error)
        }
    }

    /// - Parameter isSilent: Without progress: it is only a part of what comes.
    private func fetch(
        _ paths: [String], _ listing: RepositoryListing, _ download: Download, isSilent: Bool = false
    ) async throws(HubError) {
        let cache = download.cache, commit = listing.commit
        let missing = paths.filter { !cache.has($0, of: commit, size: listing.sizes[$0]) }
        guard !missing.isEmpty else { return }
        try cache.prepare()
        let files = try await inParallel(missing) { path async throws(HubError) in
            try await download.client.metadata(path, commit: commit, listedSize: listing.sizes[path])
        }
        try checkRoom(files, cache)
        if !isSilent {
            download.onEvent(.began(fileCount: files.count, bytes: files.reduce(0) { $0 &+ $1.size }))
        }
        _ = try await inParallel(files) { file async throws(HubError) in
            let blob = BlobDownload(
                file: file, client: download.client, cache: cache,
                onBytes: { if !isSilent { download.onEvent(.received(bytes: $0)) } },
                onWait: { download.onEvent(.waiting(file: file.path)) })
            try await blob.run()
            try cache.add(file.path, file.identity, to: commit)
            if !isSilent { download.onEvent(.finished(file: file.path)) }
        }
    }

    /// A disk that is too small is found out before it is full.
    private func checkRoom(_ files: [RemoteFile], _ cache: RepositoryCache) throws(HubError) {
        guard let free = LocalFiles.freeBytes(cache.blobFolder) else { return }
        var needed = 0
        for file in files where LocalFiles.size(cache.blob(file.identity)) != file.size {
            let there = LocalFiles.size(cache.partialBlob(file.identity)) ?? 0
            let (sum, overflow) = needed.addingReportingOverflow(max(0, file.size - there))
            needed = sum
            guard !overflow, needed <= free else {
                throw .diskFull(
                    file: file.path, folder: cache.blobFolder, neededBytes: overflow ? .max : needed, freeBytes: free)
            }
        }
    }

    /// Maps a few at a time; the first error ends the others.
    private func inParallel<Input: Sendable, Output: Sendable>(
        _ inputs: [Input], _ body: @escaping @Sendable (Input) async throws(HubError) -> Output
    ) async throws(HubError) -> [Output] {
        do {
            return try await withThrowingTaskGroup(of: (Int, Output).self) { group in
                var results: [Int: Output] = [:]
                for (index, input) in inputs.enumerated() {
                    if index >= Self.parallelCount, let (done, output) = try await group.next() {
                        results[done] = output
                    }
                    group.addTask { (index, try await body(input)) }
                }
                while let (done, output) = try await group.next() { results[done] = output }
                return inputs.indices.compactMap { results[$0] }
            }
        } catch {
            // The group's tasks throw nothing else.
            throw error as? HubError ?? .interrupted
        }
    }

    // MARK: - From the cache

    /// The snapshot that the cache has of a revision, if all of the model is in it.
    private func cached(
        _ reference: HubReference, _ revision: String, _ cache: RepositoryCache
    ) throws(HubError) -> HubSnapshot {
        let repository = "\(reference.repository)"
        guard let commit = cache.commit(of: revision), LocalFiles.kind(cache.snapshot(commit)) == .folder else {
            throw .notCached(repository: repository, revision: revision, folder: configuration.cacheFolder)
        }
        let folder = cache.snapshot(commit), files = LocalFiles.files(in: folder)
        let set: ModelFileSet
        do throws(HubError) {
            set = try ModelFileSet.choose(from: files, gguf: reference.gguf, repository: reference.repository)
        } catch {
            switch error {
            case .noWeights: throw .incomplete(repository: repository, revision: revision, files: ["the weights"])
            case .noConfiguration:
                throw .incomplete(repository: repository, revision: revision, files: ["config.json"])
            case .noSuchGGUF(_, let asked, _):
                throw .incomplete(repository: repository, revision: revision, files: [asked])
            default: throw error
            }
        }
        switch set {
        case .gguf(let file): return HubSnapshot(commit: commit, folder: folder, modelPath: "\(folder)/\(file)")
        case .safetensors(_, let index):
            let shards = try index.map { path throws(HubError) in try Self.shards(inIndex: "\(folder)/\(path)") }
            let missing = (shards ?? []).filter { !files.contains($0) }
            guard missing.isEmpty else {
                throw .incomplete(repository: repository, revision: revision, files: missing)
            }
            return HubSnapshot(commit: commit, folder: folder, modelPath: folder)
        }
    }
}

extension HubError {
    /// Whether it says nothing about the model, only that the Hub cannot be asked now.
    fileprivate var isOutage: Bool {
        switch self {
        case .unreachable, .status: true
        default: false
        }
    }
}
