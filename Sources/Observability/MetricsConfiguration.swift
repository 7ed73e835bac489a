// What the metrics tell of the server besides what happens in it.

/// What a tenant may have, for whoever reads the metrics.
public struct TenantGrant: Sendable, Equatable {
    public var tenant: String
    public var weight = 1.0
    public var priority = 0
    public var maxSequences: Int?
    public var cacheShare: Double?

    public init(_ tenant: String) {
        self.tenant = tenant
    }

    /// By their names in the tenant file.
    var settings: [(name: String, value: Double)] {
        var settings = [("weight", weight), ("priority", Double(priority))]
        if let maxSequences { settings.append(("max_sequences", Double(maxSequences))) }
        if let cacheShare { settings.append(("kv_share", cacheShare)) }
        return settings
    }
}

/// Facts that are known when the server starts and appear as labels or bucket bounds.
public struct MetricsConfiguration: Sendable, Equatable {
    /// The first served model name, vLLM's `model_name`.
    public var modelName: String
    /// Of the product.
    public var version: String
    /// The instruction set that the kernels use, such as `avx2`.
    public var instructionSet: String
    /// Tokens of a sequence, prompt and output together.
    public var maxModelLength: Int
    /// Tokens of a KV block, and how many blocks there are.
    public var blockSize: Int
    public var blockCount: Int
    /// How a key or value is stored in the KV cache, such as `float16`.
    public var cacheDataType: String
    /// `--enable-prefix-caching`.
    public var cachesPrefixes = false
    /// `--max-num-seqs`, `--max-num-batched-tokens`, `--max-num-queued-reqs`.
    public var maxRunningSequences = 0
    public var maxBatchedTokens = 0
    public var queueLimit = 0
    /// Names of the configuration's tenants, beside those without one.
    public var tenants: [String] = []
    /// What the tenant file says of some of them.
    public var grants: [TenantGrant] = []
    /// `--metrics-labels`.
    public var requestLabels: Set<RequestLabel> = []

    public init(
        modelName: String, version: String, instructionSet: String, maxModelLength: Int, blockSize: Int,
        blockCount: Int, cacheDataType: String
    ) {
        self.modelName = modelName
        self.version = version
        self.instructionSet = instructionSet
        self.maxModelLength = maxModelLength
        self.blockSize = blockSize
        self.blockCount = blockCount
        self.cacheDataType = cacheDataType
    }
}
