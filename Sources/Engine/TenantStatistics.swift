// What the engine reports of each tenant.

/// What a tenant has in the engine, and what a step computed for it.
public struct TenantStatistics: Sendable, Equatable {
    /// Empty: all those together that came when there were too many to be told apart.
    public var name: String
    /// Sequences without a token and with one, after the step.
    public var unansweredCount = 0
    public var answeredCount = 0
    /// Rows of the step: prompt tokens (recomputed ones too) and tokens of decoding sequences.
    public var computedTokenCount = 0

    public init(name: String) {
        self.name = name
    }
}

extension StepStatistics {
    /// Tenants told apart. Their names come from the configuration or from whoever issues tokens, never from clients.
    static let tenantLimit = 256

    /// Where a tenant stands among `tenants`, from now on.
    mutating func place(ofTenant name: String) -> Int {
        if let place = tenants.firstIndex(where: { $0.name == name }) { return place }
        guard tenants.count < Self.tenantLimit else { return tenants.count - 1 }
        tenants.append(TenantStatistics(name: tenants.count < Self.tenantLimit - 1 ? name : ""))
        return tenants.count - 1
    }
}
