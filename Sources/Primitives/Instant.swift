// A moment on the monotonic clock.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A moment in nanoseconds of the monotonic clock: immune to changes of the wall clock, cheap to copy into statistics.
@frozen
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Seconds from `earlier` to this moment; never negative.
    @inlinable
    public func seconds(since earlier: Instant) -> Double {
        Double(max(0, nanoseconds &- earlier.nanoseconds)) * 1e-9
    }

    @inlinable
    public func advanced(by duration: Duration) -> Instant {
        let (seconds, attoseconds) = duration.components
        return Instant(nanoseconds: nanoseconds &+ seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000)
    }
}
