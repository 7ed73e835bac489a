// The time on the wall, in the two forms in which results carry it.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// A moment of the wall clock, in local time.
public struct WallTime: Sendable, Equatable {
    /// Since 1970.
    private let microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    func advanced(bySeconds seconds: Double) -> WallTime {
        WallTime(microseconds: microseconds + (Int64(exactly: (seconds * 1e6).rounded()) ?? 0))
    }

    /// `20261124-153000`, as in names of result files.
    public var stamp: String {
        let (date, time) = fields()
        return date.joined() + "-" + time.joined()
    }

    /// `2026-11-24T15:30:00.000000`.
    public var iso8601: String {
        let (date, time) = fields()
        let fraction = Self.padded(microseconds % 1_000_000, count: 6)
        return date.joined(separator: "-") + "T" + time.joined(separator: ":") + "." + fraction
    }

    private func fields() -> (date: [String], time: [String]) {
        var seconds = time_t(microseconds / 1_000_000)
        var local = tm()
        localtime_r(&seconds, &local)
        return (
            [
                Self.padded(Int64(local.tm_year) + 1900, count: 4), Self.padded(Int64(local.tm_mon) + 1, count: 2),
                Self.padded(Int64(local.tm_mday), count: 2),
            ],
            [local.tm_hour, local.tm_min, local.tm_sec].map { Self.padded(Int64($0), count: 2) }
        )
    }

    private static func padded(_ number: Int64, count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
