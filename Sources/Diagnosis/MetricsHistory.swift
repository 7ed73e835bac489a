// What the dashboard shows of the past: an hour of a server's metrics, in memory.

import JSON
import Synchronization

/// Samples of the registry, taken once a second: five minutes of each second, an hour of every tenth.
///
/// A sample is parsed from the text that a scraper would get, so that the page and a scrape can't disagree, and nothing
/// of the engine's is touched. Memory is bounded by what the columns were at the first sample: about a megabyte.
public final class MetricsHistory: Sendable {
    /// Whether rows are of each sample or of every tenth.
    public enum Resolution: Int, CaseIterable, Sendable {
        case fine = 1
        case coarse = 10

        /// Rows kept.
        public var capacity: Int {
            switch self {
            case .fine: 301
            case .coarse: 361
            }
        }
    }

    private struct State {
        var columns: [String] = []
        /// Of each series in the exposition, its column and one more for the time; 0: it has none.
        var positions: [Int] = []
        var rings: [Resolution: SampleRing] = [:]
        var sampleCount = 0
        var latest: [Double] = []
        /// What the verdict is about.
        var recent: [MetricsSample] = []
    }

    private let state = Mutex(State())
    private let instance: String

    /// Seconds that a verdict looks back.
    private static let verdictSeconds = 10
    private static let columnLimit = 1000

    /// - Parameter instance: Tells a page that knew another server that this one is new.
    public init(instance: String) {
        self.instance = instance
    }

    // MARK: - Recording

    /// Takes a sample; what is no exposition is ignored.
    ///
    /// - Parameter seconds: Since the server's start.
    public func record(_ exposition: [UInt8], seconds: Double) {
        guard let series = try? ExpositionParser.parse(exposition) else { return }
        let sample = MetricsSample(series, seconds: seconds)
        state.withLock { state in
            if state.positions.count != series.count { Self.layOut(series, in: &state) }
            var row = [Double](repeating: .nan, count: state.columns.count + 1)
            row[0] = seconds
            for (value, position) in zip(series, state.positions) where position > 0 {
                row[position] = row[position].isNaN ? value.value : row[position] + value.value
            }
            state.latest = row
            state.rings[.fine]?.append(row)
            if state.sampleCount % Resolution.coarse.rawValue == 0 { state.rings[.coarse]?.append(row) }
            state.sampleCount += 1
            state.recent.append(sample)
            if state.recent.count > Self.verdictSeconds + 1 { state.recent.removeFirst() }
        }
    }

    /// Decides on the columns at the first sample; series that come later have none of their own.
    private static func layOut(_ series: [SeriesValue], in state: inout State) {
        let names = series.map { HistoryColumns.name(of: $0) }
        if state.columns.isEmpty {
            var known: Set<String> = []
            state.columns = Array(names.compactMap { $0 }.filter { known.insert($0).inserted }.prefix(columnLimit))
            for resolution in Resolution.allCases {
                state.rings[resolution] = SampleRing(capacity: resolution.capacity, width: state.columns.count + 1)
            }
        }
        let indices = Dictionary(uniqueKeysWithValues: zip(state.columns, 1...))
        state.positions = names.map { name in name.flatMap { indices[$0] } ?? 0 }
    }

    // MARK: - Reading

    /// The page's data in JSON.
    ///
    /// - Parameters:
    ///   - limit: The time of the last row that the page has; nil: it knows nothing, not even the columns.
    ///   - now: Seconds since the server's start, and since the epoch.
    public func json(
        after limit: Double?, _ resolution: Resolution, version: String, now: (uptime: Double, time: Double)
    ) -> [UInt8] {
        let (columns, rows, latest, recent) = state.withLock { state in
            (
                limit == nil ? state.columns : [], state.rings[resolution]?.rows(after: limit ?? -1) ?? [],
                state.latest, state.recent
            )
        }
        var json = JSONWriter()
        json.beginObject()
        json.key("instance")
        json.value(instance)
        json.key("now")
        json.value(now.uptime)
        json.key("time")
        json.value(now.time)
        json.key("capacity")
        json.value(resolution.capacity)
        if limit == nil {
            json.key("columns")
            json.beginArray()
            for column in columns { json.value(column) }
            json.endArray()
        }
        json.key("rows")
        json.beginArray()
        for row in rows { Self.write(row, to: &json) }
        json.endArray()
        json.key("latest")
        Self.write(latest[...], to: &json)
        writeVerdict(recent, version: version, to: &json)
        json.endObject()
        return json.bytes
    }

    private static func write(_ row: ArraySlice<Double>, to json: inout JSONWriter) {
        json.beginArray()
        for value in row {
            if let whole = Int64(exactly: value) { json.value(whole) } else { json.value(value) }
        }
        json.endArray()
    }

    private func writeVerdict(_ recent: [MetricsSample], version: String, to json: inout JSONWriter) {
        let figures = MetricsWindow(recent).flatMap { try? ServerFigures($0) } ?? ServerFigures(seconds: 1)
        json.key("server")
        json.beginObject()
        json.key("model")
        json.value(figures.model ?? "")
        json.key("version")
        json.value(version)
        json.endObject()
        json.key("verdict")
        Verdict(figures).write(to: &json)
    }
}
