// Runs a parsed template: its state, its budget and the errors that it throws.

/// One rendering of a template, by walking its tree; after an error it must not be used again.
final class Interpreter {
    private let template: ParsedTemplate
    private let variables: [NameID: Value]
    let now: () -> CivilTime
    private let limits: RenderLimits
    private var remainingSteps: Int
    private let greatestRecursion: Int
    private var recursion = 0
    /// Of the statement that runs, for errors.
    var line = 1

    /// What has been written, by the template or by the macro or block that runs.
    private var output = Text()
    private(set) var scope = Scope(parent: nil)
    private(set) var objects: [RuntimeObject] = []

    init(template: ParsedTemplate, variables: [NameID: Value], now: @escaping () -> CivilTime, limits: RenderLimits) {
        self.template = template
        self.variables = variables
        self.now = now
        self.limits = limits
        remainingSteps = limits.steps
        greatestRecursion = min(limits.recursion, RenderLimits.greatestRecursion)
    }

    func run() throws(TemplateError) -> Text {
        _ = try execute(template.statements)
        return output
    }

    // MARK: - Budget

    /// Pays for work before it is done.
    func charge(_ steps: Int) throws(TemplateError) {
        guard steps <= remainingSteps else { throw .limitExceeded(.steps(limits.steps), line: line) }
        remainingSteps -= steps
    }

    /// Pays for making or reading a text of this size.
    func charge(bytes: Int) throws(TemplateError) {
        try check(bytes: bytes)
        try charge(1 + bytes / 32)
    }

    func check(bytes: Int) throws(TemplateError) {
        guard bytes <= limits.stringBytes else { throw .limitExceeded(.stringBytes(limits.stringBytes), line: line) }
    }

    func enter() throws(TemplateError) {
        recursion += 1
        guard recursion <= greatestRecursion else { throw .limitExceeded(.recursion(greatestRecursion), line: line) }
    }

    func leave() { recursion -= 1 }

    func failure(_ message: String) -> TemplateError { .failed(message: message, line: line) }

    // MARK: - Output

    func write(_ text: Text) throws(TemplateError) {
        try append(text, to: &output)
    }

    func append(_ text: Text, to result: inout Text) throws(TemplateError) {
        try check(bytes: result.bytes.count.saturatingSum(text.bytes.count))
        try charge(bytes: text.bytes.count)
        result.append(text)
    }

    /// What a body writes, instead of writing it.
    func captured(_ body: () throws(TemplateError) -> Flow) throws(TemplateError) -> (text: Text, flow: Flow) {
        let outer = output
        output = Text()
        let flow = try body()
        let text = output
        output = outer
        return (text, flow)
    }

    // MARK: - Names

    func name(of id: NameID) -> String { template.names[id] }

    /// The nearest scope's value, else what the caller of the template gave, else what every template has.
    func value(of id: NameID) -> Value {
        if let value = scope[id] ?? variables[id] { return value }
        let name = name(of: id)
        if let function = GlobalFunction(rawValue: name) { return .function(.global(function)) }
        return .undefined(.name(name))
    }

    /// Runs something with names of its own.
    func scoped<Result>(
        in parent: Scope,
        _ body: (Scope) throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        let outer = scope
        scope = Scope(parent: parent)
        let result = try body(scope)
        scope = outer
        return result
    }

    // MARK: - Objects

    func makeObject(_ object: RuntimeObject) throws(TemplateError) -> Value {
        try charge(1)
        objects.append(object)
        return .object(objects.count - 1)
    }

    func iterator(over elements: [Value]) throws(TemplateError) -> Value {
        try charge(elements.count)
        return try makeObject(.iterator(elements, position: 0))
    }

    func update(_ id: ObjectID, to object: RuntimeObject) { objects[id] = object }

    // MARK: - Containers

    func list(_ elements: [Value]) throws(TemplateError) -> List {
        try charge(1 + elements.count)
        let list = List(elements)
        try check(depth: list.depth)
        return list
    }

    func check(depth: Int) throws(TemplateError) {
        guard depth <= Value.greatestDepth else { throw .limitExceeded(.valueDepth(Value.greatestDepth), line: line) }
    }
}

/// How a body ended.
enum Flow { case next, breakLoop, continueLoop }

/// The names of a block, and the block around it.
final class Scope {
    private let parent: Scope?
    private var values: [NameID: Value] = [:]

    init(parent: Scope?) {
        self.parent = parent
    }

    subscript(id: NameID) -> Value? {
        var scope: Scope? = self
        while let current = scope {
            if let value = current.values[id] { return value }
            scope = current.parent
        }
        return nil
    }

    func set(_ id: NameID, to value: Value) { values[id] = value }
}

/// What lives as long as the rendering.
enum RuntimeObject {
    case namespace(Mapping)
    case macro(MacroDefinition, Scope)
    case loop(LoopState)
    case cycler([Value], position: Int)
    case joiner(Text, isUsed: Bool)
    /// What a generator yields in Python: can be walked once, and has no length.
    case iterator([Value], position: Int)
}

/// What the variable `loop` shows.
struct LoopState {
    let definition: LoopDefinition
    /// Where the loop stands, for the calls of a recursive one.
    let scope: Scope
    let elements: [Value]
    /// How many recursive calls are around it.
    let recursionDepth: Int
    var index = 0
    var lastChanged: [Value]?
}
