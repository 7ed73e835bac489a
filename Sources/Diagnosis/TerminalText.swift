// Text for terminals: short lines, and nothing that a terminal obeys.

enum TerminalText {
    /// Lines of at most `width` columns, broken between words; those after the first begin `hanging` further in.
    static func wrapped(_ text: String, width: Int, indentation: Int = 0, hanging: Int = 0) -> [String] {
        let margin = String(repeating: " ", count: indentation)
        var lines: [String] = []
        var line = margin
        for word in printable(text).split(separator: " ", omittingEmptySubsequences: false) {
            let isFirst = line.allSatisfy { $0 == " " }
            if !isFirst, line.count + 1 + word.count > width {
                lines.append(line)
                line = margin + String(repeating: " ", count: hanging) + word
            } else {
                line += isFirst ? String(word) : " " + word
            }
        }
        return lines + [line]
    }

    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                result += "?"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
