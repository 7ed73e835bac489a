// What is written: escapes, numbers, separators, and the styles of Python's json.dumps.

import JSON
import Testing

@Suite struct JSONWriterTests {
    static let document: JSONValue = [
        "b": [1, 2.5, true, nil, [:]],
        "a": ["é\u{2028}😀": "\u{0}\u{1F}\u{7F}\"\\/\u{8}\u{C}\n\r\t<"],
        "c": [],
    ]

    @Test("escapes no more than JSON demands")
    func compact() {
        let expected =
            #"{"b":[1,2.5,true,null,{}],"a":{"é"# + "\u{2028}"
            + #"😀":"\u0000\u001f"# + "\u{7F}" + #"\"\\/\b\f\n\r\t<"},"c":[]}"#
        #expect(Self.document.serialized() == expected)
    }

    @Test("writes what json.dumps writes")
    func python() {
        let text = "\u{7F}" + #"\"\\/\b\f\n\r\t<"#
        #expect(
            Self.document.serialized(style: .python()) == #"{"b": [1, 2.5, true, null, {}], "a": {"é"# + "\u{2028}"
                + #"😀": "\u0000\u001f"# + text + #""}, "c": []}"#)
        #expect(
            Self.document.serialized(style: .python(indentation: 4)) == """
                {
                    "b": [
                        1,
                        2.5,
                        true,
                        null,
                        {}
                    ],
                    "a": {
                        "é\u{2028}😀": "\\u0000\\u001f\(text)"
                    },
                    "c": []
                }
                """)
        var sorted = JSONStyle.python()
        sorted.sortsKeys = true
        sorted.escapesNonASCII = true
        #expect(
            Self.document.serialized(style: sorted)
                == #"{"a": {"\u00e9\u2028\ud83d\ude00": "\u0000\u001f\u007f\"\\/\b\f\n\r\t<"}, "#
                + #""b": [1, 2.5, true, null, {}], "c": []}"#)
    }

    static let numbers: [(Double, compact: String, python: String)] = [
        (1, "1.0", "1.0"), (-0.0, "-0.0", "-0.0"), (0.1, "0.1", "0.1"), (123456.789, "123456.789", "123456.789"),
        (1e15, "1000000000000000.0", "1000000000000000.0"), (1e16, "1e+16", "1e+16"),
        (9_007_199_254_740_992, "9007199254740992.0", "9007199254740992.0"),
        (12_345_678_901_234_568, "1.2345678901234568e+16", "1.2345678901234568e+16"),
        (-18_000_000_000_000_000, "-1.8e+16", "-1.8e+16"), (1e17, "1e+17", "1e+17"), (1e22, "1e+22", "1e+22"),
        (0.00012345, "0.00012345", "0.00012345"), (1e-4, "0.0001", "0.0001"), (1e-5, "0.00001", "1e-05"),
        (1.25e-5, "0.0000125", "1.25e-05"), (1e-6, "1e-6", "1e-06"), (9.999e-6, "9.999e-6", "9.999e-06"),
        (-1.1920928244535389e-07, "-1.1920928244535389e-7", "-1.1920928244535389e-07"),
        (.greatestFiniteMagnitude, "1.7976931348623157e+308", "1.7976931348623157e+308"),
        (.leastNonzeroMagnitude, "5e-324", "5e-324"),
        (.infinity, "null", "null"), (-.infinity, "null", "null"), (.nan, "null", "null"),
    ]

    @Test("lays numbers out as pydantic and as Python do, and writes null for what JSON has no word for")
    func writesNumbers() {
        for (value, compact, python) in Self.numbers {
            #expect(JSONValue.number(value).serialized() == compact)
            #expect(JSONValue.number(value).serialized(style: .python()) == python)
        }
    }

    @Test("reads back every number it writes")
    func numbersRoundTrip() throws {
        var state: UInt64 = 42
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Double(bitPattern: state)
            guard value.isFinite else { continue }
            #expect(try JSONParser.parse(JSONValue.number(value).serialized()) == .number(value))
            #expect(try JSONParser.parse(JSONValue.number(value).serialized(style: .python())) == .number(value))
        }
    }

    @Test("separates members and elements by itself")
    func writer() {
        var writer = JSONWriter(appendingTo: Array("data: ".utf8))
        writer.beginObject()
        writer.key("a")
        writer.beginArray()
        writer.value(1)
        writer.value(UInt64.max)
        writer.value(-0.5)
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.null()
        writer.endArray()
        writer.key("b\"")
        writer.value("c\n")
        writer.key("d")
        writer.value(false)
        writer.key("e")
        writer.value(Self.document["b"] ?? nil)
        writer.key("f")
        writer.raw("[1]".utf8)
        writer.endObject()
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"data: {"a":[1,18446744073709551615,-0.5,{},[],null],"b\"":"c\n","d":false,"#
                + #""e":[1,2.5,true,null,{}],"f":[1]}"#)
    }

    @Test("escapes a piece of text into a buffer that is there already", arguments: ["plain €", "\"\\\u{1}", ""])
    func appendsEscaped(text: String) throws {
        var bytes = Array(#"{"text":""#.utf8)
        JSONWriter.appendEscaped(text, to: &bytes)
        bytes += Array(#""}"#.utf8)
        #expect(try JSONParser.parse(bytes)["text"] == .string(text))
    }
}
