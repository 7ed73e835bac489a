// `--tenant-file`: what each tenant may have.

/// What the operator grants a tenant. The one named `default` stands for everybody who has no other.
public struct TenantSettings: Sendable, Equatable {
    public var name: String
    /// Its part of what is computed, beside those of others of the same priority that have something to do.
    public var weight = 1.0
    /// Of its requests; what they say themselves can only make them less urgent.
    public var priority = 0
    /// Its sequences that run at once.
    public var maxSequences: Int?
    /// Its sequences in the server, running ones too.
    public var maxQueued: Int?
    /// The share of the KV cache beyond which no more of its sequences begin.
    public var kvShare: Double?
    /// Tokens of its prompts and answers.
    public var tokensPerMinute: Double?
    public var requestsPerMinute: Double?

    public init(name: String) {
        self.name = name
    }
}

/// A YAML file; all but the name may be left out:
///
///     tenants:
///       - name: chat
///         weight: 4
///         priority: 0
///         max_sequences: 64
///         max_queued: 256
///         kv_share: 0.5
///         tokens_per_minute: 200000
///         requests_per_minute: 600
public enum TenantFile {
    private static let largest = 1_000_000_000.0

    public static func read(_ path: String) throws(AccessError) -> [TenantSettings] {
        let root = try SettingsFile.yaml(path)
        var tenants: [TenantSettings] = []
        for (name, value) in try root.members("the file") {
            guard name == "tenants" else { throw value.problem("`\(name)` is not known here; known is `tenants`") }
            for entry in try value.list("`tenants`") {
                let tenant = try Self.tenant(entry)
                guard !tenants.contains(where: { $0.name == tenant.name }) else {
                    throw entry.problem("the tenant `\(tenant.name)` stands twice")
                }
                tenants.append(tenant)
            }
        }
        return tenants
    }

    private static func tenant(_ entry: SettingsNode) throws(AccessError) -> TenantSettings {
        var tenant = TenantSettings(name: "")
        for (member, value) in try entry.members("a tenant") {
            switch member {
            case "name": tenant.name = try value.string("a name")
            case "weight": tenant.weight = try number(value, member, from: 0.001, through: 1000)
            case "priority": tenant.priority = try whole(value, member, from: -1_000_000)
            case "max_sequences": tenant.maxSequences = try whole(value, member, from: 1)
            case "max_queued": tenant.maxQueued = try whole(value, member, from: 1)
            case "kv_share": tenant.kvShare = try number(value, member, from: 0.001, through: 1)
            case "tokens_per_minute": tenant.tokensPerMinute = try number(value, member, from: 1, through: largest)
            case "requests_per_minute": tenant.requestsPerMinute = try number(value, member, from: 1, through: largest)
            default: throw value.problem("`\(member)` is not known here")
            }
        }
        guard Principal.isValidName(tenant.name) else {
            throw entry.problem("a tenant needs a `name` of 1 to 64 letters, digits, `.`, `_`, `-`, `@` or `:`")
        }
        return tenant
    }

    private static func number(
        _ value: SettingsNode, _ member: String, from least: Double, through most: Double
    ) throws(AccessError) -> Double {
        guard let number = Double(try value.string("`\(member)`")), (least...most).contains(number) else {
            throw value.problem("`\(member)` must be a number from \(least) to \(most)")
        }
        return number
    }

    private static func whole(
        _ value: SettingsNode, _ member: String, from least: Int
    ) throws(AccessError) -> Int {
        guard let number = Int(try value.string("`\(member)`")), (least...1_000_000).contains(number) else {
            throw value.problem("`\(member)` must be a whole number from \(least) to 1000000")
        }
        return number
    }
}
