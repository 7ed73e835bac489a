// The time of day, for people and other programs. Nothing is measured with it.

import Primitives
import Tracing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A moment of the wall clock, in nanoseconds since 1970.
struct WallTime: Sendable, Hashable {
    var nanoseconds: Int64

    static func now() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// `2026-11-25T18:37:00.123Z`.
    var iso8601: String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var utc = tm()
        gmtime_r(&seconds, &utc)
        let date = [
            Self.padded(Int(utc.tm_year) + 1900, count: 4), Self.padded(Int(utc.tm_mon) + 1, count: 2),
            Self.padded(Int(utc.tm_mday), count: 2),
        ]
        let time = [utc.tm_hour, utc.tm_min, utc.tm_sec].map { Self.padded(Int($0), count: 2) }
        let fraction = Self.padded(Int(nanoseconds % 1_000_000_000) / 1_000_000, count: 3)
        return date.joined(separator: "-") + "T" + time.joined(separator: ":") + ".\(fraction)Z"
    }

    private static func padded(_ number: Int, count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.utf8.count)) + digits
    }
}

/// When a moment of the monotonic clock was by the wall clock, as both clocks stand when it is made: one for each
/// request, so that the moments of one request keep their distances even if the wall clock is set meanwhile.
struct ClockAnchor: Sendable {
    private let instant: Instant
    private let wall: WallTime

    init(instant: Instant = .now(), wall: WallTime = .now()) {
        self.instant = instant
        self.wall = wall
    }

    func wallTime(of moment: Instant) -> WallTime {
        WallTime(nanoseconds: wall.nanoseconds &+ (moment.nanoseconds &- instant.nanoseconds))
    }
}

extension WallTime: TracerInstant {
    var nanosecondsSinceEpoch: UInt64 { UInt64(clamping: nanoseconds) }

    static func < (left: WallTime, right: WallTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
