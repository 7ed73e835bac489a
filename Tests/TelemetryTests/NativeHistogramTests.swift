// What a server with native histograms is told.

import Telemetry
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("Native histograms")
struct NativeHistogramTests {
    /// A native histogram as an exposition has it.
    private struct Native: Equatable {
        var schema: Int
        var zeroThreshold: Double
        var zeroCount: Int
        /// By index.
        var buckets: [Int: Int]
        /// Of the classic buckets.
        var count: Int
    }

    private func native(_ bounds: [Double], _ values: [Double]) throws -> Native? {
        let registry = MetricRegistry()
        let histogram = try registry.histogram("h", help: "", buckets: bounds)
        registry.update { update in
            for value in values { update.observe(value, in: histogram) }
        }
        let families = try ProtobufReader.families(registry.exposition(as: .protobuf))
        let message = try #require(families.first?.message(4)?.message(7))
        guard let schema = message.number(5) else { return nil }
        var counts: [Int: Int] = [:]
        var deltas = message.numbers(13).map(ProtobufReader.signed)[...]
        var index = 0
        var count = 0
        for span in message.messages(12) {
            index += ProtobufReader.signed(try #require(span.number(1)))
            for _ in 0..<(try #require(span.number(2))) {
                let delta = deltas.popFirst()
                count += try #require(delta)
                counts[index] = count
                index += 1
            }
        }
        #expect(deltas.isEmpty)
        return Native(
            schema: ProtobufReader.signed(schema), zeroThreshold: try #require(message.double(6)),
            zeroCount: Int(try #require(message.number(7))), buckets: counts,
            count: Int(try #require(message.number(1))))
    }

    @Test("an observation is in the bucket whose bounds hold it, at the bounds and beside them")
    func bucketIndices() throws {
        for index in -70...100 {
            let bound = pow(2, Double(index) / 8)
            for value in [bound.nextDown, bound, bound.nextUp, bound * 1.04] {
                let found = try #require(try native([7680], [value]))
                let bucket = try #require(found.buckets.first)
                #expect(found.buckets.count == 1 && bucket.value == 1 && found.zeroCount == 0)
                #expect(pow(2, Double(bucket.key - 1) / 8) < value && value <= pow(2, Double(bucket.key) / 8))
            }
        }
    }

    @Test("the window ends an octave above the highest bound and has 24 octaves")
    func window() throws {
        let latencies = try #require(try native([0.3, 7680], []))
        #expect(latencies == Native(schema: 3, zeroThreshold: pow(2, -10), zeroCount: 0, buckets: [:], count: 0))
        #expect(try native([1, 8192], [])?.zeroThreshold == pow(2, -10))
        #expect(try native([1, 8193], [])?.zeroThreshold == pow(2, -9))
        #expect(try native([0, 0.001], [])?.zeroThreshold == pow(2, -32))
    }

    @Test("what is below the window counts as zero, what is above it in the last bucket, and nothing is lost")
    func outsideTheWindow() throws {
        let low = pow(2.0, -10)
        let values = [0, -1, 5e-324, low.nextDown, low, low.nextUp, 16_384, 16_385, 1e300, .infinity]
        let found = try #require(try native([1, 7680], values))
        #expect(found.zeroCount == 5)
        #expect(found.buckets == [-79: 1, 14 * 8: 4])
        #expect(found.count == values.count)
    }

    @Test("any bounds and any observation give a histogram whose counts agree")
    func extremes() throws {
        let bounds: [[Double]] = [[5e-324], [.leastNormalMagnitude], [.greatestFiniteMagnitude], [0, 1e-300, 1e300]]
        let values: [Double] = [0, 5e-324, .leastNormalMagnitude, 1, .greatestFiniteMagnitude, .infinity]
        for bounds in bounds {
            let found = try #require(try native(bounds, values))
            #expect(found.zeroCount + found.buckets.values.reduce(0, +) == values.count)
            #expect(found.count == values.count)
        }
    }

    @Test("a histogram with negative bounds, or none above 0, is a classic one alone")
    func classicAlone() throws {
        #expect(try native([-1, 1], [0.5]) == nil)
        #expect(try native([0], [0.5]) == nil)
    }

    @Test("gaps between buckets in use are between spans, and counts follow each other as differences")
    func spans() throws {
        let found = try #require(try native([8], [1, 1, 1, 1.05, 1.05, 4, 4, 4, 4]))
        #expect(found.buckets == [0: 3, 1: 2, 16: 4])
    }
}
