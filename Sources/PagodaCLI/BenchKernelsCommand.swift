// `pagoda bench kernels`: matrix products beside what the machine could do at best.

internal import ArgumentParser
internal import Kernels

struct BenchKernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Measure matrix products beside this machine's measured limits.",
        discussion: """
            Small batches are bound by memory: their rate is in GB/s of packed weights, beside that of just reading \
            them; the weights are copies that no cache holds. Larger ones are bound by arithmetic: GMAC/s (10⁹ \
            multiply-adds a second), beside the peak of the instruction set. Shares are medians too, of what was \
            measured in turn; the first line has the best of several runs.
            """)

    @OptionGroup(title: "Parallelism") var parallel: ParallelOptions

    @Flag(help: "Print the machine's limits and stop.")
    var limits = false

    @Option(parsing: .upToNextOption, help: "Shapes as ROWSxCOLUMNS; by default those of three small models.")
    var shapes = [
        "960x576", "1536x576", "576x1536", "49152x576", "1152x896", "9728x896", "896x4864", "2048x1536", "17920x1536",
        "1536x8960",
    ]

    @Option(parsing: .upToNextOption, help: "Formats of the weights, by GGUF's names.")
    var formats = ["q4_1", "q4_0", "q5_0", "q8_0", "q6_K"]

    @Flag(help: "Activations of 11 bits instead of 8, as the likeliest tokens' logits have them.")
    var fine = false

    @Option(parsing: .upToNextOption, help: "Numbers of tokens in a batch.")
    var batches = [1, 4, 8, 32, 128]

    @Option(help: "Measurements of each product; the median is reported.")
    var rounds = 9

    /// The most tokens a measured batch may have.
    private static let largestBatch = 4096

    func validate() throws {
        guard !batches.isEmpty, batches.allSatisfy({ (1...Self.largestBatch).contains($0) }) else {
            throw ValidationError("--batches are numbers from 1 to \(Self.largestBatch).")
        }
        guard (1...10_000).contains(rounds) else { throw ValidationError("--rounds is a number from 1 to 10,000.") }
    }

    func run() throws {
        guard parallel.tensorParallelSize == 1 else {
            throw CommandError.invalidOption(
                name: "tensor-parallel-size", value: "\(parallel.tensorParallelSize)", allowed: "1 where no model runs")
        }
        let threads = try parallel.checkedThreads() ?? Machine.coreCount
        let kernels = KernelSet(try parallel.instructionSet())
        let products = try limits ? [] : shapes.flatMap { shape in try formats.map { try product(shape, $0) } }
        let pool = try WorkerPool(workerCount: threads)
        let machine = try MachineLimits.measured(kernels.instructionSet, pool: pool)
        Console.write(
            "\(kernels.instructionSet.rawValue), \(threads) threads: read bandwidth \(giga(machine.readBandwidth)) GB/s"
                + MachineLimits.Peak.allCases.compactMap { peak in
                    machine.peaks[peak].map { "; \(peak.rawValue) \(giga($0)) GMAC/s" }
                }.joined() + "\n")
        // A format whose blocks don't divide the columns can't hold that shape.
        for (rows, columns, format) in products where columns % max(32, format.blockElements) == 0 {
            try measure(rows, columns, format, kernels, pool)
        }
    }

    /// Measures one product for every batch, and prints its line.
    private func measure(
        _ rows: Int, _ columns: Int, _ format: StorageFormat, _ kernels: KernelSet, _ pool: WorkerPool
    ) throws {
        let benchmark = try ProductBenchmark(
            rowCount: rows, columnCount: columns, format: format, isFine: fine, maximumBatch: batches.max() ?? 1,
            kernels, pool: pool)
        var line = "\(format) \(rows)x\(columns)".padded(to: 20)
        for batch in batches {
            let measured = benchmark.measure(batch: batch, rounds: rounds)
            let share = measured.share.map { "(\(Int(($0 * 100).rounded())) %)" } ?? ""
            if ProductBenchmark.isBoundByMemory(batch: batch) {
                let rate = Double(benchmark.weightBytes) / measured.seconds
                line += "\(batch): \(giga(rate)) GB/s \(share)".padded(to: 22)
            } else {
                let rate = Double(rows * columns * batch) / measured.seconds
                line += "\(batch): \(giga(rate)) GMAC/s \(share)".padded(to: 24)
            }
        }
        Console.write(line + "packing \(giga(benchmark.packingRate)) GB/s\n")
    }

    private func product(_ shape: String, _ format: String) throws -> (Int, Int, StorageFormat) {
        let sides = shape.split(separator: "x").compactMap { Int($0) }
        guard sides.count == 2, sides.allSatisfy({ (1...1 << 20).contains($0) }), sides[1] % 32 == 0 else {
            throw CommandError.invalidOption(
                name: "shapes", value: shape, allowed: "ROWSxCOLUMNS, at most 1048576 each, columns a multiple of 32")
        }
        guard let storage = StorageFormat.allCases.first(where: { "\($0)" == format }) else {
            throw CommandError.invalidOption(
                name: "formats", value: format,
                allowed: StorageFormat.allCases.map { "\($0)" }.joined(separator: ", "))
        }
        return (sides[0], sides[1], storage)
    }

    private func giga(_ rate: Double) -> String {
        let tenths = (rate / 1e8).rounded()
        return rate < 1e11 ? "\(tenths / 10)" : "\(Int(tenths / 10))"
    }
}

extension String {
    /// Filled up with spaces on the right, and at least one.
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
