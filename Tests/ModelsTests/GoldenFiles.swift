// Golden logits and tokens made by tools/logits-golden.py, and a plain way to run an executor over prompts.

import Foundation
import JSON
import Kernels
import ModelFiles
import Models
import Primitives
import Testing

enum Golden {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    /// The folder of a small checkpoint.
    static func checkpoint(_ name: String) -> String { folder.appending(path: name).path }

    static func document(_ name: String) throws -> JSONValue {
        try JSONParser.parse([UInt8](Data(contentsOf: folder.appending(path: "\(name).json"))))
    }

    static func floats(_ name: String) throws -> [Float] {
        let data = try Data(contentsOf: folder.appending(path: "\(name).f32"))
        return data.withUnsafeBytes { bytes in
            (0..<data.count / 4).map {
                Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
            }
        }
    }

    static func model(_ file: String) throws -> ModelCheckpoint {
        let cache = ProcessInfo.processInfo.environment["PAGODA_CACHE"] ?? "\(NSHomeDirectory())/.cache/pagoda"
        let path = "\(cache)/models/\(file)"
        try #require(FileManager.default.fileExists(atPath: path), "\(path) is missing: run tools/fetch-model.sh")
        return try ModelCheckpoint.open(path: path)
    }
}

/// ‖a − b‖ / ‖b‖.
func relativeDistance(_ a: [Float], _ b: [Float]) -> Double {
    let difference = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    let norm = b.reduce(0.0) { $0 + Double($1) * Double($1) }
    return (difference / max(norm, 1e-30)).squareRoot()
}

/// Runs sequences without a scheduler: each has a run of blocks of its own.
final class PlainRunner {
    let executor: any MeasuredExecutor
    private let logits: LogitsBuffer
    private let blocksPerSequence: Int
    private let options: LocalExecutorOptions

    /// - Parameter ranks: That share the model.
    init(
        _ checkpoint: ModelCheckpoint, sequences: Int, length: Int, ranks: Int = 1,
        _ change: (inout LocalExecutorOptions) -> Void = { _ in }
    ) throws {
        var options = LocalExecutorOptions()
        options.threadCount = 2
        options.computesInFloat32 = true
        options.cacheType = .float32
        options.maximumModelLength = length
        options.maximumRows = 512
        change(&options)
        blocksPerSequence = (length + options.blockSize - 1) / options.blockSize
        options.blockCount = blocksPerSequence * sequences
        options.maximumLogitRows = max(64, sequences)
        self.options = options
        executor =
            ranks == 1
            ? try LocalExecutor(checkpoint, options: options)
            : try ParallelExecutor(checkpoint, options: options, rankCount: ranks)
        logits = LogitsBuffer(rowCapacity: options.maximumLogitRows, vocabularySize: executor.vocabularySize)
    }

    /// One sequence's next tokens.
    struct Piece {
        var sequence: Int
        var start: Int
        var tokens: [TokenID]
        /// How many of the last rows' logits are wanted.
        var wanted: Int
        /// Of the sequence; nil: up to the piece's end.
        var promptLength: Int?
    }

    /// Computes `pieces` in one pass; rows of logits in the order of the pieces.
    func run(_ pieces: [Piece]) throws -> [[Float]] {
        var batch = ForwardBatch()
        for piece in pieces {
            let firstRow = batch.rowCount, firstBlock = Int32(piece.sequence * blocksPerSequence)
            for (offset, token) in piece.tokens.enumerated() {
                let position = piece.start + offset
                batch.tokenIDs.append(token)
                batch.positions.append(Int32(position))
                batch.slotMapping.append(firstBlock * Int32(options.blockSize) + Int32(position))
            }
            batch.sequences.append(
                ForwardBatch.Sequence(
                    firstRow: Int32(firstRow), rowCount: Int32(piece.tokens.count),
                    contextLength: Int32(piece.start + piece.tokens.count),
                    blockTableOffset: Int32(batch.blockTables.count),
                    promptLength: Int32(piece.promptLength ?? piece.start + piece.tokens.count)))
            batch.blockTables += (0..<Int32(blocksPerSequence)).map { firstBlock + $0 }
            batch.logitRows += (batch.rowCount - piece.wanted..<batch.rowCount).map(Int32.init)
        }
        try executor.execute(batch, into: logits)
        return batch.logitRows.indices.map { row in
            logits.withRow(row) { values in (0..<values.count).map { values[$0] } }
        }
    }

    /// Prefills a prompt in chunks; the logits of its last `wanted` positions.
    func prefill(_ prompt: [TokenID], sequence: Int, wanted: Int) throws -> [[Float]] {
        var rows: [[Float]] = []
        for start in stride(from: 0, to: prompt.count, by: options.maximumRows) {
            let end = min(prompt.count, start + options.maximumRows)
            // Wanted rows may begin in the chunk before the last.
            let inChunk = max(0, end - max(start, prompt.count - wanted))
            rows += try run([
                Piece(
                    sequence: sequence, start: start, tokens: Array(prompt[start..<end]), wanted: inChunk,
                    promptLength: prompt.count)
            ])
        }
        return rows
    }
}

func argmax(_ row: [Float]) -> TokenID {
    var best = 0
    for index in row.indices where row[index] > row[best] { best = index }
    return TokenID(best)
}
