// A family as a delimited protobuf message, the form in which Prometheus takes native histograms.
//
// Field numbers are those of io.prometheus.client (prometheus/client_model, metrics.proto).

extension MetricFamily {
    func write(_ snapshot: MetricSnapshot, to out: inout ProtobufWriter) {
        out.delimited { out in
            out.append(headerFields)
            for series in series {
                out.message(4) { metric in
                    metric.append(series.labelFields)
                    write(series, snapshot, to: &metric)
                }
            }
        }
    }

    private func write(_ series: Series, _ snapshot: MetricSnapshot, to metric: inout ProtobufWriter) {
        switch kind {
        case .gauge:
            metric.message(2) { $0.double(1, snapshot.gauge(at: series.slot)) }
        case .counter:
            metric.message(3) { counter in
                counter.double(1, snapshot.sum(at: series.slot))
                Self.write(snapshot.exemplar(at: series.slot + 1), field: 2, to: &counter)
            }
        case .summary:
            metric.message(4) { summary in
                summary.unsigned(1, snapshot.count(at: series.slot))
                summary.double(2, snapshot.sum(at: series.slot + 1))
            }
        case .histogram(let layout):
            metric.message(7) { histogram in
                let buckets = (0..<layout.bucketCount).map { snapshot.count(at: series.slot + $0) }
                histogram.unsigned(1, buckets.reduce(0, &+))
                histogram.double(2, snapshot.sum(at: series.slot + layout.sum))
                Self.write(buckets, series, layout, snapshot, to: &histogram)
                if let native = layout.native {
                    Self.write(native, series.slot, layout, snapshot, to: &histogram)
                }
            }
        }
    }

    /// The classic buckets, for servers that do without the native ones.
    private static func write(
        _ buckets: [UInt64], _ series: Series, _ layout: HistogramLayout, _ snapshot: MetricSnapshot,
        to histogram: inout ProtobufWriter
    ) {
        var count: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            count &+= bucket
            histogram.message(3) { message in
                message.unsigned(1, count)
                message.double(2, index < layout.bounds.count ? layout.bounds[index] : .infinity)
                write(snapshot.exemplar(at: series.slot + layout.exemplar(of: index)), field: 3, to: &message)
            }
        }
    }

    /// Each run of buckets in use is a span; counts are differences to the bucket in use before. A server takes the
    /// histogram for a native one, before its first observation too, since its zero bucket has a width.
    private static func write(
        _ native: NativeBuckets, _ slot: Int, _ layout: HistogramLayout, _ snapshot: MetricSnapshot,
        to histogram: inout ProtobufWriter
    ) {
        histogram.signed(5, NativeBuckets.schema)
        histogram.double(6, native.zeroThreshold)
        histogram.unsigned(7, snapshot.count(at: slot + layout.nativeZero))
        var deltas: [Int64] = []
        var last: Int64 = 0
        var spanEnd = -native.firstIndex
        var index = 0
        while index < NativeBuckets.count {
            let start = index
            while index < NativeBuckets.count {
                let count = Int64(clamping: snapshot.count(at: slot + layout.native(index)))
                guard count > 0 else { break }
                deltas.append(count - last)
                last = count
                index += 1
            }
            if index > start {
                histogram.message(12) { span in
                    span.signed(1, Int64(start - spanEnd))
                    span.unsigned(2, UInt64(index - start))
                }
                spanEnd = index
            }
            index += 1
        }
        for delta in deltas { histogram.signed(13, delta) }
    }

    private static func write(_ exemplar: Exemplar?, field: Int, to out: inout ProtobufWriter) {
        guard let exemplar else { return }
        out.message(field) { message in
            message.message(1) { label in
                label.string(1, "trace_id")
                label.string(2, exemplar.traceID)
            }
            message.double(2, exemplar.value)
            message.message(3) { timestamp in
                timestamp.unsigned(1, UInt64(clamping: exemplar.milliseconds / 1000))
                timestamp.unsigned(2, UInt64(clamping: exemplar.milliseconds % 1000 * 1_000_000))
            }
        }
    }

    // MARK: - What never changes

    static func headerFields(_ name: String, _ help: String, _ kind: Kind) -> [UInt8] {
        let type: UInt64 =
            switch kind {
            case .counter: 0
            case .gauge: 1
            case .summary: 2
            case .histogram: 4
            }
        var out = ProtobufWriter()
        out.string(1, name)
        out.string(2, help)
        out.unsigned(3, type)
        return out.bytes
    }

    static func labelFields(_ labels: [MetricLabel]) -> [UInt8] {
        var out = ProtobufWriter()
        for label in labels {
            out.message(1) { pair in
                pair.string(1, label.name)
                pair.string(2, label.value)
            }
        }
        return out.bytes
    }
}
