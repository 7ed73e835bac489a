// Sizes as people write them on a command line.

public import ArgumentParser

/// A count of bytes or tokens: plain digits, or with a suffix, lower case decimal (4g) or upper case binary (4G).
///
/// As vLLM reads them; a fraction goes with the decimal suffixes alone (25.6k).
public struct HumanCount: ExpressibleByArgument, Sendable, Equatable {
    public let value: Int

    public init(_ value: Int) {
        self.value = value
    }

    public init?(argument: String) {
        let factors: [Character: Int] = [
            "k": 1_000, "m": 1_000_000, "g": 1_000_000_000, "t": 1_000_000_000_000,
            "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40,
        ]
        guard let last = argument.last, let factor = factors[last] else {
            guard let value = Int(argument) else { return nil }
            self.value = value
            return
        }
        let digits = argument.dropLast()
        if let whole = Int(digits) {
            let (product, overflow) = whole.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            value = product
        } else {
            guard last.isLowercase, let fraction = Double(digits),
                let value = Int(exactly: (fraction * Double(factor)).rounded())
            else { return nil }
            self.value = value
        }
    }

    public var defaultValueDescription: String { "\(value)" }
}
