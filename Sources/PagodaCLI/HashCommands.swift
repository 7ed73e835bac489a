// `pagoda hash-key` and `pagoda hash-password`: entries for the files that say who comes in.

internal import Access
internal import ArgumentParser

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

struct HashKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hash-key",
        abstract: "Make a key and its entry for --api-key-file.",
        discussion: """
            The entry goes to standard output, a new key to standard error: it is shown once and kept nowhere. A key \
            that is there already comes through standard input with --stdin, never as an argument that others could see.
            """)

    @Argument(help: "Whose key it is; stands in logs.")
    var name: String

    @Option(help: "Who it counts for in metrics; by default the name.")
    var tenant: String?

    @Option(help: "What it is for, separated by commas: \(Scope.allCases.map(\.rawValue).joined(separator: ", ")).")
    var scopes = Scope.api.rawValue

    @Flag(help: "Read the key from standard input instead of making one.")
    var stdin = false

    func run() throws {
        let words = scopes.split(separator: ",").map(String.init)
        guard !words.isEmpty, words.allSatisfy({ Scope(rawValue: $0) != nil }) else {
            throw CommandError.invalidOption(
                name: "scopes", value: scopes, allowed: Scope.allCases.map(\.rawValue).joined(separator: ", "))
        }
        let key: String
        if stdin {
            key = try SecretInput.read("Key: ")
            guard key.utf8.count >= CredentialHash.shortestKey else {
                throw CommandError.server("A key must have at least \(CredentialHash.shortestKey) characters.")
            }
        } else {
            key = CredentialHash.newKey()
            Console.note("The key of \(name), shown only now: \(key)\n")
        }
        var lines = ["- name: \(name)", "  hash: \(CredentialHash.key(key))"]
        if let tenant { lines.append("  tenant: \(tenant)") }
        lines.append("  scopes: [\(words.joined(separator: ", "))]")
        Console.write(lines.map { "  \($0)\n" }.joined())
    }
}

struct HashPasswordCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hash-password",
        abstract: "Make an entry of basic_auth_users, for --metrics-password-file or Prometheus itself.",
        discussion: "The password comes through standard input, without an echo on a terminal.")

    @Argument(help: "The name that goes with the password.")
    var name: String

    @Option(help: "bcrypt's cost: each step doubles the time that checking takes.")
    var cost = 10

    func run() throws {
        guard (4...15).contains(cost) else {
            throw CommandError.invalidOption(name: "cost", value: "\(cost)", allowed: "4 to 15")
        }
        guard let hash = CredentialHash.password(try SecretInput.read("Password: "), cost: cost) else {
            throw CommandError.server("A password must have 1 to \(CredentialHash.longestPassword) bytes.")
        }
        Console.write("  \(name): \(hash)\n")
    }
}

private enum SecretInput {
    /// One line of standard input. On a terminal it is asked for, and not shown.
    static func read(_ prompt: String) throws -> String {
        guard isatty(STDIN_FILENO) == 1 else { return try checked(readLine()) }
        var settings = termios()
        tcgetattr(STDIN_FILENO, &settings)
        var silent = settings
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
            Console.note("\n")
        }
        Console.note(prompt)
        return try checked(readLine())
    }

    private static func checked(_ line: String?) throws -> String {
        guard let line, !line.isEmpty else { throw CommandError.server("Nothing was given on standard input.") }
        return line
    }
}
