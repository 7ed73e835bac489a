// What the parser accepts, what it refuses and where, and that its limits hold.

import JSON
import Testing

@Suite struct JSONParserTests {
    static let accepted: [(String, JSONValue)] = [
        ("null", nil), (" true ", true), ("\r\n\t false", false), (#""""#, ""),
        ("0", 0), ("-0", 0), ("9223372036854775807", 9_223_372_036_854_775_807),
        ("-9223372036854775808", .integer(.min)), ("9223372036854775808", 9223372036854775808.0),
        ("-9223372036854775809", -9223372036854775808.0), ("1.0", 1.0), ("1e2", 100.0), ("1E+2", 100.0),
        ("-2.5e-1", -0.25), ("1e-400", 0.0), ("1e400", .number(.infinity)), ("-1e400", .number(-.infinity)),
        ("0.1", 0.1), ("1.7976931348623157e308", .number(.greatestFiniteMagnitude)),
        ("[]", []), ("[ ]", []), ("{}", [:]), ("{ }", [:]), ("[1,[2, {}]]", [1, [2, [:]]]),
        (#"{"b": 1, "a": [true], "": null}"#, ["b": 1, "a": [true], "": nil]),
        (#"{"a":1,"b":2,"a":3}"#, ["a": 3, "b": 2]),
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0000""#, "\u{0}"), (#""\u00e9\u00E9""#, "éé"),
        (#""\ud83d\ude00!""#, "😀!"), (#""a\u20ACb""#, "a€b"), ("\"\u{7F}\u{2028}😀\"", "\u{7F}\u{2028}😀"),
        (#""\uFFFF\uFEFF""#, "\u{FFFF}\u{FEFF}"),
    ]

    @Test("accepts what RFC 8259 allows", arguments: accepted)
    func acceptsValidDocuments(text: String, expected: JSONValue) throws {
        #expect(try JSONParser.parse(text) == expected)
    }

    static let refused: [(String, Int)] = [
        ("", 0), (" ", 1), ("nul", 3), ("True", 0), ("NaN", 0), ("Infinity", 0), ("-Infinity", 0), ("nullx", 4),
        ("1 2", 2), ("01", 0), ("-", 0), ("-01", 0), ("1.", 0), (".5", 0), ("1e", 0), ("1e+", 0), ("+1", 0), ("0x1", 1),
        ("[", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3), ("]", 0), ("[}", 1), ("[1}", 2),
        ("{", 1), ("{1:2}", 1), (#"{"a"}"#, 4), (#"{"a":}"#, 5), (#"{"a":1,}"#, 7), (#"{"a" 1}"#, 5), ("{'a':1}", 1),
        (#"{"a":1"#, 6), (#""a"#, 2), (#""\"#, 2), (#""\x""#, 2), (#""\u12"#, 5), (#""\u12g4""#, 5),
        (#""\ud800""#, 1), (#""\udc00\ud800""#, 1), (#""\ud800\u0041""#, 1), (#""\ud800x""#, 1), ("\"a\nb\"", 2),
        ("\"\u{0}\"", 1), ("// comment\n1", 0), ("\u{FEFF}1", 0), ("[1]\u{0}", 3), ("{}{}", 2), ("\u{A0}1", 0),
    ]

    @Test("refuses everything else, and says where", arguments: refused)
    func refusesInvalidDocuments(text: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(text) }
        #expect(error?.offset == offset, "\(text): \(error?.description ?? "")")
    }

    @Test(
        "refuses bytes that are not UTF-8",
        arguments: [[0xFF], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80]] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        for prefix in ["\"", "\"\\n"] {
            let error = #expect(throws: JSONError.self) {
                try JSONParser.parse(Array(prefix.utf8) + bytes + Array("\"".utf8))
            }
            #expect(error?.reason == .invalidUTF8)
        }
        #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
    }

    @Test("refuses UTF-16 and UTF-32")
    func refusesWideEncodings() {
        #expect(throws: JSONError.self) { try JSONParser.parse([0xFF, 0xFE, 0x5B, 0x00, 0x5D, 0x00]) }
        #expect(throws: JSONError.self) { try JSONParser.parse([0x5B, 0x00, 0x5D, 0x00]) }
        #expect(throws: JSONError.self) { try JSONParser.parse([0x00, 0x00, 0xFE, 0xFF, 0x00, 0x00, 0x00, 0x5B]) }
    }

    @Test("allows exactly as many levels as the limit says", arguments: ["[", #"{"a":"#])
    func limitsDepth(opening: String) throws {
        let closing = opening == "[" ? "]" : "}"
        func document(_ depth: Int) -> String {
            String(repeating: opening, count: depth) + "[]" + String(repeating: closing, count: depth)
        }
        _ = try JSONParser.parse(document(63))
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(document(64)) }
        #expect(error?.reason == .tooDeep(limit: 64))
        _ = try JSONParser.parse(document(255), limits: .file)
        #expect(throws: JSONError.self) {
            try JSONParser.parse(String(repeating: opening, count: 100_000), limits: JSONLimits(depth: .max))
        }
    }

    @Test("counts containers and their elements against the limit")
    func limitsValueCount() throws {
        let limits = JSONLimits(valueCount: 4)
        _ = try JSONParser.parse("[1,[],3]", limits: limits)
        let error = #expect(throws: JSONError.self) { try JSONParser.parse("[1,[],3,4]", limits: limits) }
        #expect(error?.reason == .tooManyValues(limit: 4))
        #expect(throws: JSONError.self) {
            try JSONParser.parse("[" + String(repeating: "[],", count: 1_000_000) + "1]")
        }
    }

    @Test("refuses a document that is too large before looking at it")
    func limitsSize() {
        let error = #expect(throws: JSONError.self) {
            try JSONParser.parse("[      ]", limits: JSONLimits(sizeBytes: 7))
        }
        #expect(error?.reason == .tooLarge(limitBytes: 7))
    }

    @Test("refuses endless digits without reading them as a number")
    func limitsNumbers() throws {
        #expect(try JSONParser.parse(String(repeating: "9", count: 400)) == .number(.infinity))
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(String(repeating: "9", count: 1_000_000)) }
        #expect(error?.reason == .numberTooLong(limit: 4096))
    }

    @Test("keeps canonically equivalent keys apart, in small objects and large", arguments: [0, 40])
    func keysAreBytes(padding: Int) throws {
        let others = (0..<padding).map { "\"k\($0)\":0," }.joined()
        let object = try #require(try JSONParser.parse("{\(others)\"\u{E9}\":1,\"e\u{301}\":2}").objectValue)
        #expect(object.count == padding + 2)
        #expect(object["\u{E9}"] == 1)
        #expect(object["e\u{301}"] == 2)
    }

    @Test("finds, replaces and removes members of a large object")
    func largeObjects() throws {
        let text = (0..<1000).map { "\"key \($0)\":\($0)" }.joined(separator: ",")
        var object = try #require(try JSONParser.parse("{\(text),\"key 7\":-7}").objectValue)
        #expect(object.count == 1000)
        #expect(object.keys[7] == "key 7")
        #expect(object["key 7"] == -7)
        object["key 7"] = nil
        #expect(object["key 7"] == nil)
        #expect(object["key 999"] == 999)
        #expect(object["key"] == nil)
    }

    @Test("survives every truncation and every changed byte of a document")
    func survivesMutation() {
        let text = #"{"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":{}}}"#
        let bytes = Array(text.utf8)
        for end in bytes.indices {
            #expect(throws: JSONError.self) { try JSONParser.parse(Array(bytes[..<end])) }
        }
        for index in bytes.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = bytes
                changed[index] = byte
                guard let value = try? JSONParser.parse(changed) else { continue }
                #expect((try? JSONParser.parse(value.serializedBytes())) == value)
            }
        }
    }
}
