// What is asked of the engine: tokens in.

public import Primitives
public import Sampling
import Scheduling

/// One prompt and how to continue it. `sampleCount` continuations share the prompt's blocks.
public struct EngineRequest: Sendable {
    public var id: RequestID
    /// Not empty, every id inside the vocabulary, shorter than the engine's `maxModelLength`.
    public var promptTokenIDs: [TokenID]
    public var parameters: SamplingParameters
    /// How many continuations (`n`), at least 1.
    public var sampleCount = 1
    /// Lower goes first, under the priority policy alone.
    public var priority = 0
    /// It ends by `.abort` if it has not begun to run by then.
    public var startBy: Instant?
    /// It ends by `.abort` then, whatever has come of it.
    public var deadline: Instant?
    /// Nil: none; 0: only the prompt token's own; k: the k most likely ones as well.
    public var promptLogprobCount: Int?
    /// Requests find each other's blocks within one scope alone; nil: this one neither finds nor leaves any.
    public var prefixScope: String? = ""
    /// What the first block's name hangs on, and the names of the prompt's full blocks; nil and none without a scope.
    var prefixRoot: BlockHash?
    var blockHashes: [BlockHash] = []
    /// The same names for whoever keeps many: see `SequenceStatistics.blockNames`.
    var blockNames: [UInt64] = []
    public var origin: RequestOrigin

    public init(
        id: RequestID, promptTokenIDs: [TokenID], parameters: SamplingParameters,
        origin: RequestOrigin = RequestOrigin()
    ) {
        self.id = id
        self.promptTokenIDs = promptTokenIDs
        self.parameters = parameters
        self.origin = origin
    }
}
