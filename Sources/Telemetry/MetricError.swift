// Why a metric can't be registered.

/// All of these are mistakes in the program's own declarations, found when it starts.
public enum MetricError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidName(String)
    case invalidLabelName(String, metric: String)
    /// Another metric has this name, or one that it would be exposed under.
    case nameTaken(String)
    /// The family has this label set already.
    case duplicateLabels(metric: String)
    /// The family was registered with another type, help text, label names or buckets.
    case inconsistentFamily(String)
    case invalidBuckets(metric: String)
    /// There is no room for the series.
    case registryFull(metric: String)

    public var description: String {
        switch self {
        case .invalidName(let name):
            "'\(name)' is no metric name; use letters, digits, '_' and ':', beginning with no digit."
        case .invalidLabelName(let label, let metric):
            "'\(label)' can't be a label of \(metric); use letters, digits and '_', neither '__' in front nor 'le' or "
                + "'quantile'."
        case .nameTaken(let name):
            "The name \(name) is taken by another metric; choose another one."
        case .duplicateLabels(let metric):
            "\(metric) has these label values already; register each series once."
        case .inconsistentFamily(let metric):
            "\(metric) was registered differently before; give all its series one type, help, label names and buckets."
        case .invalidBuckets(let metric):
            "The buckets of \(metric) must be finite numbers in strictly rising order."
        case .registryFull(let metric):
            "There is no room for another series of \(metric); register fewer series."
        }
    }
}
