// What templates that write a date take for today.

import Templating

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension CivilTime {
    /// The wall clock of the machine's time zone.
    static func now() -> CivilTime {
        var seconds = time(nil)
        var local = tm()
        localtime_r(&seconds, &local)
        return CivilTime(secondsSinceEpoch: seconds, utcOffset: local.tm_gmtoff)
    }
}
