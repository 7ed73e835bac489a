// The regular expressions that checkpoints use to name modules, in time linear in the name.

/// A regular expression out of a configuration file: literals, `.`, classes, groups, alternatives, repetitions and
/// anchors, as Python's `re` reads them. What would need backtracking (look-around, back-references) is refused, so
/// that no file can make matching slow.
public struct ModuleNamePattern: Sendable, Equatable {
    private let program: [Instruction]

    /// What a pattern may compile to; repetitions multiply.
    private static let longestProgram = 4096

    private enum Instruction: Sendable, Equatable {
        case one(ScalarTest)
        case either(Int, Int)
        case start, end, accept
    }

    /// - Throws: The reason, if the pattern is none of these.
    public init(_ source: String) throws(PatternError) {
        var parser = PatternParser(source)
        var program: [Instruction] = []
        try Self.compile(try parser.pattern(), into: &program)
        program.append(.accept)
        self.program = program
    }

    /// Whether the pattern matches from the start of `name` on, as Python's `re.match` has it.
    public func matchesStart(of name: String) -> Bool {
        let scalars = Array(name.unicodeScalars)
        var states: Set<Int> = []
        for position in 0...scalars.count {
            if position == 0 { add(0, to: &states, position: 0, count: scalars.count) }
            if states.contains(program.count - 1) { return true }
            guard position < scalars.count else { break }
            var next: Set<Int> = []
            for state in states {
                guard case .one(let test) = program[state], test.accepts(scalars[position]) else { continue }
                add(state + 1, to: &next, position: position + 1, count: scalars.count)
            }
            states = next
        }
        return false
    }

    private func add(_ state: Int, to states: inout Set<Int>, position: Int, count: Int) {
        var open = [state], seen: Set<Int> = []
        while let state = open.popLast() {
            guard seen.insert(state).inserted else { continue }
            switch program[state] {
            case .either(let first, let second): open += [first, second]
            case .start: if position == 0 { open.append(state + 1) }
            case .end: if position == count { open.append(state + 1) }
            case .one, .accept: states.insert(state)
            }
        }
    }

    private static func compile(_ node: PatternNode, into program: inout [Instruction]) throws(PatternError) {
        guard program.count < longestProgram else { throw PatternError("it is too long") }
        switch node {
        case .one(let test): program.append(.one(test))
        case .start: program.append(.start)
        case .end: program.append(.end)
        case .sequence(let nodes):
            for node in nodes { try compile(node, into: &program) }
        case .choice(let first, let second):
            let split = program.count
            program.append(.accept)
            try compile(first, into: &program)
            let jump = program.count
            program.append(.accept)
            program[split] = .either(split + 1, program.count)
            try compile(second, into: &program)
            program[jump] = .either(program.count, program.count)
        case .repeated(let node, let least, let most):
            for _ in 0..<least {
                let length = program.count
                try compile(node, into: &program)
                // What matches nothing can be repeated without end, and for nothing.
                if program.count == length { break }
            }
            guard let most else {
                let split = program.count
                program.append(.accept)
                try compile(node, into: &program)
                program.append(.either(split, split))
                program[split] = .either(split + 1, program.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<most {
                splits.append(program.count)
                program.append(.accept)
                try compile(node, into: &program)
            }
            for split in splits { program[split] = .either(split + 1, program.count) }
        }
    }
}

/// Why a pattern is not understood, to follow "the pattern …:".
public struct PatternError: Error, Equatable {
    public let reason: String

    init(_ reason: String) { self.reason = reason }
}

/// What one character of a name may be.
struct ScalarTest: Sendable, Equatable {
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    var isNegated = false

    static let any = ScalarTest(ranges: ["\n"..."\n"], isNegated: true)

    func accepts(_ scalar: Unicode.Scalar) -> Bool {
        ranges.contains { $0.contains(scalar) } != isNegated
    }

    /// The class that `\d`, `\w` or `\s` stands for, or the character itself if it is no letter or digit.
    init?(escape scalar: Unicode.Scalar) {
        switch scalar {
        case "d", "D": ranges = ["0"..."9"]
        case "w", "W": ranges = ["0"..."9", "A"..."Z", "a"..."z", "_"..."_"]
        case "s", "S": ranges = [" "..." ", "\t"..."\r"]
        default:
            guard !scalar.properties.isAlphabetic, scalar.properties.numericType == nil else { return nil }
            ranges = [scalar...scalar]
        }
        isNegated = ["D", "W", "S"].contains(scalar)
    }

    init(ranges: [ClosedRange<Unicode.Scalar>], isNegated: Bool = false) {
        self.ranges = ranges
        self.isNegated = isNegated
    }
}
