// What each statement does.

extension Interpreter {
    func execute(_ statements: [Statement]) throws(TemplateError) -> Flow {
        try enter()
        for statement in statements {
            try charge(1)
            let flow = try execute(statement)
            guard case .next = flow else {
                leave()
                return flow
            }
        }
        leave()
        return .next
    }

    private func execute(_ statement: Statement) throws(TemplateError) -> Flow {
        switch statement {
        case .data(let text):
            try write(text)
            return .next
        case .output(let expression, let line):
            self.line = line
            try write(try text(of: try evaluate(expression)))
            return .next
        case .condition(let branches, let otherwise, let line):
            self.line = line
            return try executeCondition(branches, otherwise)
        case .loop(let definition):
            line = definition.line
            try executeLoop(definition)
            return .next
        case .assignment(let target, let expression, let line):
            self.line = line
            try assign(try evaluate(expression), to: target)
            return .next
        case .blockAssignment(let target, let filters, let body, let line):
            return try executeBlock(body, filters, line) { (value) throws(TemplateError) in
                try self.assign(value, to: target)
            }
        case .filterBlock(let filters, let body, let line):
            return try executeBlock(body, filters, line) { (value) throws(TemplateError) in
                try self.write(try self.text(of: value))
            }
        case .macro(let definition, let name):
            scope.set(name, to: try makeObject(.macro(definition, scope)))
            return .next
        case .callBlock(let call, let caller, let line):
            self.line = line
            try executeCallBlock(call, caller)
            return .next
        case .with(let assignments, let body, let line):
            self.line = line
            return try executeWith(assignments, body)
        case .scope(let body):
            return try scoped(in: scope) { (_) throws(TemplateError) in try self.execute(body) }
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
    }

    private func executeCondition(
        _ branches: [(test: Expression, body: [Statement])],
        _ otherwise: [Statement]
    ) throws(TemplateError) -> Flow {
        for branch in branches where isTrue(try evaluate(branch.test)) { return try execute(branch.body) }
        return try execute(otherwise)
    }

    /// Runs a body whose text goes through filters to its `destination`.
    private func executeBlock(
        _ body: [Statement],
        _ filters: [FilterCall],
        _ line: Int,
        destination: (Value) throws(TemplateError) -> Void
    ) throws(TemplateError) -> Flow {
        self.line = line
        let (text, flow) = try captured { () throws(TemplateError) in
            try self.scoped(in: self.scope) { (_) throws(TemplateError) in try self.execute(body) }
        }
        // A loop that is left from within the block takes its text along.
        guard case .next = flow else { return flow }
        var value = Value.string(text)
        for filter in filters { value = try apply(filter, to: value) }
        try destination(value)
        return .next
    }

    private func executeWith(
        _ assignments: [(target: AssignmentTarget, value: Expression)],
        _ body: [Statement]
    ) throws(TemplateError) -> Flow {
        var values: [Value] = []
        for assignment in assignments { values.append(try evaluate(assignment.value)) }
        return try scoped(in: scope) { (_) throws(TemplateError) in
            for (assignment, value) in zip(assignments, values) { try self.assign(value, to: assignment.target) }
            return try self.execute(body)
        }
    }

    private func executeCallBlock(_ call: Expression, _ caller: MacroDefinition) throws(TemplateError) {
        guard case .application(.call(let callee, let arguments, let line)) = call.kind else { return }
        let function = try evaluate(callee)
        var values = try evaluate(arguments)
        values.keywords.append(("caller", try makeObject(.macro(caller, scope))))
        self.line = line
        try write(try text(of: try self.call(function, values)))
    }

    // MARK: - Assignment

    func assign(_ value: Value, to target: AssignmentTarget) throws(TemplateError) {
        switch target {
        case .name(let id): scope.set(id, to: value)
        case .attribute(let id, let attribute):
            guard case .object(let object) = self.value(of: id), case .namespace(var mapping) = objects[object] else {
                throw failure("attributes can be assigned on namespaces alone, which '\(name(of: id))' is not")
            }
            try check(depth: value.depth + 1)
            // The table keeps no second reference, so that the mapping is changed in place.
            update(object, to: .iterator([], position: 0))
            mapping.set(attribute, to: value)
            update(object, to: .namespace(mapping))
        case .tuple(let targets):
            let values = try elements(of: value)
            guard values.count == targets.count else {
                throw failure("\(targets.count) values are wanted for as many names, but there are \(values.count)")
            }
            for (target, value) in zip(targets, values) { try assign(value, to: target) }
        }
    }

    // MARK: - Loops

    private func executeLoop(_ definition: LoopDefinition) throws(TemplateError) {
        let source = try elements(of: try evaluate(definition.source))
        try run(definition, over: source, in: scope, recursionDepth: 0)
    }

    /// - Parameter parent: Where the loop stands.
    func run(
        _ definition: LoopDefinition,
        over source: [Value],
        in parent: Scope,
        recursionDepth: Int
    ) throws(TemplateError) {
        var elements = source
        if definition.condition != nil, definition.loopVariable != nil {
            // `loop` knows how many are left, so all have to be chosen before.
            elements = []
            for element in source where try isChosen(element, definition, parent) { elements.append(element) }
        }
        var loop: ObjectID?
        if definition.loopVariable != nil {
            let state = LoopState(
                definition: definition,
                scope: parent,
                elements: elements,
                recursionDepth: recursionDepth
            )
            guard case .object(let id) = try makeObject(.loop(state)) else { return }
            loop = id
        }
        var isEmpty = true
        for (index, element) in elements.enumerated() {
            if definition.loopVariable == nil, try !isChosen(element, definition, parent) { continue }
            isEmpty = false
            if let loop { advance(loop, to: index) }
            let flow = try executeIteration(definition, element, parent, loop: loop)
            if case .breakLoop = flow { break }
        }
        if isEmpty {
            _ = try scoped(in: parent) { (_) throws(TemplateError) in try self.execute(definition.otherwise) }
        }
    }

    private func executeIteration(
        _ definition: LoopDefinition,
        _ element: Value,
        _ parent: Scope,
        loop: ObjectID?
    ) throws(TemplateError) -> Flow {
        try charge(1)
        return try scoped(in: parent) { (scope) throws(TemplateError) in
            if let loop, let name = definition.loopVariable { scope.set(name, to: .object(loop)) }
            try self.assign(element, to: definition.target)
            return try self.execute(definition.body)
        }
    }

    private func advance(_ id: ObjectID, to index: Int) {
        guard case .loop(var state) = objects[id] else { return }
        state.index = index
        update(id, to: .loop(state))
    }

    private func isChosen(
        _ element: Value,
        _ definition: LoopDefinition,
        _ parent: Scope
    ) throws(TemplateError) -> Bool {
        guard let condition = definition.condition else { return true }
        return try scoped(in: parent) { (_) throws(TemplateError) in
            try self.assign(element, to: definition.target)
            return self.isTrue(try self.evaluate(condition))
        }
    }
}
