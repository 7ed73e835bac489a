// Why a document is no workload.

/// What is wrong with a capture. Fields are named by their path in the document: `requests[3].prompt`.
public enum WorkloadError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Not JSON at all.
    case malformed(reason: String)
    case unsupportedVersion(Int64)
    case missingField(String)
    case unknownField(String)
    case invalidField(String, allowed: String)

    public var description: String {
        switch self {
        case .malformed(let reason):
            "The capture is no JSON document: \(reason)."
        case .unsupportedVersion(let version):
            "The capture has version \(version) of its format, and \(WorkloadFormat.version) is understood here."
        case .missingField(let field):
            "The capture has no field `\(field)`."
        case .unknownField(let field):
            "The capture has a field `\(field)`, which means nothing here."
        case .invalidField(let field, let allowed):
            "The capture's field `\(field)` must be \(allowed)."
        }
    }
}
