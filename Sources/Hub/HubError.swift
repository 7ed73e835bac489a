// Why a model could not be had from the Hub, in words for whoever has to mend it.

public import ModelFiles

/// What went wrong, with the file and the URL without its query. Never holds a token.
public enum HubError: Error, Equatable, Sendable, CustomStringConvertible {
    case invalidRevision(String)

    // What the server says.
    /// 401 or 403. The Hub answers 401 for repositories that do not exist, too.
    case forbidden(repository: String, url: String, isGated: Bool, hasToken: Bool)
    case noRepository(repository: String, url: String)
    case noRevision(repository: String, revision: String, url: String)
    case noFile(file: String, repository: String, url: String)
    case status(url: String, code: Int)
    case unreachable(url: String, reason: String, attempts: Int)
    case badRedirect(url: String, reason: String)
    /// An answer that the Hub's API does not allow.
    case badAnswer(url: String, reason: String)

    // What the repository holds.
    case unsafeFileName(repository: String, name: String)
    case pickledWeights(repository: String, files: [String])
    case noWeights(repository: String)
    case noConfiguration(repository: String)
    case badIndex(ModelFileError)
    case missingShard(repository: String, index: String, shard: String)
    case noSuchGGUF(repository: String, asked: String, files: [String])
    case severalGGUF(repository: String, asked: String?, files: [String])
    case splitGGUF(repository: String, file: String)
    case nothingMatches(repository: String, refused: [String])

    // What happens to a file on its way.
    case wrongHash(file: String, url: String, expected: String, found: String)
    case diskFull(file: String, folder: String, neededBytes: Int, freeBytes: Int)
    case cannotWrite(path: String, reason: String)
    case interrupted

    // Without the network.
    case notCached(repository: String, revision: String, folder: String)
    case incomplete(repository: String, revision: String, files: [String])
    case offline(repository: String)

    public var description: String {
        switch self {
        case .invalidRevision(let revision):
            "\(Self.quoted(revision)) cannot be a revision; give a branch, a tag or a commit."
        case .forbidden(let repository, let url, let isGated, let hasToken):
            Self.forbidden(repository, url, isGated: isGated, hasToken: hasToken)
        case .noRepository(let repository, let url):
            "\(repository) is neither a file or folder here nor a repository that \(url) knows; check its name."
        case .noRevision(let repository, let revision, let url):
            "\(repository) has no revision \(Self.quoted(revision)) (\(url)); give a branch, a tag or a commit."
        case .noFile(let file, let repository, let url):
            "\(repository) has no file \(Self.quoted(file)) (\(url))."
        case .status(let url, let code):
            "\(url) answered with status \(code); try again later."
        case .unreachable(let url, let reason, let attempts):
            "\(url) could not be had in \(attempts) \(attempts == 1 ? "try" : "tries"): \(reason). Check the network "
                + "and HF_ENDPOINT, and run the command again: what is there already is kept."
        case .badRedirect(let url, let reason):
            "\(url) leads to where nothing is fetched from: \(reason). Check HF_ENDPOINT."
        case .badAnswer(let url, let reason):
            "\(url) gave an answer that no Hub gives: \(reason). Check HF_ENDPOINT."
        case .unsafeFileName(let repository, let name):
            "\(repository) lists a file \(Self.quoted(name)), which would not stay in its folder; nothing is used."
        case .pickledWeights(let repository, let files):
            "\(repository) has its weights as pickles only (\(Self.listed(files))), which could run code and are never "
                + "downloaded; take a repository with safetensors or GGUF."
        case .noWeights(let repository):
            "\(repository) has neither model.safetensors, nor model.safetensors.index.json, nor a GGUF file."
        case .noConfiguration(let repository):
            "\(repository) has safetensors but no config.json; take the repository of the whole model."
        case .badIndex(let error):
            error.description
        case .missingShard(let repository, let index, let shard):
            "\(repository) has no file \(Self.quoted(shard)), which its \(index) names; take another revision."
        case .noSuchGGUF(let repository, let asked, let files):
            "\(repository) has no GGUF file for \(Self.quoted(asked)); it has \(Self.listed(files))."
        case .severalGGUF(let repository, let asked, let files):
            "\(repository) has several GGUF files\(asked.map { " for \(Self.quoted($0))" } ?? ""); name one as "
                + "\(repository):FILE, of \(Self.listed(files))."
        case .splitGGUF(let repository, let file):
            "\(repository) has \(Self.quoted(file)) in several parts, which are not read; take a whole file, or "
                + "join them with llama-gguf-split --merge."
        case .nothingMatches(let repository, let refused):
            "No file of \(repository) is left by --include and --exclude"
                + (refused.isEmpty ? "." : "; never downloaded, as they could run code: \(Self.listed(refused)).")
        case .wrongHash(let file, let url, let expected, let found):
            "\(Self.quoted(file)) from \(url) has the hash \(found) but should have \(expected); it was deleted. Run "
                + "the command again, and if that does not help, ask whoever runs the server or a proxy before it."
        case .diskFull(let file, let folder, let needed, let free):
            "\(Self.quoted(file)) needs \(needed) bytes, but \(folder) has \(free) free; make room, or set HF_HOME or "
                + "--download-dir to a larger disk."
        case .cannotWrite(let path, let reason):
            "\(path) cannot be written: \(reason). Set HF_HOME or --download-dir to a folder that can."
        case .interrupted:
            "The download was interrupted; run the command again to go on."
        case .notCached(let repository, let revision, let folder):
            "\(repository) (\(revision)) is not in \(folder), and HF_HUB_OFFLINE is set; unset it to download."
        case .incomplete(let repository, let revision, let files):
            "\(repository) (\(revision)) is not complete in the cache, it lacks \(Self.listed(files)); run pagoda pull "
                + "\(repository) without HF_HUB_OFFLINE."
        case .offline(let repository):
            "Nothing of \(repository) is downloaded while HF_HUB_OFFLINE is set; unset it."
        }
    }

    private static func forbidden(_ repository: String, _ url: String, isGated: Bool, hasToken: Bool) -> String {
        let remedy =
            hasToken ? "with the account whose token is set here" : "and set HF_TOKEN to a token of your account"
        return isGated
            ? "\(repository) is gated (\(url)): accept its terms on its page, \(remedy)."
            : "\(repository) may not be read (\(url)): it does not exist, or is private or gated. Check its name; "
                + "if it is right, ask for access on its page, \(remedy)."
    }

    /// Text from a server, safe to print on a terminal.
    private static func quoted(_ text: String) -> String {
        let limit = 120
        return String(text.prefix(limit)).debugDescription + (text.count > limit ? "…" : "")
    }

    private static func listed(_ names: [String]) -> String {
        let limit = 12
        let rest = names.count > limit ? " and \(names.count - limit) more" : ""
        return names.prefix(limit).map(quoted).joined(separator: ", ") + rest
    }
}
