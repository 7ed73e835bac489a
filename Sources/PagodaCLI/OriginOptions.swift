// Options of `pagoda serve` about pages in browsers, with vLLM's names.

internal import ArgumentParser
internal import JSON
internal import Server

struct OriginOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: """
            Origins whose pages may use the server from a browser, such as https://app.example, or '["*"]' for all; by \
            default none.
            """)
    var allowedOrigins: [String] = []

    @Option(parsing: .upToNextOption, help: "Methods that such pages may use; by default all.")
    var allowedMethods: [String] = []

    @Option(parsing: .upToNextOption, help: "Headers that such pages may send; by default all.")
    var allowedHeaders: [String] = []

    @Flag(help: "Let such pages use what the browser keeps of credentials.")
    var allowCredentials = false

    func validate() throws {
        _ = try policy()
    }

    func policy() throws(CommandError) -> CrossOriginPolicy? {
        let origins = try Self.list(allowedOrigins, option: "allowed-origins")
        let methods = try Self.list(allowedMethods, option: "allowed-methods")
        let headers = try Self.list(allowedHeaders, option: "allowed-headers")
        guard !origins.isEmpty else {
            guard methods.isEmpty, headers.isEmpty, !allowCredentials else {
                throw .server("--allowed-methods, --allowed-headers and --allow-credentials need --allowed-origins.")
            }
            return nil
        }
        var policy = CrossOriginPolicy(origins: Set(origins))
        if !methods.isEmpty { policy.methods = methods }
        if !headers.isEmpty { policy.headers = headers }
        policy.allowsCredentials = allowCredentials
        guard !policy.isContradictory else {
            throw .server("--allow-credentials with any origin would let every page act for its reader; name origins.")
        }
        return policy
    }

    /// Values one by one, or as vLLM takes them: a JSON list.
    private static func list(_ values: [String], option: String) throws(CommandError) -> [String] {
        var words = values
        if values.count == 1, let value = values.first, value.hasPrefix("[") {
            guard let list = (try? JSONParser.parse(value))?.arrayValue else {
                throw .invalidOption(name: option, value: value, allowed: #"words, or a JSON list such as '["*"]'"#)
            }
            words = list.compactMap(\.stringValue)
            guard words.count == list.count else {
                throw .invalidOption(name: option, value: value, allowed: "a list of words")
            }
        }
        for word in words where word.isEmpty || !word.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
            throw .invalidOption(name: option, value: word, allowed: "visible ASCII without blanks")
        }
        return words
    }
}
