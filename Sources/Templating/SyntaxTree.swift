// A parsed template: statements that write, expressions that have a value.

/// The index of a name in the template's table of names.
typealias NameID = Int

/// An expression, with what its walkers need to know beforehand.
struct Expression: Sendable {
    let kind: Kind
    /// How many expressions are within each other: bounds the recursion of whoever walks it.
    let depth: Int

    /// In groups, so that the interpreter's frames for one stay free of what the others need.
    indirect enum Kind: Sendable {
        case constant(Value)
        case name(NameID)
        case construction(Construction)
        case access(Access)
        case application(Application)
        case operation(Operation)
        case logic(Logic)
    }

    enum Construction: Sendable {
        case list([Expression])
        case tuple([Expression])
        case mapping([(key: Expression, value: Expression)])
        case concatenation([Expression])
    }

    enum Access: Sendable {
        case attribute(Expression, String)
        case item(Expression, Expression)
        case slice(Expression, SliceBounds)
    }

    enum Application: Sendable {
        case call(Expression, CallArguments, line: Int)
        case filter(Expression, FilterCall)
        case test(Expression, TestCall)
    }

    enum Operation: Sendable {
        case negative(Expression)
        case positive(Expression)
        case binary(BinaryOperator, Expression, Expression)
    }

    enum Logic: Sendable {
        case not(Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
        case comparison(Expression, [Comparison])
        case conditional(Expression, then: Expression, otherwise: Expression?)
    }
}

enum BinaryOperator: Sendable { case add, subtract, multiply, divide, floorDivide, modulo, power }

enum ComparisonOperator: Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn }

struct Comparison: Sendable {
    let comparison: ComparisonOperator
    let operand: Expression
}

struct SliceBounds: Sendable {
    let start: Expression?
    let stop: Expression?
    let step: Expression?
}

struct CallArguments: Sendable {
    var positional: [Expression] = []
    var keywords: [(name: String, value: Expression)] = []
    /// `*values` and `**mapping`.
    var spread: Expression?
    var keywordSpread: Expression?

    var depth: Int {
        let named = keywords.lazy.map(\.value.depth).max() ?? 0
        let spreads = max(spread?.depth ?? 0, keywordSpread?.depth ?? 0)
        return max(positional.lazy.map(\.depth).max() ?? 0, max(named, spreads))
    }
}

struct FilterCall: Sendable {
    let name: String
    let arguments: CallArguments
    let line: Int
}

struct TestCall: Sendable {
    let name: String
    let arguments: CallArguments
    let line: Int
}

/// Where a value can be put.
enum AssignmentTarget: Sendable {
    case name(NameID)
    case attribute(of: NameID, String)
    indirect case tuple([AssignmentTarget])
}

indirect enum Statement: Sendable {
    case data(Text)
    case output(Expression, line: Int)
    case condition([(test: Expression, body: [Statement])], otherwise: [Statement], line: Int)
    case loop(LoopDefinition)
    case assignment(AssignmentTarget, Expression, line: Int)
    case blockAssignment(AssignmentTarget, [FilterCall], [Statement], line: Int)
    case macro(MacroDefinition, name: NameID)
    /// A call that gets its body as the macro `caller`.
    case callBlock(Expression, caller: MacroDefinition, line: Int)
    case filterBlock([FilterCall], [Statement], line: Int)
    case with([(target: AssignmentTarget, value: Expression)], [Statement], line: Int)
    /// A body with names of its own.
    case scope([Statement])
    case breakLoop
    case continueLoop
}

final class LoopDefinition: Sendable {
    let target: AssignmentTarget
    let source: Expression
    let condition: Expression?
    let body: [Statement]
    let otherwise: [Statement]
    let isRecursive: Bool
    /// The name `loop`, if the body reads it: it is made for those loops alone.
    let loopVariable: NameID?
    let line: Int

    init(
        target: AssignmentTarget,
        source: Expression,
        condition: Expression?,
        body: [Statement],
        otherwise: [Statement],
        isRecursive: Bool,
        loopVariable: NameID?,
        line: Int
    ) {
        self.target = target
        self.source = source
        self.condition = condition
        self.body = body
        self.otherwise = otherwise
        self.isRecursive = isRecursive
        self.loopVariable = loopVariable
        self.line = line
    }
}

final class MacroDefinition: Sendable {
    struct Parameter: Sendable {
        let name: String
        let id: NameID
        let defaultValue: Expression?
    }

    let name: String
    let parameters: [Parameter]
    let body: [Statement]
    /// Which of the names `varargs`, `kwargs` and `caller` the body reads: a macro takes only what it reads.
    let varargs: NameID?
    let kwargs: NameID?
    let caller: NameID?
    let line: Int

    init(
        name: String,
        parameters: [Parameter],
        body: [Statement],
        varargs: NameID?,
        kwargs: NameID?,
        caller: NameID?,
        line: Int
    ) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.varargs = varargs
        self.kwargs = kwargs
        self.caller = caller
        self.line = line
    }
}
