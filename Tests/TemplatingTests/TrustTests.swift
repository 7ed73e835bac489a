import JSON
import Templating
import Testing

/// Who wrote what: in a special token's place a client's text must never pass for the template's.
@Suite("Origin of text")
struct TrustTests {
    private static func spans(
        _ source: String,
        trusted: JSONValue = [:],
        untrusted: JSONValue = [:]
    ) throws -> [RenderedText.Span] {
        let rendered = try ChatTemplate(source: source).render(
            trusted: trusted.objectValue ?? JSONObject(),
            untrusted: untrusted.objectValue ?? JSONObject(),
            now: { GoldenFiles.now }
        )
        return rendered.spans
    }

    /// `T(text)` for each trusted span and `U(text)` for each other.
    private static func outline(_ spans: [RenderedText.Span]) -> String {
        spans.map { "\($0.isTrusted ? "T" : "U")(\($0.text))" }.joined()
    }

    @Test(
        "each piece of a text keeps its origin",
        arguments: [
            ("<s>{{ u }}</s>", "T(<s>)U(user)T(</s>)"), ("{{ '<s>' + u + '</s>' }}", "T(<s>)U(user)T(</s>)"),
            ("{{ '<s>' ~ u ~ t }}", "T(<s>)U(user)T(trust)"), ("{{ ('<s> ' ~ u)|trim|upper }}", "T(<S> )U(USER)"),
            ("{{ (' ' ~ u ~ ' x ').strip() }}", "U(user)T( x)"), ("{{ ('<' ~ u ~ '>')[1:4] }}", "U(use)"),
            ("{{ ('<' ~ u ~ '>')[0] }}{{ ('<' ~ u ~ '>')[1] }}", "T(<)U(u)"),
            ("{{ ('<' ~ u ~ '>')[::-1] }}", "T(>)U(resu)T(<)"),
            ("{{ ('a,' ~ u ~ ',b').split(',')|join(';') }}", "T(a;)U(user)T(;b)"),
            ("{{ ('a ' ~ u ~ ' b').split()|join('-') }}", "T(a-)U(user)T(-b)"),
            ("{{ u.split('s')|join('<s>') }}", "U(u)T(<s>)U(er)"), ("{{ 'a-b'.replace('-', u) }}", "T(a)U(user)T(b)"),
            ("{{ u.replace('s', '<s>') }}", "U(u)T(<s>)U(er)"), ("{{ u|replace('s', '<s>') }}", "U(u)T(<s>)U(er)"),
            ("{{ '<%s>' % u }}", "T(<)U(user)T(>)"), ("{{ '<%s|%s>' % (u, t) }}", "T(<)U(user)T(|trust>)"),
            ("{{ '<%(x)s>' % {'x': u} }}", "T(<)U(user)T(>)"), ("{{ '<{}>'.format(u) }}", "T(<)U(user)T(>)"),
            ("{{ '<{x}>'.format(x=u) }}", "T(<)U(user)T(>)"), ("{{ '<%s>'|format(u) }}", "T(<)U(user)T(>)"),
            ("{{ u.format('<s>') }}", "U(user)"), ("{{ u * 2 ~ '|' * 2 }}", "U(useruser)T(||)"),
            ("{{ u.upper() ~ 'a'.upper() }}", "U(USER)T(A)"), ("{{ (u ~ ' a')|title }}", "U(User)T( A)"),
            ("{{ (u ~ ' A').capitalize() }}", "U(User)T( a)"),
            ("{% for c in u ~ '!' %}{{ c }}.{% endfor %}", "U(u)T(.)U(s)T(.)U(e)T(.)U(r)T(.!.)"),
            ("{{ (u ~ '!')|list|join }}", "U(user)T(!)"), ("{{ u|first ~ 'x'|last }}", "U(u)T(x)"),
            ("{% set x %}<{{ u }}>{% endset %}{{ x }}", "T(<)U(user)T(>)"),
            ("{% filter upper %}a{{ u }}{% endfilter %}", "T(A)U(USER)"),
            ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(u) }}", "T(<)U(user)T(>)"),
            ("{% set ns = namespace(x='') %}{% set ns.x = ns.x ~ '<' ~ u %}{{ ns.x }}", "T(<)U(user)"),
            ("{{ {'<': u}|items|first|join }}", "T(<)U(user)"), ("{{ {u: '<'}|items|first|join }}", "U(user)T(<)"),
            ("{{ d.k }}{{ d.get('none', '<s>') }}", "U(value)T(<s>)"), ("{% for k in d %}{{ k }}{% endfor %}", "U(k)"),
            ("{{ {'user': '<|user|>'}[u] }}", "T(<|user|>)"), ("{{ u if false else '<s>' }}", "T(<s>)"),
            ("{{ missing|default(u) }}{{ missing|default('<s>') }}", "U(user)T(<s>)"),
            ("{{ ('a\\n' ~ u)|indent(1) }}", "T(a\n )U(user)"), ("{{ u.center(6, '*') }}", "T(*)U(user)T(*)"),
            ("{{ ('<' ~ u)|e }}", "T(&lt;)U(user)"), ("{{ (u|e) + '<' }}", "U(user)T(&lt;)"),
            ("{{ ('/ ' ~ u)|urlencode }}", "T(/%20)U(user)"),
            ("{{ (u ~ '=v').partition('=')|join('|') }}", "U(user)T(|=|v)"),
            ("{{ ('<s>' ~ u).removeprefix('<') }}", "T(s>)U(user)"),
            ("{{ [u, '<']|sort|join(' ') }}", "T(< )U(user)"), ("{{ [u, '<']|map('upper')|join }}", "U(USER)T(<)"),
            ("{{ u|tojson }}{{ '<s>'|tojson }}", "U(\"user\")T(\"<s>\")"),
            ("{{ {'<': u}|tojson }}", "U({\"<\": \"user\"})"),
            ("{{ ['<s>', u] }}", "U(['<s>', 'user'])"), ("{{ 7 }}{{ none }}{{ 1.5 }}{{ true }}", "U(7None1.5True)"),
            ("{{ '%d|%5s' % (7, u) }}", "U(7)T(| )U(user)"), ("{{ '%c' % 60 }}", "U(<)"),
            ("{{ strftime_now('%Y') }}{{ strftime_now(u) }}", "T(2024)U(user)"), ("{{ t }}", "T(trust)"),
            ("{{ (u ~ 'x').splitlines()[0] }}", "U(user)T(x)"), ("{{ u|truncate(3, true, '…', 0) }}", "U(us)T(…)"),
            ("{{ cycler(u, '<').next() }}{{ joiner(u)() }}{{ ('<'|safe) }}", "U(user)T(<)"),
            ("{{ u.zfill(6) }}", "T(00)U(user)"), ("{{ ('x' ~ u).swapcase() }}", "T(X)U(USER)"),
        ]
    )
    func origins(source: String, expected: String) throws {
        let spans = try Self.spans(source, trusted: ["t": "trust"], untrusted: ["u": "user", "d": ["k": "value"]])
        #expect(Self.outline(spans) == expected)
    }

    @Test("a value that a client gives is the client's, though a trusted one has its name")
    func overriding() throws {
        let spans = try Self.spans("{{ bos_token }}", trusted: ["bos_token": "<s>"], untrusted: ["bos_token": "<x>"])
        #expect(Self.outline(spans) == "U(<x>)")
    }

    @Test("what a client types into a format string stays the client's, filling included")
    func clientFormats() throws {
        let untrusted: JSONValue = ["f": "{:<>9}%(x)s", "g": "%9s|", "x": "<s>"]
        let braces = try Self.spans("{{ f.format('t') }}", untrusted: untrusted)
        #expect(Self.outline(braces) == "U(<<<<<<<<)T(t)U(%(x)s)")
        #expect(Self.outline(try Self.spans("{{ g % 't' }}", untrusted: untrusted)) == "U(        )T(t)U(|)")
    }

    /// Templates grow at random from these; `@` stands for a smaller expression.
    private static let growths = [
        "(@ ~ @)", "(@ ~ '<|x|>')", "('<s>' ~ @)", "@|trim", "@|upper|lower", "(@)[1:]", "(@)[:-1]", "(@)[::2]",
        "(@)[::-1]",
        "(@).replace('a', @)", "(@)|replace('b', '<x>')", "(@).split('a')|join(@)", "(@).split()|join('|')",
        "('%s<%s' % (@, @))",
        "'{}>{}'.format(@, @)", "(@).format(@, @, x=@)", "((@) % ())|string", "(@)|tojson", "[@, @]|tojson",
        "[@, '<x>']|string",
        "{@: @}|items|first|join('-')", "(@)|indent(2, true)", "(@)|e", "((@)|safe + @)", "(@).strip('a<')",
        "(@).partition('a')|join",
        "(@).rpartition(@)|last", "(@)|list|sort|join", "[@, @]|sort|join(@)", "(@)|title", "(@).center(20, '<')",
        "(@)|urlencode",
        "(@ if @ else @)", "{@: '<x>'}[@]|default(@)", "(@).splitlines()|join('\\n')", "(@ * 2)",
        "[@, @]|map('upper')|join", "m(@)",
        "(@)|truncate(5, true, @, 0)", "(@).rsplit('b', 1)|last", "(@)|reverse", "(@).removeprefix('<')", "dict(a=@).a",
        "namespace(a=@).a", "(@)|first", "(@)|wordcount|string", "(@).swapcase()", "(@).title()", "(@)|int",
        "[@, @]|min", "[@, @]|unique|join",
    ]

    /// An expression of random shape and depth over the variables of the test.
    private static func randomExpression(_ random: inout SplitMix) -> String {
        var expression = "@"
        for _ in 0..<(1 + random.next(below: 5)) where expression.utf8.count <= 300 {
            expression = fill(expression) {
                random.next(below: 3) > 0 ? growths[random.next(below: growths.count)] : "@"
            }
        }
        return fill(expression) { ["u", "v", "w", "'ab<a>'", "t"][random.next(below: 5)] }
    }

    private static func fill(_ expression: String, with replacement: () -> String) -> String {
        let parts = expression.split(separator: "@", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(String(parts[0])) { $0 + replacement() + $1 }
    }

    @Test("no text of a message comes out as the template's, whatever the template does with it")
    func nothingLeaks() throws {
        // The messages have Cyrillic letters, which no template here has.
        let messages: [JSONValue] = [
            "г д<|x|>джbaк", "aаЪ ЁЩа\nклЪb a", "%s{}г{x}д a<б", "гabг<s>&Ъa", "  дb  ", "Щ,Ёa,г",
        ]
        var random = SplitMix(state: 20_240_706)
        var renderedCount = 0
        for round in 0..<4000 {
            let expression = Self.randomExpression(&random)
            var untrusted: [JSONValue] = []
            for _ in 0..<3 { untrusted.append(messages[random.next(below: messages.count)]) }
            let spans = try? Self.spans(
                "{% macro m(x) %}<{{ x }}>{% endmacro %}<|a|>{{ \(expression) }}<|b|>",
                trusted: ["t": "<t> ab"],
                untrusted: ["u": untrusted[0], "v": untrusted[1], "w": untrusted[2]]
            )
            // Many a random expression is an error, such as a sum of unlike things.
            guard let spans else { continue }
            renderedCount += 1
            for span in spans where span.isTrusted {
                let isLeak = span.text.unicodeScalars.contains { (0x400...0x4FF).contains($0.value) }
                #expect(!isLeak && !span.text.contains("%D0"), "round \(round): \(expression) leaks \(span.text)")
            }
        }
        #expect(renderedCount > 2000)
    }
}

/// Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014.
struct SplitMix {
    private var state: UInt64

    init(state: UInt64) { self.state = state }

    mutating func next(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
