// What series an expression of PromQL asks for.

/// The vector selectors of expressions, found by their words: a name that is neither a function's nor an operator's nor
/// in a list of labels, with the matchers that follow it.
enum PromQLSelectors {
    private static let wordsBeforeLabels: Set<String> = [
        "by", "without", "on", "ignoring", "group_left", "group_right",
    ]
    private static let otherWords: Set<String> = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"]

    static func selectors(in expression: String) -> [String] {
        var found: [String] = []
        var rest = Substring(expression)
        var listsLabels = false
        while let first = rest.first {
            if first == "\"" {
                rest = rest.dropFirst().drop { $0 != "\"" }.dropFirst()
            } else if first == "[" {
                rest = rest.drop { $0 != "]" }
            } else if first == "(", listsLabels {
                rest = rest.drop { $0 != ")" }
                listsLabels = false
            } else if first.isNumber {
                rest = rest.drop { $0.isNumber || $0.isLetter || $0 == "." }
            } else if isNamePart(first) {
                let name = rest.prefix(while: isNamePart)
                rest = rest.dropFirst(name.count)
                let next = rest.drop(while: \.isWhitespace)
                if wordsBeforeLabels.contains(String(name)) {
                    listsLabels = true
                } else if next.first != "(", !otherWords.contains(name.lowercased()), !isAggregation(before: next) {
                    let end = rest.first == "{" ? endOfMatchers(rest) : rest.startIndex
                    found.append(String(name) + rest[..<end])
                    rest = rest[end...]
                }
            } else {
                rest = rest.dropFirst()
            }
        }
        return found
    }

    private static func isNamePart(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_" || character == ":"
    }

    /// Whether a list of labels follows, as in `sum by (le) (…)`.
    private static func isAggregation(before next: Substring) -> Bool {
        ["by", "without"].contains(next.prefix(while: isNamePart))
    }

    /// The index behind the brace that closes the matchers; strings may contain braces.
    private static func endOfMatchers(_ text: Substring) -> Substring.Index {
        var isInString = false
        for index in text.indices {
            if text[index] == "\"" { isInString.toggle() }
            if text[index] == "}", !isInString { return text.index(after: index) }
        }
        return text.endIndex
    }
}
