// `--api-key-file`: who has which key.

/// A YAML file:
///
///     keys:
///       - name: alice
///         hash: sha256:9f86…       # `pagoda hash-key` makes it
///         tenant: research         # its name, when left out
///         scopes: [api, metrics]   # api, when left out
///         models: [llama]          # all, when left out
///         expires: 2027-01-31      # or 2027-01-31T12:00:00Z; never, when left out
enum KeyFile {
    private static let prefix = "sha256:"

    static func read(_ path: String) throws(AccessError) -> KeyRing {
        let root = try SettingsFile.yaml(path)
        var keys: [KeyRing.Key] = []
        for (name, value) in try root.members("the file") {
            guard name == "keys" else { throw value.problem("`\(name)` is not known here; known is `keys`") }
            for entry in try value.list("`keys`") {
                let key = try Self.key(entry)
                guard !keys.contains(where: { $0.principal.name == key.principal.name }) else {
                    throw entry.problem("the name `\(key.principal.name)` stands twice")
                }
                guard !keys.contains(where: { $0.digest == key.digest }) else {
                    throw entry.problem("the key of `\(key.principal.name)` stands twice")
                }
                keys.append(key)
            }
        }
        return KeyRing(keys)
    }

    private static func key(_ entry: SettingsNode) throws(AccessError) -> KeyRing.Key {
        var name: String?
        var digest: SecretDigest?
        var tenant: String?
        var scopes: Set<Scope> = [.api]
        var models: Set<String>?
        var expiry: Double?
        for (member, value) in try entry.members("a key") {
            switch member {
            case "name": name = try checkedName(value)
            case "tenant": tenant = try checkedName(value)
            case "hash": digest = try checkedDigest(value)
            case "scopes": scopes = try checkedScopes(value)
            case "models": models = Set(try value.strings("`models`"))
            case "expires": expiry = try checkedExpiry(value)
            // The value could be a key that was written here by mistake.
            default: throw value.problem("`\(member)` is not known here")
            }
        }
        guard let name else { throw entry.problem("a key needs a `name`") }
        guard let digest else { throw entry.problem("the key `\(name)` needs a `hash`") }
        let principal = Principal(name: name, tenant: tenant ?? name, scopes: scopes, models: models)
        return KeyRing.Key(digest: digest, principal: principal, expiry: expiry)
    }

    private static func checkedName(_ value: SettingsNode) throws(AccessError) -> String {
        let name = try value.string("a name")
        guard Principal.isValidName(name) else {
            throw value.problem("a name is 1 to 64 letters, digits, `.`, `_`, `-`, `@` or `:`")
        }
        return name
    }

    private static func checkedDigest(_ value: SettingsNode) throws(AccessError) -> SecretDigest {
        let text = try value.string("`hash`")
        guard text.hasPrefix(prefix), let digest = SecretDigest(hexadecimal: text.dropFirst(prefix.count)) else {
            throw value.problem("`hash` must be sha256: and 64 hexadecimal digits, as `pagoda hash-key` writes it")
        }
        return digest
    }

    private static func checkedScopes(_ value: SettingsNode) throws(AccessError) -> Set<Scope> {
        var scopes: Set<Scope> = []
        for text in try value.strings("`scopes`") {
            guard let scope = Scope(rawValue: text) else {
                let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
                throw value.problem("a scope is one of \(known)")
            }
            scopes.insert(scope)
        }
        return scopes
    }

    private static func checkedExpiry(_ value: SettingsNode) throws(AccessError) -> Double {
        guard let moment = CalendarTime.seconds(try value.string("`expires`")) else {
            throw value.problem("`expires` must be a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z")
        }
        return moment
    }

    /// What the file says for a key.
    static func hash(ofKey key: [UInt8]) -> String {
        prefix + SecretDigest(of: key).hexadecimal
    }
}

/// Days of the calendar in Unix time, UTC.
enum CalendarTime {
    /// Of `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SSZ`; nil for anything else.
    static func seconds(_ text: String) -> Double? {
        let parts = text.split(separator: "T", omittingEmptySubsequences: false)
        guard let day = parts.first.flatMap({ Self.days($0) }), parts.count <= 2 else { return nil }
        guard parts.count == 2 else { return Double(day) * 86_400 }
        guard parts[1].hasSuffix("Z"), let clock = numbers(parts[1].dropLast(), separator: ":", widths: [2, 2, 2]),
            clock[0] < 24, clock[1] < 60, clock[2] < 61
        else { return nil }
        return Double(day) * 86_400 + Double(clock[0] * 3600 + clock[1] * 60 + clock[2])
    }

    /// Days since 1970-01-01, by counting years from March on, so that a leap day is a year's last.
    private static func days(_ text: Substring) -> Int? {
        guard let date = numbers(text, separator: "-", widths: [4, 2, 2]) else { return nil }
        let (year, month, day) = (date[0], date[1], date[2])
        guard (1...12).contains(month), (1...31).contains(day) else { return nil }
        let shifted = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }

    private static func numbers(_ text: Substring, separator: Character, widths: [Int]) -> [Int]? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == widths,
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } })
        else { return nil }
        return parts.compactMap { Int($0) }
    }
}
