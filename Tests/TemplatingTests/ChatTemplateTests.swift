import JSON
import Templating
import Testing

@Suite("Chat templates")
struct ChatTemplateTests {
    private static func error(_ source: String) -> TemplateError? {
        do throws(TemplateError) {
            let template = try ChatTemplate(source: source)
            let variables: JSONValue = ["d": ["k": 1], "l": [1]]
            let untrusted = variables.objectValue ?? JSONObject()
            _ = try template.render(trusted: JSONObject(), untrusted: untrusted, now: { GoldenFiles.now })
            return nil
        } catch {
            return error
        }
    }

    @Test("a refusal of the template carries its message and nothing else")
    func refusal() {
        let error = Self.error("{{ raise_exception('Roles must alternate') }}")
        #expect(error == .raised(message: "Roles must alternate"))
        #expect(error?.description == "Roles must alternate")
    }

    @Test(
        "an error names its line and its cause",
        arguments: [
            ("a\n{{ x.y }}", "The chat template failed: 'x' is undefined (line 2)"),
            ("{{ d.a.b }}", "The chat template failed: 'dict' has no attribute 'a' (line 1)"),
            (
                "\n\n{{ 1 + 'a' }}",
                "The chat template failed: the operator does not know values of type int and str (line 3)"
            ),
            (
                "{% if d %}\n{% for x in 1 %}{% endfor %}{% endif %}",
                "The chat template failed: a value of type int has no elements to walk through (line 2)"
            ),
            ("{{ l|nope }}", "The chat template failed: there is no filter 'nope' (line 1)"),
            ("{{ l is nope }}", "The chat template failed: there is no test 'nope' (line 1)"),
            (
                "{{ l.append(2) }}",
                "The chat template failed: 'append' would change a list, which is not allowed (line 1)"
            ),
            (
                "{{ d.update({}) }}",
                "The chat template failed: 'update' would change a dict, which is not allowed (line 1)"
            ),
            ("{%- if l -%}\n\nx", "The chat template is not valid: the template ends before 'endif' (line 3)"),
            ("a\nb {{ 'c }}", "The chat template is not valid: a string has no end (line 2)"),
            ("{# a\n#}\n{% foo %}", "The chat template is not valid: there is no tag 'foo' here (line 3)"),
            ("{{ 1 2 }}", "The chat template is not valid: expected '}}' but found '2' (line 1)"),
            ("{% include 'a' %}", "The chat template is not valid: there is no tag 'include' here (line 1)"),
            ("{{ (1,\n2] }}", "The chat template is not valid: unexpected ']' (line 2)"),
        ]
    )
    func errors(source: String, description: String) {
        #expect(Self.error(source)?.description == description)
    }

    @Test(
        "no attribute leads out of the data",
        arguments: [
            "''.__class__", "[].__class__", "{}.__class__", "(1).__class__", "namespace.__init__", "range.__globals__",
            "raise_exception.__globals__", "l.__len__", "d.__getitem__", "''.upper.__self__", "m.__call__",
            "m._environment",
            "loop", "self", "''['__class__']", "d|attr('__class__') if 'attr' is filter", "cycler.__init__",
            "joiner.__init__",
            "''.format.__globals__", "namespace().__class__", "dict.fromkeys", "''.mro", "true.real",
            "(1.5).is_integer", "none.__doc__",
        ]
    )
    func noReflection(expression: String) throws {
        let template = try ChatTemplate(source: "{% macro m() %}{% endmacro %}{{ (\(expression)) is defined }}")
        let variables: JSONValue = ["l": [1], "d": ["k": 1]]
        let rendered = try template.render(
            trusted: JSONObject(),
            untrusted: variables.objectValue ?? JSONObject(),
            now: { GoldenFiles.now }
        )
        #expect(rendered.text == "False")
    }

    @Test(
        "format strings lead to arguments and not into them",
        arguments: ["{0.__class__}", "{0[k]}", "{d.k}", "{0!x}", "{:{}}"]
    )
    func formatFields(format: String) {
        #expect(Self.error("{{ '\(format)'.format(d, d=d) }}") != nil)
    }

    @Test("a template tells which variables it names")
    func mentions() throws {
        let template = try ChatTemplate(
            source: "{% if enable_thinking is defined %}{{ messages[0].content }}{% endif %}"
        )
        #expect(template.mentions("enable_thinking") && template.mentions("messages"))
        #expect(!template.mentions("content") && !template.mentions("tools"))
    }

    @Test("the clock is asked by templates that write a date, and shows any day of the calendar")
    func clock() throws {
        var asked = 0
        let template = try ChatTemplate(source: "{{ strftime_now('%A %d %B %Y %H:%M:%S %j') }}")
        func date(_ seconds: Int, utcOffset: Int = 0) throws -> String {
            try template.render(
                trusted: JSONObject(),
                untrusted: JSONObject(),
                now: {
                    asked += 1
                    return CivilTime(secondsSinceEpoch: seconds, utcOffset: utcOffset)
                }
            ).text
        }
        #expect(try date(0) == "Thursday 01 January 1970 00:00:00 001")
        #expect(try date(-1) == "Wednesday 31 December 1969 23:59:59 365")
        #expect(try date(951_782_400) == "Tuesday 29 February 2000 00:00:00 060")
        #expect(try date(1_735_689_599) == "Tuesday 31 December 2024 23:59:59 366")
        #expect(try date(1_735_689_599, utcOffset: 3600) == "Wednesday 01 January 2025 00:59:59 001")
        #expect(try date(.max).hasPrefix("Friday 31 December 9999") && date(.min).hasPrefix("Monday 01 January 0001"))
        #expect(asked == 7)
    }

    @Test("spans are never empty, and neighbours differ in trust")
    func mergedSpans() {
        let pieces = [
            ("", true), ("a", true), ("b", true), ("", false), ("c", false), ("d", false), ("", true), ("e", true),
        ]
        let rendered = RenderedText(spans: pieces.map { RenderedText.Span(text: $0.0, isTrusted: $0.1) })
        #expect(rendered.spans.map(\.text) == ["ab", "cd", "e"])
        #expect(rendered.spans.map(\.isTrusted) == [true, false, true])
        #expect(rendered.text == "abcde")
    }

    @Test("one template renders many conversations at once")
    func concurrency() async throws {
        let template = try ChatTemplate(source: "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}")
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<64 {
                group.addTask {
                    let variables: JSONValue = ["messages": [["role": "user", "content": .string("text \(number)")]]]
                    let rendered = try template.render(
                        trusted: JSONObject(),
                        untrusted: variables.objectValue ?? JSONObject(),
                        now: { GoldenFiles.now }
                    )
                    return rendered.text == "<user>text \(number)"
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}
