// Whom the engine tells apart, and what each may have of it.

import Primitives
import Scheduling

/// A tenant of the configuration. The one named as `RequestOrigin.defaultTenant` stands for everybody who has no other.
public struct EngineTenant: Sendable, Equatable {
    public var name: String
    /// Its part of the tokens computed, beside those of others of the same priority that have something to do.
    public var weight = 1.0
    /// Of its requests under the priority policy, unless they make themselves less urgent. Where tenants differ in it,
    /// sequences less urgent than the most urgent tenant's give way to those within each step.
    public var priority = 0
    /// Its sequences that run at once; nil: as many as there are places.
    public var maxRunningSequences: Int?
    /// The share of the KV cache beyond which no more of its sequences are admitted, 0 to 1; nil: all of it.
    public var cacheShare: Double?

    public init(name: String) {
        self.name = name
    }

    /// - Parameter blockCount: Of the whole cache.
    func limits(blockCount: Int) throws(EngineError) -> TenantLimits {
        var limits = TenantLimits()
        guard weight.isFinite, weight > 0 else {
            throw .invalidConfiguration("the weight of tenant \(name) is \(weight), and must be above 0")
        }
        limits.weight = weight
        if let maxRunningSequences {
            guard maxRunningSequences > 0 else {
                throw .invalidConfiguration("tenant \(name) may run \(maxRunningSequences) sequences, and needs one")
            }
            limits.maxRunningSequences = maxRunningSequences
        }
        if let cacheShare {
            guard cacheShare > 0, cacheShare <= 1 else {
                throw .invalidConfiguration("the cache share of tenant \(name) is \(cacheShare), outside 0 to 1")
            }
            limits.maxBlocks = max(1, Int(cacheShare * Double(blockCount)))
        }
        return limits
    }
}

/// The scheduler's numbers of tenants, by name.
struct TenantIndex: Sendable {
    private var indexes: [String: Int] = [RequestOrigin.defaultTenant: 0]
    private(set) var limits = [TenantLimits()]
    /// Of the configuration's tenants.
    private var priorities: Set<Int> = []

    init(_ tenants: [EngineTenant], blockCount: Int) throws(EngineError) {
        for tenant in tenants {
            let own = try tenant.limits(blockCount: blockCount)
            priorities.insert(tenant.priority)
            if tenant.name == RequestOrigin.defaultTenant {
                limits[0] = own
            } else {
                guard indexes.updateValue(limits.count, forKey: tenant.name) == nil else {
                    throw .invalidConfiguration("tenant \(tenant.name) stands twice")
                }
                limits.append(own)
            }
        }
    }

    subscript(name: String) -> Int { indexes[name] ?? 0 }

    /// The most urgent tenant's priority; nil if all are equally urgent. Whoever has no tenant counts where the
    /// configuration's do not differ.
    var urgentPriority: Int? {
        let compared = priorities.count > 1 ? priorities : priorities.union([0])
        return compared.count > 1 ? compared.min() : nil
    }
}
