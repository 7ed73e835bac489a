// All metrics of a process: declared once, updated in batches, exposed as one consistent picture.

import Synchronization

/// Registers metrics and keeps their values.
///
/// Values change under one lock, all of `update`'s at once; a scrape copies them under the same lock and writes the
/// text outside of it. So sums over series hold in every scrape, and a slow scraper never holds up an update.
public final class MetricRegistry: Sendable {
    private struct State {
        var families: [MetricFamily] = []
        var familyIndices: [String: Int] = [:]
        var claimedNames: Set<String> = []
        var values = MetricValues()
        var collectors: [@Sendable (MetricRegistry) -> Void] = []
    }

    private let state = Mutex(State())

    public init() {}

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

    /// A histogram series without observations. Called again with other label values it adds a series to the family.
    ///
    /// - Parameter buckets: inclusive upper bounds, finite and strictly rising; the one of +Inf comes by itself.
    public func histogram(
        _ name: String, help: String, labels: [MetricLabel] = [], buckets: [Double]
    ) throws(MetricError) -> Histogram {
        let slot = try register(name, help: help, kind: .histogram(bounds: buckets), labels: labels)
        return Histogram(firstSlot: slot, bounds: buckets)
    }

    /// Has `collector` called at the beginning of every scrape, on its thread, to bring values up to date.
    public func beforeScrape(_ collector: @escaping @Sendable (MetricRegistry) -> Void) {
        state.withLock { $0.collectors.append(collector) }
    }

    private func register(
        _ name: String, help: String, kind: MetricFamily.Kind, labels: [MetricLabel]
    ) throws(MetricError) -> Int {
        let new = try MetricFamily(name: name, help: help, kind: kind, labels: labels)
        return try state.withLock { (state) throws(MetricError) -> Int in
            let slot = state.values.slots.count
            if let index = state.familyIndices[name] {
                let old = state.families[index]
                guard old.kind == kind, old.help == help else { throw .inconsistentFamily(name) }
                try state.families[index].add(labels, firstSlot: slot)
            } else {
                for claimed in new.claimedNames where state.claimedNames.contains(claimed) {
                    throw .nameTaken(claimed)
                }
                var family = new
                try family.add(labels, firstSlot: slot)
                state.familyIndices[name] = state.families.count
                state.families.append(family)
                state.claimedNames.formUnion(family.claimedNames)
            }
            state.values.slots += [Double](repeating: 0, count: new.slotCount)
            return slot
        }
    }

    // MARK: - Values

    /// Changes values; what `body` does is seen by a scrape as a whole or not at all. Must be short.
    public func update(_ body: (inout MetricValues) -> Void) {
        state.withLock { body(&$0.values) }
    }

    /// Reads values that belong together.
    public func read<Result: Sendable>(_ body: (borrowing MetricValues) -> Result) -> Result {
        state.withLock { body($0.values) }
    }

    // MARK: - Exposition

    /// All series in UTF-8, in order of registration.
    public func exposition(as format: ExpositionFormat = .text) -> [UInt8] {
        for collector in state.withLock({ $0.collectors }) {
            collector(self)
        }
        // Elements are copied here: sharing the array would have the next update copy it, on the engine's thread.
        let (families, slots) = state.withLock { state in (state.families, state.values.slots.map { $0 }) }
        var out: [UInt8] = []
        out.reserveCapacity(slots.count * 96)
        for family in families {
            family.write(slots, as: format, to: &out)
        }
        if format == .openMetrics { out += "# EOF\n".utf8 }
        return out
    }
}
