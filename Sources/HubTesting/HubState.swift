// What a served repository answers.

internal import JSON
internal import NIOHTTP1
internal import Synchronization

final class HubState: Sendable {
    private struct State {
        var repository: HubServer.Repository
        var requests: [HubServer.Request] = []
        var contentPort = 0
    }

    private let state: Mutex<State>
    private let edit: @Sendable (HubServer.Request, inout HubServer.Answer) -> Void

    init(
        _ repository: HubServer.Repository,
        edit: @escaping @Sendable (HubServer.Request, inout HubServer.Answer) -> Void
    ) {
        state = Mutex(State(repository: repository))
        self.edit = edit
    }

    var requests: [HubServer.Request] { state.withLock { $0.requests } }

    func start(contentPort: Int) { state.withLock { $0.contentPort = contentPort } }
    func serve(_ repository: HubServer.Repository) { state.withLock { $0.repository = repository } }

    func answer(to head: HTTPRequestHead, isContentNetwork: Bool) -> HubServer.Answer {
        let parts = head.uri.split(separator: "?", maxSplits: 1)
        let path = Self.decoded(parts.first ?? ""), method = head.method.rawValue
        let (request, usual) = state.withLock { state -> (HubServer.Request, HubServer.Answer) in
            let request = HubServer.Request(
                method: method, path: path, query: parts.count > 1 ? String(parts[1]) : "",
                headers: head.headers.map { ($0.name, $0.value) }, isContentNetwork: isContentNetwork,
                number: 1 + state.requests.count { $0.method == method && $0.path == path })
            state.requests.append(request)
            return (request, Self.answer(to: request, state))
        }
        var answer = usual
        edit(request, &answer)
        return answer
    }

    // MARK: - Answers

    private static func answer(to request: HubServer.Request, _ state: State) -> HubServer.Answer {
        let repository = state.repository
        if request.isContentNetwork {
            let hash = request.path.split(separator: "/").last.map { String($0) } ?? ""
            let file = repository.commits.values.joined().first { $0.sha256 == hash }
            return file.map { content(of: $0, request) } ?? HubServer.Answer(403)
        }
        if let rest = request.path.removing("/api/models/\(repository.name)/revision/") {
            guard let commit = commit(rest, repository) else { return notFound("RevisionNotFound") }
            return listing(commit, repository)
        }
        if let rest = request.path.removing("/api/models/\(repository.name)/tree/") {
            guard let commit = commit(rest, repository) else { return notFound("RevisionNotFound") }
            return tree(commit, repository)
        }
        if let rest = request.path.removing("/\(repository.name)/resolve/"), let slash = rest.firstIndex(of: "/") {
            guard let commit = commit(String(rest[..<slash]), repository) else { return notFound("RevisionNotFound") }
            let path = rest[rest.index(after: slash)...]
            guard let file = repository.commits[commit]?.first(where: { $0.path == path }) else {
                return notFound("EntryNotFound")
            }
            return self.file(file, commit, request, state)
        }
        return notFound("RepoNotFound")
    }

    private static func commit(_ revision: String, _ repository: HubServer.Repository) -> String? {
        repository.commits[revision] != nil ? revision : repository.revisions[revision]
    }

    private static func notFound(_ code: String) -> HubServer.Answer {
        HubServer.Answer(404, [("X-Error-Code", code)])
    }

    private static func json(_ value: JSONValue) -> HubServer.Answer {
        HubServer.Answer(
            200, [("Content-Type", "application/json")], body: value.serializedBytes(style: .compact))
    }

    private static func listing(_ commit: String, _ repository: HubServer.Repository) -> HubServer.Answer {
        let files = repository.commits[commit] ?? []
        return json([
            "id": .string(repository.name), "modelId": .string(repository.name), "private": false, "tags": [],
            "downloads": 0, "sha": .string(commit),
            "siblings": .array(
                files.map { file in
                    var entry: JSONObject = JSONObject()
                    entry["rfilename"] = .string(file.path)
                    entry["size"] = .integer(Int64(file.size))
                    entry["blobId"] = .string(file.gitHash)
                    entry["lfs"] = lfs(file)
                    return .object(entry)
                }),
        ])
    }

    private static func tree(_ commit: String, _ repository: HubServer.Repository) -> HubServer.Answer {
        json(
            .array(
                (repository.commits[commit] ?? []).map { file in
                    var entry = JSONObject()
                    entry["type"] = "file"
                    entry["oid"] = .string(file.gitHash)
                    entry["size"] = .integer(Int64(file.size))
                    entry["path"] = .string(file.path)
                    entry["lfs"] = lfs(file, hashKey: "oid")
                    return .object(entry)
                }))
    }

    private static func lfs(_ file: HubFile, hashKey: String = "sha256") -> JSONValue? {
        guard let sha256 = file.sha256 else { return nil }
        return [hashKey: .string(sha256), "size": .integer(Int64(file.size)), "pointerSize": 134]
    }

    private static func file(
        _ file: HubFile, _ commit: String, _ request: HubServer.Request, _ state: State
    ) -> HubServer.Answer {
        let told = [("X-Repo-Commit", commit), ("ETag", "\"\(file.etag)\"")]
        guard let sha256 = file.sha256 else {
            var answer = content(of: file, request)
            answer.headers += told
            return answer
        }
        // As the Hub does: the address holds a signature, and what the file is stands in the redirect.
        let address = "http://127.0.0.1:\(state.contentPort)/blobs/\(sha256)?X-Amz-Signature=secret"
        return HubServer.Answer(
            302,
            told + [
                ("X-Linked-Etag", "\"\(sha256)\""), ("X-Linked-Size", "\(file.size)"), ("Location", address),
            ], body: Array("Found. Redirecting".utf8))
    }

    private static func content(of file: HubFile, _ request: HubServer.Request) -> HubServer.Answer {
        var range = 0..<file.size, answer = HubServer.Answer(200, [("Accept-Ranges", "bytes")])
        if let text = request.header("Range"), let start = Int(text.dropFirst("bytes=".count).dropLast()) {
            guard start < file.size else { return HubServer.Answer(416, [("Content-Range", "bytes */\(file.size)")]) }
            range = start..<file.size
            answer.status = 206
            answer.set("Content-Range", "bytes \(start)-\(file.size - 1)/\(file.size)")
        }
        answer.body =
            switch file.content {
            case .bytes(let bytes): .bytes(Array(bytes[range]))
            case .file(let path): .file(path, range)
            }
        return answer
    }

    private static func decoded(_ text: some StringProtocol) -> String {
        var bytes: [UInt8] = [], rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    /// What follows `prefix`; nil without it.
    fileprivate func removing(_ prefix: String) -> String? {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
    }
}
