// General categories of scalars, as the reference's regular expressions see them.

/// A set of Unicode general categories.
struct CategorySet: OptionSet, Sendable {
    let rawValue: UInt32

    static let uppercaseLetter = CategorySet(rawValue: 1 << 0)
    static let lowercaseLetter = CategorySet(rawValue: 1 << 1)
    static let titlecaseLetter = CategorySet(rawValue: 1 << 2)
    static let modifierLetter = CategorySet(rawValue: 1 << 3)
    static let otherLetter = CategorySet(rawValue: 1 << 4)
    static let nonspacingMark = CategorySet(rawValue: 1 << 5)
    static let spacingMark = CategorySet(rawValue: 1 << 6)
    static let enclosingMark = CategorySet(rawValue: 1 << 7)
    static let decimalNumber = CategorySet(rawValue: 1 << 8)
    static let letterNumber = CategorySet(rawValue: 1 << 9)
    static let otherNumber = CategorySet(rawValue: 1 << 10)
    static let punctuation = CategorySet(rawValue: 1 << 11)
    static let connectorPunctuation = CategorySet(rawValue: 1 << 12)
    static let symbol = CategorySet(rawValue: 1 << 13)
    static let separator = CategorySet(rawValue: 1 << 14)
    static let other = CategorySet(rawValue: 1 << 15)

    static let letter: CategorySet = [
        .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
    ]
    static let mark: CategorySet = [.nonspacingMark, .spacingMark, .enclosingMark]
    static let number: CategorySet = [.decimalNumber, .letterNumber, .otherNumber]
    static let word: CategorySet = [.letter, .mark, .decimalNumber, .letterNumber, .connectorPunctuation]

    /// The names that a pattern may use in `\p{…}`.
    static let named: [String: CategorySet] = [
        "L": .letter, "Lu": .uppercaseLetter, "Ll": .lowercaseLetter, "Lt": .titlecaseLetter, "Lm": .modifierLetter,
        "Lo": .otherLetter, "M": .mark, "Mn": .nonspacingMark, "Mc": .spacingMark, "Me": .enclosingMark,
        "N": .number, "Nd": .decimalNumber, "Nl": .letterNumber, "No": .otherNumber,
        "P": [.punctuation, .connectorPunctuation], "S": .symbol, "Z": .separator,
    ]

    /// The category of one scalar; surrogates and values beyond Unicode are `.other`.
    static func category(of scalar: UInt32) -> CategorySet {
        if scalar < 0x1_0000 { return basicPlane[Int(scalar)] }
        return computed(scalar)
    }

    /// Most text lies here, and asking the standard library costs two searches.
    private static let basicPlane: [CategorySet] = (0..<0x1_0000).map(computed)

    private static func computed(_ value: UInt32) -> CategorySet {
        guard let scalar = Unicode.Scalar(value) else { return .other }
        let category = Self(scalar.properties.generalCategory)
        // The reference's tables (Oniguruma in `tokenizers` 0.23) are of Unicode 16: what came later is unassigned.
        guard category != .other, let age = scalar.properties.age, age.major <= 16 else { return .other }
        return category
    }

    private init(_ category: Unicode.GeneralCategory) {
        switch category {
        case .uppercaseLetter: self = .uppercaseLetter
        case .lowercaseLetter: self = .lowercaseLetter
        case .titlecaseLetter: self = .titlecaseLetter
        case .modifierLetter: self = .modifierLetter
        case .otherLetter: self = .otherLetter
        case .nonspacingMark: self = .nonspacingMark
        case .spacingMark: self = .spacingMark
        case .enclosingMark: self = .enclosingMark
        case .decimalNumber: self = .decimalNumber
        case .letterNumber: self = .letterNumber
        case .otherNumber: self = .otherNumber
        case .connectorPunctuation: self = .connectorPunctuation
        case .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation:
            self = .punctuation
        case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: self = .symbol
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: self = .separator
        default: self = .other
        }
    }

    init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}
