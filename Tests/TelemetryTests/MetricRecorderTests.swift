// Several writers, one picture.

import Foundation
import Synchronization
import Telemetry
import Testing

/// A number that several threads change.
private final class SharedNumber: Sendable {
    private let number: Atomic<Int64>

    init(_ number: Int64) {
        self.number = Atomic(number)
    }

    var value: Int64 { number.load(ordering: .relaxed) }

    @discardableResult
    func add(_ amount: Int64) -> Int64 { number.add(amount, ordering: .relaxed).newValue }
}

/// Runs all of them at once, each on a thread of its own: tasks would share as many threads as there are cores.
private func inParallel(_ bodies: (@Sendable () -> Void)...) {
    let group = DispatchGroup()
    for body in bodies {
        group.enter()
        Thread {
            body()
            group.leave()
        }.start()
    }
    group.wait()
}

@Suite("MetricRecorder", .timeLimit(.minutes(2)))
struct MetricRecorderTests {
    private func value(_ series: String, in text: String) -> Double? {
        let line = text.split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line.flatMap { Double($0.dropFirst(series.utf8.count + 1).prefix { $0 != " " }) }
    }

    private func text(_ registry: MetricRegistry) -> String {
        String(decoding: registry.exposition(as: .openMetrics), as: UTF8.self)
    }

    @Test("counters, histograms and summaries are sums over all recorders")
    func sums() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c_total", help: "")
        let histogram = try registry.histogram("h", help: "", buckets: [1])
        let summary = try registry.summary("s", help: "")
        let recorders = [registry.makeRecorder(), registry.makeRecorder()]
        let later = try registry.counter("later_total", help: "")
        func record(_ values: inout MetricValues) {
            values.increment(counter, by: 2)
            values.increment(later)
            values.observe(0.5, in: histogram)
            values.observe(2.5, in: histogram)
            values.observe(4, in: summary)
        }
        registry.update { record(&$0) }
        for recorder in recorders { recorder.update { record(&$0) } }
        let text = text(registry)
        #expect(value("c_total", in: text) == 6)
        #expect(value("later_total", in: text) == 3)
        #expect(value("h_bucket{le=\"1.0\"}", in: text) == 3)
        #expect(value("h_count", in: text) == 6)
        #expect(value("h_sum", in: text) == 9)
        #expect(value("s_count", in: text) == 3)
        #expect(value("s_sum", in: text) == 12)
        #expect(registry.read { $0.value(of: counter) } == 6)
    }

    @Test("a gauge belongs to the recorder that sets it, zero and NaN included")
    func gauges() throws {
        let registry = MetricRegistry()
        let gauge = try registry.gauge("g", help: "")
        let recorder = registry.makeRecorder()
        #expect(value("g", in: text(registry)) == 0)
        registry.update { $0.set(gauge, to: 5) }
        #expect(value("g", in: text(registry)) == 5)
        recorder.update { values in
            #expect(values.value(of: gauge) == 0)
            values.set(gauge, to: 0)
        }
        #expect(value("g", in: text(registry)) == 0)
        registry.update { $0.set(gauge, to: 6) }
        #expect(value("g", in: text(registry)) == 0)
        recorder.update { $0.set(gauge, to: .nan) }
        #expect(value("g", in: text(registry))?.isNaN == true)
    }

    @Test("the latest exemplar of a bucket is shown, whichever recorder has it")
    func exemplars() throws {
        let clock = SharedNumber(1000)
        let registry = MetricRegistry(wallClock: { clock.add(1) })
        let counter = try registry.counter("c_total", help: "")
        let histogram = try registry.histogram("h", help: "", buckets: [1])
        let recorder = registry.makeRecorder()
        recorder.update { values in
            values.observe(0.25, in: histogram, trace: ExemplarTrace(high: 0, low: 0xA))
            values.increment(counter, by: 2, trace: ExemplarTrace(high: 0xB << 60, low: 0))
        }
        registry.update { $0.observe(0.75, in: histogram, trace: ExemplarTrace(high: 0, low: 0xC)) }
        recorder.update { $0.observe(0.5, in: histogram) }
        let zeros = String(repeating: "0", count: 31)
        #expect(
            text(registry) == """
                # HELP c\u{20}
                # TYPE c counter
                c_total 2.0 # {trace_id="b\(zeros)"} 2.0 1.002
                # HELP h\u{20}
                # TYPE h histogram
                h_bucket{le="1.0"} 3.0 # {trace_id="\(zeros)c"} 0.75 1.003
                h_bucket{le="+Inf"} 3.0
                h_count 3.0
                h_sum 1.5
                # EOF

                """)
    }

    @Test("sums over series hold in every scrape while all recorders are written to")
    func consistency() throws {
        let registry = MetricRegistry()
        let received = try registry.counter("received_total", help: "")
        let left = try registry.counter("left_total", help: "")
        // Keeps the others so far away that copying takes longer than many updates.
        _ = try registry.histogram("wide", help: "", buckets: (1...5_000).map(Double.init))
        let rejected = try registry.counter("rejected_total", help: "")
        let finished = try registry.counter("finished_total", help: "")
        let running = try registry.gauge("running", help: "")
        let times = try registry.histogram("times", help: "", buckets: [1, 2, 4, 8])
        let right = try registry.counter("right_total", help: "")
        let engine = registry.makeRecorder()
        let other = registry.makeRecorder()
        let updateCount = 20_000
        let writerCount = SharedNumber(4)
        let reject: @Sendable () -> Void = {
            for _ in 0..<updateCount {
                registry.update { values in
                    values.increment(received)
                    values.increment(rejected)
                }
            }
            writerCount.add(-1)
        }
        inParallel(
            reject, reject,
            {
                var active = 0
                for step in 0..<updateCount {
                    let arrivals = step % 3
                    let ends = min(active, step % 4)
                    active += arrivals - ends
                    engine.update { values in
                        values.increment(received, by: Double(arrivals))
                        values.set(running, to: Double(active))
                        for _ in 0..<ends {
                            values.increment(finished)
                            values.observe(Double(step % 10), in: times)
                        }
                    }
                    if step.isMultiple(of: 16) { usleep(20) }
                }
                writerCount.add(-1)
            },
            {
                for step in 0..<updateCount {
                    other.update { values in
                        values.increment(left)
                        values.increment(right)
                    }
                    if step.isMultiple(of: 16) { usleep(20) }
                }
                writerCount.add(-1)
            },
            {
                while writerCount.value > 0 {
                    let values = registry.snapshot()
                    let known = values.value(of: finished) + values.value(of: running) + values.value(of: rejected)
                    #expect(values.value(of: received) == known)
                    #expect(Double(values.count(of: times)) == values.value(of: finished))
                    #expect(values.value(of: left) == values.value(of: right))
                }
            })
        let end = registry.snapshot()
        #expect(end.value(of: rejected) == Double(2 * updateCount))
        #expect(end.value(of: left) == Double(updateCount))
    }

    @Test("series may be registered while others are written and scraped")
    func registrationMeanwhile() throws {
        let registry = MetricRegistry()
        let counter = try registry.counter("c_total", help: "")
        let recorder = registry.makeRecorder()
        inParallel(
            {
                for _ in 0..<2_000 {
                    recorder.update { $0.increment(counter) }
                    usleep(1)
                }
            },
            {
                for number in 0..<200 {
                    let labels = [MetricLabel("number", "\(number)")]
                    guard let gauge = try? registry.gauge("g", help: "", labels: labels) else {
                        Issue.record("gauge \(number) was refused")
                        return
                    }
                    registry.update { $0.set(gauge, to: Double(number)) }
                    #expect(value("g{number=\"\(number)\"}", in: text(registry)) == Double(number))
                }
            })
        #expect(value("c_total", in: text(registry)) == 2_000)
    }
}
