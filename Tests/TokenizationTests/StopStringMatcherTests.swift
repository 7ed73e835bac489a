// Stop strings end a text where they must, and hold back no more than they need.

import Primitives
import Testing
import Tokenization

@Suite
struct StopStringMatcherTests {
    struct Case: CustomTestStringConvertible {
        let stops: [String]
        let pieces: [String]
        let emitted: [String]
        var matched: String?
        var includesStop = false

        var testDescription: String { "\(stops) in \(pieces)" }
    }

    @Test(
        "emits what is certain and stops at the first completed string",
        arguments: [
            Case(stops: [], pieces: ["a", "b"], emitted: ["a", "b"]),
            Case(stops: [""], pieces: ["a"], emitted: ["a"]),
            Case(stops: ["END"], pieces: ["abc"], emitted: ["abc"]),
            Case(stops: ["END"], pieces: ["aE", "N", "x"], emitted: ["a", "", "ENx"]),
            Case(stops: ["END"], pieces: ["aE", "N", "Dx"], emitted: ["a", "", ""], matched: "END"),
            Case(stops: ["END"], pieces: ["aEEN", "D"], emitted: ["aE", ""], matched: "END"),
            Case(stops: ["END"], pieces: ["xENDyEND"], emitted: ["x"], matched: "END"),
            Case(stops: ["abcd", "bc"], pieces: ["zabc"], emitted: ["za"], matched: "bc"),
            Case(stops: ["c", "abc", "bc"], pieces: ["ab", "c"], emitted: ["", "ab"], matched: "c"),
            Case(stops: ["bc", "abc"], pieces: ["ab", "c"], emitted: ["", "a"], matched: "bc"),
            Case(stops: ["aab"], pieces: ["aa", "a", "a", "b"], emitted: ["", "a", "a", ""], matched: "aab"),
            Case(stops: ["\n\n"], pieces: ["x\n", "y\n\n"], emitted: ["x", "\ny"], matched: "\n\n"),
            Case(stops: ["🦙!"], pieces: ["é🦙", "?🦙", "!"], emitted: ["é", "🦙?", ""], matched: "🦙!"),
            Case(stops: ["é"], pieces: ["e\u{301}"], emitted: ["e\u{301}"]),
            Case(stops: ["END"], pieces: ["aE", "NDx"], emitted: ["aE", "ND"], matched: "END", includesStop: true),
            Case(stops: ["b"], pieces: ["abc"], emitted: ["ab"], matched: "b", includesStop: true),
        ])
    func table(item: Case) {
        var matcher = StopStringMatcher(stops: item.stops, includeStop: item.includesStop)
        var matched: String?
        for (piece, expected) in zip(item.pieces, item.emitted) {
            let result = matcher.append(piece)
            #expect(result.emit.utf8.elementsEqual(expected.utf8), "\(result.emit) instead of \(expected)")
            matched = result.matched
        }
        #expect(matched == item.matched)
    }

    @Test("gives back at the end what never became a stop string")
    func finish() {
        var matcher = StopStringMatcher(stops: ["END", "ND!"], includeStop: false)
        #expect(matcher.append("xEN").emit == "x")
        #expect(matcher.finish() == "EN")
        #expect(matcher.finish() == "")
    }

    @Test("a string completed before searching begins does not count, one completed later does")
    func minimumLength() {
        var matcher = StopStringMatcher(stops: ["ab"], includeStop: false)
        #expect(matcher.append("xab", searches: false) == ("xab", nil))
        #expect(matcher.append("ya", searches: false) == ("y", nil))
        #expect(matcher.append("b") == ("", "ab"))
    }

    @Test("agrees with a naive search, however the text is cut", arguments: [false, true])
    func randomTexts(includesStop: Bool) {
        var random = SplitMix64(state: 11)
        func word(_ limit: UInt64) -> String {
            String((0..<(1 + random.next() % limit)).map { _ in "abé".randomElement(at: random.next()) })
        }
        for round in 0..<3000 {
            let stops = (0..<(1 + random.next() % 3)).map { _ in word(5) }
            let pieces = (0..<12).map { _ in word(4) }
            var matcher = StopStringMatcher(stops: stops, includeStop: includesStop)
            var emitted = ""
            var matched: String?
            for piece in pieces where matched == nil {
                let result = matcher.append(piece)
                emitted += result.emit
                matched = result.matched
            }
            if matched == nil { emitted += matcher.finish() }
            let expected = Self.naive(pieces.joined(), stops: stops, includesStop: includesStop)
            #expect(emitted == expected.text && matched == expected.matched, "round \(round): \(stops) in \(pieces)")
        }
    }

    @Test("never holds back more than the longest stop string less one character")
    func holdsLittle() {
        var random = SplitMix64(state: 13)
        for _ in 0..<200 {
            var matcher = StopStringMatcher(stops: ["aaab", "baa"], includeStop: false)
            var given = 0
            var emitted = 0
            while given < 40 {
                let result = matcher.append("ab".randomElement(at: random.next()).description)
                given += 1
                emitted += result.emit.utf8.count
                if result.matched != nil { break }
                #expect(given - emitted <= 3)
            }
        }
    }

    /// The first end at which any stop string is complete; of several there, the first listed.
    private static func naive(
        _ text: String, stops: [String], includesStop: Bool
    ) -> (text: String, matched: String?) {
        let characters = Array(text)
        for end in 1...characters.count {
            for stop in stops where characters[..<end].suffix(stop.count).elementsEqual(Array(stop)) {
                return (String(characters[..<(includesStop ? end : end - stop.count)]), stop)
            }
        }
        return (text, nil)
    }
}

extension String {
    fileprivate func randomElement(at number: UInt64) -> Character {
        let characters = Array(self)
        return characters[Int(number % UInt64(characters.count))]
    }
}
