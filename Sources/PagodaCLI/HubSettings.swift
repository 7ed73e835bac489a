// The Hub as the environment has it, with the variables that Python's `huggingface_hub` reads.

internal import Hub

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension HubConfiguration {
    /// Heeds `HF_HUB_CACHE`, `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE` and what
    /// `huggingface_hub` falls back to: `HUGGINGFACE_HUB_CACHE`, `XDG_CACHE_HOME`, `TRANSFORMERS_OFFLINE`.
    ///
    /// - Parameters:
    ///   - cacheFolder: Instead of the environment's.
    ///   - environment: Gives variables; empty ones count as not set.
    ///   - file: Gives the text of a small file.
    init(
        cacheFolder: String?, environment: (String) -> String?, file: (String) -> String? = smallText
    ) throws(CommandError) {
        func variable(_ names: String...) -> String? {
            names.lazy.compactMap(environment).first { !$0.isEmpty }
        }
        func expanded(_ path: String) -> String {
            guard path == "~" || path.hasPrefix("~/"), let home = variable("HOME") else { return path }
            return home + path.dropFirst()
        }
        let home =
            variable("HF_HOME") ?? variable("XDG_CACHE_HOME").map { $0 + "/huggingface" } ?? "~/.cache/huggingface"
        let folder = cacheFolder ?? variable("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE") ?? home + "/hub"
        let address = variable("HF_ENDPOINT") ?? Self.defaultEndpoint
        guard let endpoint = HTTPURL(address) else {
            throw .server("HF_ENDPOINT must be http://HOST or https://HOST, perhaps with a port and a path.")
        }
        self.init(
            cacheFolder: expanded(folder), endpoint: endpoint, userAgent: "pagoda/\(PagodaVersion.current)")
        let path = expanded(variable("HF_TOKEN_PATH") ?? home + "/token")
        // What is wrong is not said with the value: it may be a key.
        if let text = (variable("HF_TOKEN") ?? file(path)).map({ $0.filter { !$0.isWhitespace } }), !text.isEmpty {
            guard let token = HubToken(text) else {
                throw .server("The token for the Hub, in HF_TOKEN or \(path), must be visible ASCII.")
            }
            self.token = token
        }
        let offline = variable("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")?.uppercased()
        isOffline = ["1", "ON", "YES", "TRUE"].contains(offline)
    }
}

/// A variable of this process's environment.
func environmentVariable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

/// The text of a file of a few kilobytes; nil if there is none.
private func smallText(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 8 << 10)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(validating: bytes[..<count], as: UTF8.self)
}
