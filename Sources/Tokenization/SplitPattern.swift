// The regular expressions by which tokenizers cut text into words, matched in linear time.

/// A compiled pattern: the subset of Oniguruma's syntax that published tokenizers use, with the same answers (the first
/// alternative wins, repetitions are greedy), but never backtracking.
///
/// Matching simulates all alternatives side by side in order of preference ("Pike's VM", see Russ Cox, "Regular
/// Expression Matching: the Virtual Machine Approach", 2009), so a text costs at most its length times the size of the
/// pattern, whatever a model file asks for.
struct SplitPattern: Sendable {
    enum Instruction: Sendable {
        /// Consume one scalar of the set with this index and go on with the next instruction.
        case scalar(set: Int)
        /// Try both, the first one preferred.
        case split(Int, Int)
        case jump(Int)
        /// Go on if the next scalar is in the set; at the end of the text there is none.
        case lookahead(set: Int, isNegated: Bool)
        case match
    }

    let instructions: [Instruction]
    let sets: [ScalarSet]

    init(_ pattern: String) throws(TokenizerError) {
        var parser = SplitPatternParser(pattern)
        try self.init(try parser.parse(), pattern: pattern)
    }

    /// A pattern that matches `text` alone.
    init(literal text: String) throws(TokenizerError) {
        let nodes = text.unicodeScalars.map { PatternNode.scalar(ScalarSet($0.value...$0.value)) }
        try self.init(.sequence(nodes), pattern: text)
    }

    private init(_ node: PatternNode, pattern: String) throws(TokenizerError) {
        var compiler = SplitPatternCompiler(pattern: pattern)
        try compiler.append(node)
        instructions = compiler.instructions + [.match]
        sets = compiler.sets
    }
}

/// Working memory for matching, kept between matches.
struct SplitPatternMatcher {
    private let instructions: [SplitPattern.Instruction]
    private let sets: [ScalarSet]
    /// Where the alternatives stand that are still alive, the preferred one first, and where they go next.
    private var current: [Int] = [0]
    private var next: [Int] = []
    private var stack: [Int] = []
    /// In which step each instruction was last tried: a less preferred way to it adds nothing.
    private var lastStep: [Int]
    private var step = 0

    init(_ pattern: SplitPattern) {
        instructions = pattern.instructions
        sets = pattern.sets
        lastStep = [Int](repeating: 0, count: pattern.instructions.count)
    }

    /// The end of the match that starts at `start`, if there is one; the text is `bytes[start..<end]`, valid UTF-8.
    mutating func matchEnd(in bytes: [UInt8], from start: Int, to end: Int) -> Int? {
        var position = start
        var bestEnd: Int?
        current.removeAll(keepingCapacity: true)
        current.append(0)
        while !current.isEmpty {
            step += 1
            next.removeAll(keepingCapacity: true)
            let character = position < end ? UTF8Text.scalar(at: position, in: bytes) : nil
            for thread in current {
                guard follow(thread, scalar: character?.value) else { continue }
                bestEnd = position
                break
            }
            swap(&current, &next)
            position += character?.width ?? 0
        }
        return bestEnd
    }

    /// Takes one alternative as far as it gets without text, then over `scalar`. True: it matches here, and all less
    /// preferred ones are moot.
    private mutating func follow(_ thread: Int, scalar: UInt32?) -> Bool {
        stack.removeAll(keepingCapacity: true)
        stack.append(thread)
        while let index = stack.popLast() {
            guard lastStep[index] != step else { continue }
            lastStep[index] = step
            switch instructions[index] {
            case .scalar(let set):
                if let scalar, sets[set].contains(scalar) { next.append(index + 1) }
            case .split(let preferred, let other):
                stack.append(other)
                stack.append(preferred)
            case .jump(let target):
                stack.append(target)
            case .lookahead(let set, let isNegated):
                let isMember = scalar.map { sets[set].contains($0) } ?? false
                if isMember != isNegated { stack.append(index + 1) }
            case .match:
                return true
            }
        }
        return false
    }
}

/// Turns a syntax tree into instructions.
private struct SplitPatternCompiler {
    let pattern: String
    private(set) var instructions: [SplitPattern.Instruction] = []
    private(set) var sets: [ScalarSet] = []
    /// Bounds what counted repetitions of each other can grow to.
    private static let instructionLimit = 4096

    init(pattern: String) {
        self.pattern = pattern
    }

    mutating func append(_ node: PatternNode) throws(TokenizerError) {
        guard instructions.count < Self.instructionLimit else {
            throw .unsupportedPattern(pattern: pattern, reason: "it is too large")
        }
        switch node {
        case .empty: break
        case .scalar(let set):
            sets.append(set)
            instructions.append(.scalar(set: sets.count - 1))
        case .lookahead(let set, let isNegated):
            sets.append(set)
            instructions.append(.lookahead(set: sets.count - 1, isNegated: isNegated))
        case .sequence(let nodes): for node in nodes { try append(node) }
        case .alternatives(let nodes): try append(alternatives: nodes)
        case .repetition(let node, let range, let isGreedy):
            try append(repetitionOf: node, range, isGreedy: isGreedy)
        }
    }

    private mutating func append(alternatives nodes: [PatternNode]) throws(TokenizerError) {
        var jumps: [Int] = []
        for (index, node) in nodes.enumerated() {
            guard index < nodes.count - 1 else {
                try append(node)
                break
            }
            let split = reserve()
            try append(node)
            jumps.append(reserve())
            instructions[split] = .split(split + 1, instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
    }

    private mutating func append(
        repetitionOf node: PatternNode, _ range: RepetitionRange, isGreedy: Bool
    ) throws(TokenizerError) {
        for _ in 0..<range.minimum {
            let count = instructions.count
            try append(node)
            if instructions.count == count { break }
        }
        guard let maximum = range.maximum else {
            let split = reserve()
            try append(node)
            instructions.append(.jump(split))
            instructions[split] = choice(enter: split + 1, leave: instructions.count, isGreedy: isGreedy)
            return
        }
        var splits: [Int] = []
        for _ in range.minimum..<maximum {
            splits.append(reserve())
            try append(node)
        }
        for split in splits {
            instructions[split] = choice(enter: split + 1, leave: instructions.count, isGreedy: isGreedy)
        }
    }

    private func choice(enter: Int, leave: Int, isGreedy: Bool) -> SplitPattern.Instruction {
        isGreedy ? .split(enter, leave) : .split(leave, enter)
    }

    /// A place for an instruction whose targets are not known yet.
    private mutating func reserve() -> Int {
        instructions.append(.jump(0))
        return instructions.count - 1
    }
}
