// A date and a time of day, for templates that write today's date.

/// What a clock on the wall and a calendar show, in the Gregorian calendar.
public struct CivilTime: Sendable, Equatable {
    public let year: Int
    /// 1 to 12.
    public let month: Int
    /// 1 to 31.
    public let day: Int
    public let hour: Int
    public let minute: Int
    public let second: Int

    private static let secondsPerDay = 86_400
    /// No calendar is in use beyond these; the arithmetic has room to spare.
    private static let knownSeconds = -62_135_596_800...253_402_300_799

    /// - Parameters:
    ///   - seconds: Since 1970 began in Greenwich; clamped to the years 1 to 9999.
    ///   - utcOffset: Seconds by which the wall clock is ahead of Greenwich.
    public init(secondsSinceEpoch seconds: Int, utcOffset: Int = 0) {
        let range = Self.knownSeconds
        let offset = min(max(utcOffset, -Self.secondsPerDay), Self.secondsPerDay)
        let local = min(
            max(min(max(seconds, range.lowerBound), range.upperBound) + offset, range.lowerBound),
            range.upperBound
        )
        let day = Self.floorDivide(local, Self.secondsPerDay)
        let secondOfDay = local - day * Self.secondsPerDay
        (year, month, self.day) = Self.date(dayFromEpoch: day)
        hour = secondOfDay / 3600
        minute = secondOfDay % 3600 / 60
        second = secondOfDay % 60
    }

    /// 0 is Sunday.
    var weekday: Int {
        let day = dayFromEpoch(year: year, month: month, day: day)
        return (day % 7 + 11) % 7
    }

    /// 1 is the first of January.
    var dayOfYear: Int {
        dayFromEpoch(year: year, month: month, day: day) - dayFromEpoch(year: year, month: 1, day: 1) + 1
    }

    /// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that leap days end them.
    private static func date(dayFromEpoch: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = dayFromEpoch + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private func dayFromEpoch(year: Int, month: Int, day: Int) -> Int {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let era = Self.floorDivide(yearFromMarch, 400)
        let yearOfEra = yearFromMarch - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func floorDivide(_ number: Int, _ divisor: Int) -> Int {
        let quotient = number / divisor
        return number % divisor < 0 ? quotient - 1 : quotient
    }
}

// MARK: - Formatting

extension CivilTime {
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// As C's `strftime` in the C locale; a conversion that it does not know stays as it is written.
    func formatted(_ format: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        while position < format.count {
            let byte = format[position]
            position += 1
            guard byte == UInt8(ascii: "%"), position < format.count else {
                result.append(byte)
                continue
            }
            var padding: Character? = "0"
            if format[position] == UInt8(ascii: "-"), position + 1 < format.count {
                padding = nil
                position += 1
            }
            let conversion = format[position]
            position += 1
            if let text = text(of: Character(Unicode.Scalar(conversion)), padding: padding) {
                result.append(contentsOf: text.utf8)
            } else {
                result.append(UInt8(ascii: "%"))
                if padding == nil { result.append(UInt8(ascii: "-")) }
                result.append(conversion)
            }
        }
        return result
    }

    private func text(of conversion: Character, padding: Character?) -> String? {
        func number(_ value: Int, width: Int = 2, padding: Character? = padding) -> String {
            let digits = String(value)
            return String(repeating: padding.map(String.init) ?? "", count: max(0, width - digits.utf8.count)) + digits
        }
        let hour12 = (hour + 11) % 12 + 1
        switch conversion {
        case "Y": return number(year, width: 4)
        case "y": return number(year % 100)
        case "m": return number(month)
        case "d": return number(day)
        case "e": return number(day, padding: padding == nil ? nil : " ")
        case "H": return number(hour)
        case "I": return number(hour12)
        case "M": return number(minute)
        case "S": return number(second)
        case "f": return "000000"
        case "j": return number(dayOfYear, width: 3)
        case "p": return hour < 12 ? "AM" : "PM"
        case "A": return Self.weekdays[weekday]
        case "a": return String(Self.weekdays[weekday].prefix(3))
        case "B": return Self.months[month - 1]
        case "b", "h": return String(Self.months[month - 1].prefix(3))
        case "w": return String(weekday)
        case "u": return String(weekday == 0 ? 7 : weekday)
        case "F": return "\(number(year, width: 4))-\(number(month))-\(number(day))"
        case "T", "X": return "\(number(hour)):\(number(minute)):\(number(second))"
        case "R": return "\(number(hour)):\(number(minute))"
        case "D", "x": return "\(number(month))/\(number(day))/\(number(year % 100))"
        case "n": return "\n"
        case "t": return "\t"
        case "Z", "z": return ""
        case "%": return "%"
        default: return nil
        }
    }
}
