// What the operating system says of this process.

public import Telemetry

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The `process_` metrics of Prometheus' clients, read from /proc at every scrape; all memory, weights included.
/// Where there is no /proc they stay 0.
public struct ProcessMetrics: Sendable {
    private let virtualMemory: Gauge
    private let residentMemory: Gauge
    private let startTime: Gauge
    private let cpuSeconds: Counter
    private let openFiles: Gauge
    private let maximumFiles: Gauge

    @discardableResult
    public init(in registry: MetricRegistry) throws(MetricError) {
        virtualMemory = try registry.gauge("process_virtual_memory_bytes", help: "Virtual memory size in bytes.")
        residentMemory = try registry.gauge("process_resident_memory_bytes", help: "Resident memory size in bytes.")
        startTime = try registry.gauge(
            "process_start_time_seconds", help: "Start time of the process since unix epoch in seconds.")
        cpuSeconds = try registry.counter(
            "process_cpu_seconds_total", help: "Total user and system CPU time spent in seconds.")
        openFiles = try registry.gauge("process_open_fds", help: "Number of open file descriptors.")
        maximumFiles = try registry.gauge("process_max_fds", help: "Maximum number of open file descriptors.")
        let metrics = self
        registry.beforeScrape { metrics.collect(into: $0) }
    }

    private func collect(into registry: MetricRegistry) {
        let state = ProcessState.current()
        let openFileCount = ProcFile.entryCount("/proc/self/fd")
        let maximumFileCount = ProcessState.maximumFileCount()
        registry.update { values in
            if let state {
                values.set(virtualMemory, to: state.virtualBytes)
                values.set(residentMemory, to: state.residentBytes)
                values.set(startTime, to: state.startSeconds)
                values.raise(cpuSeconds, to: state.cpuSeconds)
            }
            if let openFileCount { values.set(openFiles, to: Double(openFileCount)) }
            if let maximumFileCount { values.set(maximumFiles, to: maximumFileCount) }
        }
    }
}

/// The fields of /proc/self/stat that are exposed; see proc_pid_stat(5).
private struct ProcessState {
    var virtualBytes: Double
    var residentBytes: Double
    /// Since the epoch.
    var startSeconds: Double
    var cpuSeconds: Double

    /// When the machine started, since the epoch; once, so that the start time stands still when the clock is set.
    private static let bootSeconds = ProcFile.value(of: "btime", inFile: "/proc/stat")

    static func current() -> ProcessState? {
        // The command's name, in parentheses, may hold anything; numbers begin after the last one.
        guard let stat = ProcFile.bytes("/proc/self/stat"), let end = stat.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = stat[stat.index(after: end)...].split(separator: UInt8(ascii: " ")).map(ProcFile.number)
        guard fields.count > 21, let bootSeconds, let user = fields[11], let system = fields[12],
            let started = fields[19], let virtualBytes = fields[20], let residentPages = fields[21]
        else { return nil }
        let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
        return ProcessState(
            virtualBytes: virtualBytes, residentBytes: residentPages * Double(max(1, sysconf(Int32(_SC_PAGESIZE)))),
            startSeconds: bootSeconds + started / ticks, cpuSeconds: (user + system) / ticks)
    }

    static func maximumFileCount() -> Double? {
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return nil }
        // No limit is the highest number, signed or not.
        return limit.rlim_cur >= rlim_t(Int64.max) ? .infinity : Double(limit.rlim_cur)
    }
}
