import Foundation
import JSON
import Synchronization
import Templating
import Testing

@Suite("Limits of templates")
struct LimitTests {
    private static func render(_ source: String, _ limits: RenderLimits = RenderLimits()) throws(TemplateError)
        -> String
    {
        let variables: JSONValue = ["s": "abc", "l": [1, 2, 3], "d": ["a": 1]]
        let template = try ChatTemplate(source: source)
        let untrusted = variables.objectValue ?? JSONObject()
        return try template.render(
            trusted: JSONObject(),
            untrusted: untrusted,
            now: { GoldenFiles.now },
            limits: limits
        ).text
    }

    private static func limit(_ source: String, _ limits: RenderLimits = RenderLimits()) -> TemplateError.Limit? {
        do {
            _ = try render(source, limits)
        } catch .limitExceeded(let limit, _) {
            return limit
        } catch {}
        return nil
    }

    /// Runs something on the smallest stack that a thread of Swift's own has.
    private static func onSmallStack<Result: Sendable>(_ body: @escaping @Sendable () -> Result) -> Result? {
        let result = Mutex<Result?>(nil)
        let isDone = DispatchSemaphore(value: 0)
        let thread = Thread {
            let value = body()
            result.withLock { $0 = value }
            isDone.signal()
        }
        thread.stackSize = 512 << 10
        thread.start()
        isDone.wait()
        return result.withLock { $0 }
    }

    /// A source of the same piece over and over, which is too long to be the name of a test.
    struct Repetition: Sendable, CustomTestStringConvertible {
        let before: String
        let opening: String
        let middle: String
        let closing: String
        let after: String

        init(_ before: String, _ opening: String, _ middle: String = "", _ closing: String = "", _ after: String = "") {
            self.before = before
            self.opening = opening
            self.middle = middle
            self.closing = closing
            self.after = after
        }

        func source(count: Int) -> String {
            before + String(repeating: opening, count: count) + middle + String(repeating: closing, count: count)
                + after
        }

        var testDescription: String { [before, opening, middle, closing, after].joined(separator: "…") }
    }

    private static let repetitions: [(Repetition, allowed: Int)] = [
        (Repetition("{{ ", "(", "s", ")", " }}"), 45), (Repetition("{{ ", "[", "", "]", "|string|e }}"), 45),
        (Repetition("{{ ", "{1:", "1", "}", " }}"), 45), (Repetition("{{ ", "not ", "1 }}"), 90),
        (Repetition("{{ ", "- ", "1 }}"), 90), (Repetition("{{ s", " + s", " }}"), 90),
        (Repetition("{{ 1", " if 1 else 1", " }}"), 45), (Repetition("{{ s", "|upper", " }}"), 90),
        (Repetition("{{ s", "[0]", " }}"), 90), (Repetition("{{ 1", " ** 1", " }}"), 90),
        (Repetition("{{ 1", " and 1", " }}"), 90), (Repetition("{{ s ", "is eq(s ", "", ")", " }}"), 45),
        (Repetition("{{ l[", "l[", "0", "]", "] }}"), 30), (Repetition("{{ 1 == (1 ", "== (1 ", "", ")", ") }}"), 45),
        (Repetition("{{ dict(a=", "dict(a=", "1", ")", ") }}"), 45),
        (Repetition("{{ s|default(", "s|default(", "1", ")", ") }}"), 45),
        (Repetition("", "{% if 1 %}", "x", "{% endif %}"), 90),
        (Repetition("", "{% for x in [1] %}", "x", "{% endfor %}"), 90),
        (Repetition("", "{% set x %}", "x", "{% endset %}", "{{ x }}"), 90),
        (Repetition("", "{% filter upper %}", "x", "{% endfilter %}"), 90),
        (Repetition("", "{% macro m() %}", "x", "{% endmacro %}"), 90),
        (Repetition("", "{% with %}", "x", "{% endwith %}"), 90),
        (Repetition("", "{% generation %}", "x", "{% endgeneration %}"), 90),
        (Repetition("{% set ", "(", "x", ")", " = 1 %}"), 90),
        (Repetition("{% for ", "(", "x", ")", " in l %}{% endfor %}"), 90),
    ]

    @Test("a template that nests without end is refused, on a small stack too", arguments: repetitions)
    func deepSources(repetition: Repetition, allowed: Int) {
        #expect(Self.onSmallStack { Self.limit(repetition.source(count: 20_000)) } == .nesting(100))
    }

    @Test("a template that nests as deep as is allowed runs on a small stack", arguments: repetitions)
    func allowedNesting(repetition: Repetition, allowed: Int) {
        let isRendered = Self.onSmallStack { (try? Self.render(repetition.source(count: allowed))) != nil }
        #expect(isRendered == true)
    }

    @Test(
        "recursion without end stops, on a small stack too",
        arguments: [
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% macro f(n) %}{{ [f(n + 1)] }}{% endmacro %}{{ f(0) }}",
            "{% macro f(x) %}{% for a in l if f(x) %}{% endfor %}{% endmacro %}{{ f(1) }}",
            "{% macro f(x=f()) %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% set x %}{{ 'a' ~ f() }}{% endset %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% filter upper %}{{ f()|e }}{% endfilter %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% with a = f() %}{% endwith %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% call f() %}{% endcall %}{{ caller }}{% endmacro %}{{ f() }}",
            "{% macro f(x) %}{% for a in l|sort if f(x=f(x)) %}{% endfor %}{% endmacro %}{{ f(1) }}",
            "{% macro f() %}{% if not (1 + f()|length) %}{% endif %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{{ s[f():] }}{% endmacro %}{{ f() }}",
            "{% macro f() %}{{ s is eq(f()) }}{% endmacro %}{{ f() }}",
            "{% macro f() %}{{ '%s'|format(x=f()) }}{% endmacro %}{{ f() }}",
            "{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}",
            "{% macro f() %}{{ {'a': f} [f()] }}{% endmacro %}{{ f() }}",
            "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
        ]
    )
    func recursion(source: String) {
        #expect(Self.onSmallStack { Self.limit(source) } == .recursion(RenderLimits.greatestRecursion))
    }

    @Test("values that nest without end are refused, on a small stack too")
    func deepValues() {
        let grow = [
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}",
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = {1: n.x} %}{% endfor %}",
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = (n.x, n.x) %}{% endfor %}",
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = dict(a=n.x) %}{% endfor %}",
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x.index] %}{% endfor %}",
            "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = {1: n.x}.items() %}{% endfor %}",
        ]
        for source in grow { #expect(Self.onSmallStack { Self.limit(source) } == .valueDepth(128), "\(source)") }

        var deep: JSONValue = "x"
        for _ in 0..<400 { deep = [deep] }
        let nested = deep
        let limit = Self.onSmallStack { () -> TemplateError? in
            var variables = JSONObject()
            variables["x"] = nested
            do throws(TemplateError) {
                let template = try ChatTemplate(source: "{{ x }}")
                _ = try template.render(trusted: JSONObject(), untrusted: variables, now: { GoldenFiles.now })
                return nil
            } catch { return error }
        }
        #expect(limit == .some(.limitExceeded(.valueDepth(128), line: 1)))
    }

    @Test("values as deep as allowed can be printed, compared and written on a small stack")
    func allowedDepth() {
        let source = """
            {% set n = namespace(x=[], y=[]) %}\
            {% for i in range(125) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}\
            {{ n.x == n.y }}{{ n.x < n.y }}{{ n.x|string|length }}{{ n.x|tojson|length }}
            """
        #expect(Self.onSmallStack { try? Self.render(source) } == "TrueFalse252252")
    }

    /// A small value, of which parts are shared so often that it has 2¹⁰⁰ leaves.
    private static let shared = """
        {% set n = namespace(x=[1]) %}{% for i in range(100) %}{% set n.x = [n.x, n.x] %}{% endfor %}
        """

    @Test(
        "work without end stops at the budget of steps",
        arguments: [
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{{ a ~ b if a > b }}{% endfor %}{% endfor %}",
            "{{ [0] * 1000000000 }}", "{{ (1, 2) * 4000000000000000000 }}",
            "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
            shared + "{{ n.x == [n.x[0], n.x[1]] }}",
            shared + "{{ n.x|tojson(separators=('', '')) }}",
            shared + "{{ n.x < n.x }}",
            "{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n }}{% endmacro %}{{ f(30) }}",
            "{{ range(3)|slice(4000000000)|list }}", "{{ range(3)|batch(4000000000, 1)|list }}",
            "{{ s|indent(300000000) }}",
        ]
    )
    func steps(source: String) {
        let limit = Self.limit(source, RenderLimits(steps: 1_000_000, stringBytes: 1 << 30))
        #expect(limit == .steps(1_000_000))
    }

    @Test(
        "a text without end stops at the bound of its bytes, before it is made",
        arguments: [
            "{{ 'a' * 1000000000 }}", "{{ 'a' * 9223372036854775807 }}", "{{ 'ab' * 9223372036854775807 }}",
            "{% for a in range(100000) %}{{ 'a' * 1000 }}{% endfor %}",
            "{% set n = namespace(x=s) %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
            "{% set n = namespace(x=s) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
            "{% set n = namespace(x=s) %}{% for i in range(99) %}{% set n.x = n.x.replace('a', n.x) %}{% endfor %}",
            "{% set a = 'a' * 100000 %}{{ a.replace('a', a) }}", "{% set a = 'a' * 100000 %}{{ a|replace('', a) }}",
            "{% set a = 'a' * 100000 %}{{ a.join(a) }}", "{% set a = 'a' * 100000 %}{{ a|join(a) }}",
            "{% set a = 'a' * 100000 %}{{ ('%s' * 1000) % ((a,) * 1000) }}",
            "{% set a = 'a' * 100000 %}{{ ('{0}' * 1000).format(a) }}", "{{ '%999999999s' % s }}",
            "{{ '%.999999999f' % 1 }}",
            "{{ '{:>999999999}'.format(s) }}", "{{ s.center(999999999) }}", "{{ s|center(9223372036854775807) }}",
            "{{ s.ljust(-9223372036854775807 - 1) }}", "{{ s.zfill(999999999) }}",
            "{% set a = '\\n' * 10000 %}{{ a|indent(10000, blank=true) }}", "{{ l|tojson(indent=999999999) }}",
            "{% set a = ['a' * 1000000] * 100 %}{{ a }}", "{% set a = ['a' * 1000000] * 100 %}{{ a|tojson }}",
            "{{ strftime_now('%A' * 10000000) }}",
        ]
    )
    func stringBytes(source: String) {
        let limit = Self.limit(source, RenderLimits(steps: 100_000_000, stringBytes: 16 << 20))
        #expect(limit == .stringBytes(16 << 20))
    }

    @Test(
        "numbers at their ends fail instead of wrapping or trapping",
        arguments: [
            "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 2 }}",
            "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) % -1 }}", "{{ 10 ** 10 ** 10 }}",
            "{{ -(-9223372036854775807 - 1) }}", "{{ (-9223372036854775807 - 1)|abs }}", "{{ 2 ** 63 }}",
            "{{ 1 // 0 }}",
            "{{ 1 % 0 }}", "{{ l[::0] }}", "{{ range(1, 2, 0) }}", "{{ range(9223372036854775807) }}",
            "{{ range(-9223372036854775807, 9223372036854775807) }}", "{{ 99999999999999999999 }}",
            "{{ [9223372036854775807, 1]|sum }}", "{{ 1|round(9223372036854775807) }}",
        ]
    )
    func numbers(source: String) {
        #expect(Outcome(rendering: source, JSONObject()) == .failed)
    }

    @Test(
        "numbers at their ends that have an answer give it",
        arguments: [
            ("{{ 'abc'[9223372036854775807:] }}|", "|"), ("{{ 'abc'[-9223372036854775807:] }}", "abc"),
            ("{{ 'abc'[::9223372036854775807] }}", "a"), ("{{ 'abc'[::-9223372036854775807] }}", "c"),
            ("{{ [1, 2][9223372036854775807] is defined }}", "False"),
            ("{{ range(9223372036854775806, 9223372036854775807)|list }}", "[9223372036854775806]"),
            (
                "{{ range(-9223372036854775807, 9223372036854775807, 9223372036854775807)|list }}",
                "[-9223372036854775807, 0]"
            ),
            ("{{ 1e308 * 10 }}", "inf"), ("{{ 1e308|int }}", "0"), ("{{ '1e999'|float|int(5) }}", "5"),
            ("{{ 'a,b'.split(',', 9223372036854775807) }}", "['a', 'b']"),
            ("{{ 'aa'.replace('a', 'b', 9223372036854775807) }}", "bb"), ("{{ 'a' * -9223372036854775807 }}|", "|"),
            ("{{ 'abc'.find('c', -9223372036854775807, 9223372036854775807) }}", "2"),
        ]
    )
    func extremes(source: String, expected: String) throws {
        #expect(try Self.render(source) == expected)
    }

    @Test("a source beyond its bound is refused")
    func sourceBytes() {
        let source = String(repeating: "a", count: ChatTemplate.greatestSourceBytes + 1)
        #expect(throws: TemplateError.limitExceeded(.sourceBytes(1 << 20), line: 1)) {
            try ChatTemplate(source: source)
        }
    }

    @Test("searching is linear: a needle that almost fits everywhere costs no more than any other")
    func linearSearch() throws {
        let source = """
            {% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 ~ 'b' %}{{ b in a }}{{ a.split(b)|length }}\
            {{ a.find(b) }}{{ a.rfind('b' ~ b) }}{{ a.count(b) }}{{ a.replace(b, '')|length }}\
            {{ a.rsplit(b, 1)|length }}
            """
        #expect(try Self.render(source) == "False1-1-1010000001")
    }
}
