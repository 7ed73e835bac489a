// Upper and lower case, and the questions that Python's strings answer about their characters.

extension Unicode.Scalar {
    /// What `str.isspace` and the `\s` of Python's regular expressions mean.
    var isPythonSpace: Bool {
        switch value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// Where `str.splitlines` cuts.
    var isPythonLineBreak: Bool {
        switch value {
        case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    var isPythonLetter: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    /// What `\w` of Python's regular expressions means.
    var isPythonWord: Bool { isPythonLetter || properties.numericType != nil || self == "_" }

    var isCased: Bool {
        properties.isUppercase || properties.isLowercase || properties.generalCategory == .titlecaseLetter
    }
}

extension Text {
    enum CaseChange { case upper, lower, title, unchanged }

    /// Each scalar in another case, of the origin that it had.
    func mapped(_ change: (_ scalar: Unicode.Scalar, _ offset: Int) -> CaseChange) -> Text {
        var result = Text()
        result.isMarkup = isMarkup
        for run in runs {
            var piece: [UInt8] = []
            piece.reserveCapacity(run.range.count)
            var offset = run.range.lowerBound
            while offset < run.range.upperBound {
                let next = scalar(at: offset)
                switch change(next.scalar, offset) {
                case .upper: piece.append(contentsOf: next.scalar.properties.uppercaseMapping.utf8)
                case .title: piece.append(contentsOf: next.scalar.properties.titlecaseMapping.utf8)
                case .lower: piece.append(contentsOf: lowercase(next.scalar, offset..<next.end).utf8)
                case .unchanged: piece.append(contentsOf: bytes[offset..<next.end])
                }
                offset = next.end
            }
            result.append(bytes: piece[...], isTrusted: run.isTrusted)
        }
        return result
    }

    /// A sigma that ends a word has a form of its own.
    private func lowercase(_ scalar: Unicode.Scalar, _ range: Range<Int>) -> String {
        guard scalar == "\u{3A3}" else { return scalar.properties.lowercaseMapping }
        let endsWord = range.upperBound == bytes.count || !self.scalar(at: range.upperBound).scalar.isCased
        let beginsWord = range.lowerBound == 0 || !self.scalar(before: range.lowerBound).scalar.isCased
        return endsWord && !beginsWord ? "\u{3C2}" : "\u{3C3}"
    }

    var uppercased: Text { mapped { _, _ in .upper } }
    var lowercased: Text { mapped { _, _ in .lower } }
    var capitalized: Text { mapped { _, offset in offset == 0 ? .title : .lower } }

    var swappedCase: Text {
        mapped { scalar, _ in
            scalar.properties.isUppercase ? .lower : scalar.properties.isLowercase ? .upper : .unchanged
        }
    }

    /// Python's `str.title`: a word is a stretch of letters.
    var titleCased: Text {
        var isInWord = false
        return mapped { scalar, _ in
            defer { isInWord = scalar.isCased }
            return isInWord ? .lower : .title
        }
    }

    /// The filter `title`: a word begins after whitespace, hyphens and opening brackets.
    var jinjaTitleCased: Text {
        var isInWord = false
        return mapped { scalar, _ in
            defer { isInWord = !(scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)) }
            return isInWord ? .lower : .upper
        }
    }

    /// Whether it has letters that have a case, all in this one.
    func isAll(_ isWanted: (Unicode.Scalar) -> Bool, butNot isUnwanted: (Unicode.Scalar) -> Bool) -> Bool {
        var hasWanted = false
        for scalar in scalars {
            if isUnwanted(scalar) { return false }
            hasWanted = hasWanted || isWanted(scalar)
        }
        return hasWanted
    }

    var isLowercase: Bool {
        isAll({ $0.properties.isLowercase }, butNot: { $0.isCased && !$0.properties.isLowercase })
    }

    var isUppercase: Bool {
        isAll({ $0.properties.isUppercase }, butNot: { $0.isCased && !$0.properties.isUppercase })
    }

    var isTitle: Bool {
        var isInWord = false
        var hasCased = false
        for scalar in scalars {
            let isUpper = scalar.properties.isUppercase || scalar.properties.generalCategory == .titlecaseLetter
            if scalar.isCased, isUpper == isInWord { return false }
            isInWord = scalar.isCased
            hasCased = hasCased || isInWord
        }
        return hasCased
    }
}
