// Changing values.

/// The values of a recorder while it is updated.
public struct MetricValues: ~Copyable {
    private let recorder: MetricRecorder

    init(recorder: MetricRecorder) {
        self.recorder = recorder
    }

    // MARK: - Counters

    /// Adds to a counter; what is negative or no number is ignored, since counters only rise.
    ///
    /// - Parameter trace: of the request behind it, for an exemplar.
    public mutating func increment(_ counter: Counter, by amount: Double = 1, trace: ExemplarTrace? = nil) {
        guard amount >= 0, amount < .infinity else { return }
        add(amount, at: counter.slot)
        if let trace { keep(trace, amount, at: counter.exemplarSlot) }
    }

    /// Raises a counter to `total`, a sum that is kept elsewhere; a lower one is ignored. Only one recorder may raise a
    /// counter, as it is the sum of what all of them added.
    public mutating func raise(_ counter: Counter, to total: Double) {
        guard total > number(at: counter.slot), total < .infinity else { return }
        recorder.setWord(at: counter.slot, to: total.bitPattern)
    }

    /// What this recorder has added.
    public func value(of counter: Counter) -> Double { number(at: counter.slot) }

    // MARK: - Gauges

    /// A gauge belongs to the recorder that sets it: from then on what others set does not count.
    public mutating func set(_ gauge: Gauge, to value: Double) {
        recorder.setWord(at: gauge.slot, to: Gauge.word(of: value))
    }

    /// What this recorder has set; 0 if nothing.
    public func value(of gauge: Gauge) -> Double {
        let word = recorder.word(at: gauge.slot)
        return word == 0 ? 0 : Gauge.value(of: word)
    }

    // MARK: - Observations

    /// Counts one observation. NaN is in no bucket and ignored; where no bound is negative no observation is either, as
    /// the sum may not fall: a negative one, such as a time by a clock that was set back, counts as 0.
    ///
    /// - Parameter trace: of the request behind it, for an exemplar.
    public mutating func observe(_ value: Double, in histogram: Histogram, trace: ExemplarTrace? = nil) {
        guard !value.isNaN else { return }
        let layout = histogram.layout
        let value = value < 0 && layout.native != nil ? 0 : value
        let bucket = layout.bucket(of: value)
        count(at: histogram.slot + bucket)
        add(value, at: histogram.slot + layout.sum)
        if let native = layout.native {
            count(at: histogram.slot + (native.bucket(of: value).map(layout.native) ?? layout.nativeZero))
        }
        if let trace { keep(trace, value, at: histogram.slot + layout.exemplar(of: bucket)) }
    }

    /// Counts and adds one observation; what is negative or no number is ignored.
    public mutating func observe(_ value: Double, in summary: Summary) {
        guard value >= 0 else { return }
        count(at: summary.slot)
        add(value, at: summary.sumSlot)
    }

    // MARK: - Words

    private func number(at slot: Int) -> Double {
        Double(bitPattern: recorder.word(at: slot))
    }

    private func add(_ amount: Double, at slot: Int) {
        recorder.setWord(at: slot, to: (number(at: slot) + amount).bitPattern)
    }

    private func count(at slot: Int) {
        recorder.setWord(at: slot, to: recorder.word(at: slot) &+ 1)
    }

    private func keep(_ trace: ExemplarTrace, _ value: Double, at slot: Int) {
        recorder.setWord(at: slot, to: trace.high)
        recorder.setWord(at: slot + 1, to: trace.low)
        recorder.setWord(at: slot + 2, to: value.bitPattern)
        recorder.setWord(at: slot + 3, to: UInt64(clamping: recorder.wallClock()))
    }
}
