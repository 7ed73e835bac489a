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
}
