// Who a request comes from, once it is known.

/// What a credential may be used for.
public enum Scope: String, Sendable, CaseIterable {
    /// Everything that generates, and what goes with it: models, tokens, load.
    case api
    /// What tells of the server as a whole: `/metrics` and the dashboard.
    case metrics
    /// What changes the server, or shows one client's requests to another.
    case admin
}

/// Whose credential came with a request.
public struct Principal: Sendable, Equatable {
    /// The key's or user's name in its file; `jwt` and the like where there is none. For log lines.
    public var name: String
    /// Who pays: one tenant may have many keys.
    public var tenant: String
    public var scopes: Set<Scope>
    /// Names of the models that it may use; nil: all.
    public var models: Set<String>?

    public init(name: String, tenant: String, scopes: Set<Scope>, models: Set<String>? = nil) {
        self.name = name
        self.tenant = tenant
        self.scopes = scopes
        self.models = models
    }

    /// Anybody, where no credential is asked for.
    public static let anonymous = Principal(name: "", tenant: "default", scopes: Set(Scope.allCases))

    /// Whether it may use the model of this name.
    public func allows(model: String) -> Bool {
        models.map { $0.contains(model) } ?? true
    }

    /// Names of principals and tenants stand in log lines and labels: 1 to 64 letters, digits, `.`, `_`, `-`, `@`, `:`.
    static func isValidName(_ name: some StringProtocol) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || isMark(scalar))
            }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "." || scalar == "_" || scalar == "-" || scalar == "@" || scalar == ":"
    }
}

/// What it takes to be answered by a route.
public enum RouteAccess: Sendable, Equatable, CaseIterable {
    /// Nothing: probes, which have no credential to show.
    case open
    case api
    case metrics
    case admin
    /// No such route. Only whoever may use the server is told so.
    case unknown

    /// Nil: any scope will do.
    var scope: Scope? {
        switch self {
        case .open, .unknown: nil
        case .api: .api
        case .metrics: .metrics
        case .admin: .admin
        }
    }
}
