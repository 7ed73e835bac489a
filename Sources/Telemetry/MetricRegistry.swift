// All metrics of a process: declared once, updated in batches, exposed as one consistent picture.

import Synchronization

/// Registers metrics and keeps their values.
///
/// Whoever must not wait has a recorder of its own; all others share one under a lock (`update`). A counter or
/// histogram is the sum of what all recorders hold. A scrape copies the values of all of them as of one moment, between
/// updates, and writes its text from the copy: sums over series hold in every scrape, whichever recorder they are kept
/// in, and a slow scraper holds nobody up.
public final class MetricRegistry: Sendable {
    private struct Catalogue {
        var families: [MetricFamily] = []
        var familyIndices: [String: Int] = [:]
        var claimedNames: Set<String> = []
        var wordCount = 0
        /// The shared one first.
        var recorders: [MetricRecorder]
        var collectors: [@Sendable (MetricRegistry) -> Void] = []
    }

    private let catalogue: Mutex<Catalogue>
    private let shared: Mutex<MetricRecorder>
    private let wallClock: @Sendable () -> Int64

    public convenience init() {
        self.init(wallClock: Exemplar.now)
    }

    /// - Parameter wallClock: milliseconds since the epoch, for exemplars.
    public init(wallClock: @escaping @Sendable () -> Int64) {
        let recorder = MetricRecorder(wallClock: wallClock)
        catalogue = Mutex(Catalogue(recorders: [recorder]))
        shared = Mutex(recorder)
        self.wallClock = wallClock
    }

    // MARK: - Registration

    /// A counter series at 0. Called again with other label values it adds a series to the family.
    ///
    /// Names end in `_total`; one that does not keeps its name in every format, and is `unknown` to OpenMetrics.
    public func counter(
        _ name: String, help: String, labels: [MetricLabel] = []
    ) throws(MetricError) -> Counter {
        Counter(slot: try register(name, help: help, kind: .counter, labels: labels))
    }

    /// A gauge series at 0. Called again with other label values it adds a series to the family.
    public func gauge(_ name: String, help: String, labels: [MetricLabel] = []) throws(MetricError) -> Gauge {
        Gauge(slot: try register(name, help: help, kind: .gauge, labels: labels))
    }

    /// A count and a sum without observations. Called again with other label values it adds a series to the family.
    public func summary(_ name: String, help: String, labels: [MetricLabel] = []) throws(MetricError) -> Summary {
        Summary(slot: try register(name, help: help, kind: .summary, labels: labels))
    }

    /// A histogram series without observations. Called again with other label values it adds a series to the family.
    ///
    /// - Parameter buckets: inclusive upper bounds, finite and strictly rising; the one of +Inf comes by itself.
    public func histogram(
        _ name: String, help: String, labels: [MetricLabel] = [], buckets: [Double]
    ) throws(MetricError) -> Histogram {
        let layout = HistogramLayout(bounds: buckets)
        let slot = try register(name, help: help, kind: .histogram(layout), labels: labels)
        return Histogram(slot: slot, layout: layout)
    }

    /// Values of all series, present and future, for one thread that must not wait.
    public func makeRecorder() -> MetricRecorder {
        let recorder = MetricRecorder(wallClock: wallClock)
        catalogue.withLock { $0.recorders.append(recorder) }
        return recorder
    }

    /// Has `collector` called at the beginning of every scrape, on its thread, to bring values up to date.
    public func beforeScrape(_ collector: @escaping @Sendable (MetricRegistry) -> Void) {
        catalogue.withLock { $0.collectors.append(collector) }
    }

    private func register(
        _ name: String, help: String, kind: MetricFamily.Kind, labels: [MetricLabel]
    ) throws(MetricError) -> Int {
        let new = try MetricFamily(name: name, help: help, kind: kind, labels: labels)
        return try catalogue.withLock { (catalogue) throws(MetricError) -> Int in
            let slot = catalogue.wordCount
            guard new.kind.wordCount <= MetricRecorder.capacity - slot else { throw .registryFull(metric: name) }
            if let index = catalogue.familyIndices[name] {
                let old = catalogue.families[index]
                guard old.kind == kind, old.help == help else { throw .inconsistentFamily(name) }
                try catalogue.families[index].add(labels, slot: slot)
            } else {
                for claimed in new.claimedNames where catalogue.claimedNames.contains(claimed) {
                    throw .nameTaken(claimed)
                }
                var family = new
                try family.add(labels, slot: slot)
                catalogue.familyIndices[name] = catalogue.families.count
                catalogue.families.append(family)
                catalogue.claimedNames.formUnion(family.claimedNames)
            }
            catalogue.wordCount += kind.wordCount
            return slot
        }
    }

    // MARK: - Values

    /// Changes values; what `body` does is seen by a scrape as a whole or not at all. Must be short: it holds a lock.
    public func update(_ body: (inout MetricValues) -> Void) {
        shared.withLock { $0.update(body) }
    }

    /// Reads values that belong together.
    public func read<Result>(_ body: (borrowing MetricSnapshot) -> Result) -> Result {
        body(snapshot())
    }

    /// All values as they are now. Collectors are not called.
    public func snapshot() -> MetricSnapshot { picture().snapshot }

    private func picture() -> (families: [MetricFamily], snapshot: MetricSnapshot) {
        let (families, wordCount, recorders) = catalogue.withLock { ($0.families, $0.wordCount, $0.recorders) }
        var copies = recorders.map { _ in [UInt64](repeating: 0, count: wordCount) }
        // Under the lock the only writers are those that have a recorder to themselves, and they pause between updates.
        shared.withLock { _ in MetricRecorder.copy(recorders, into: &copies) }
        return (families, MetricSnapshot(copies: copies))
    }

    // MARK: - Exposition

    /// All series in order of registration.
    public func exposition(as format: ExpositionFormat = .text) -> [UInt8] {
        for collector in catalogue.withLock({ $0.collectors }) {
            collector(self)
        }
        let (families, snapshot) = picture()
        switch format {
        case .text, .openMetrics:
            var out: [UInt8] = []
            out.reserveCapacity(1 << 17)
            for family in families { family.write(snapshot, isOpenMetrics: format == .openMetrics, to: &out) }
            if format == .openMetrics { out += "# EOF\n".utf8 }
            return out
        case .protobuf:
            var out = ProtobufWriter(capacity: 1 << 17)
            for family in families { family.write(snapshot, to: &out) }
            return out.bytes
        }
    }
}
