// The time of day, for clients. Nothing is measured with it.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

enum WallClock {
    /// Unix time.
    static func seconds() -> Int64 {
        Int64(time(nil))
    }

    /// Unix time, with its fraction.
    static func now() -> Double {
        var moment = timespec()
        clock_gettime(CLOCK_REALTIME, &moment)
        return Double(moment.tv_sec) + Double(moment.tv_nsec) * 1e-9
    }
}
