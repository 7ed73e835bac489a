// When requests are sent: all at once, at a rate with random gaps, or at a rate that grows.

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The traffic of a load test, as vLLM's `get_request` (benchmarks/serve.py) makes it.
public struct ArrivalProcess: Sendable, Equatable {
    public enum RampUpStrategy: String, CaseIterable, Sendable {
        case linear
        case exponential
    }

    /// A rate that goes from one value to another over the requests.
    public struct RampUp: Sendable, Equatable {
        public let strategy: RampUpStrategy
        public let startRate: Int
        public let endRate: Int
    }

    /// Requests per second; infinite: all at once.
    public let requestRate: Double
    /// Shape of the gamma distribution of the gaps: 1 makes a Poisson process, less is burstier, infinite is even.
    public let burstiness: Double
    public let rampUp: RampUp?

    /// - Parameter rampUp: Excludes a finite `requestRate`.
    public init(
        requestRate: Double = .infinity, burstiness: Double = 1, rampUp: RampUp? = nil
    ) throws(LoadTestError) {
        guard requestRate > 0 else {
            throw .invalidOption(name: "request-rate", value: "\(requestRate)", allowed: "a number over 0, or inf")
        }
        guard burstiness > 0 else {
            throw .invalidOption(name: "burstiness", value: "\(burstiness)", allowed: "a number over 0")
        }
        guard rampUp == nil || requestRate == .infinity else {
            throw .invalidOption(
                name: "request-rate", value: "\(requestRate)",
                allowed: "nothing beside --ramp-up-strategy, which sets the rate")
        }
        self.requestRate = requestRate
        self.burstiness = burstiness
        self.rampUp = rampUp
    }

    /// Seconds after the start at which each of `count` requests is due, ascending.
    ///
    /// At a steady rate the gaps are scaled so that the last request is due at exactly count ÷ rate: seeds differ in
    /// where the gaps lie, not in the load.
    public func offsets(count: Int, seed: UInt64) -> [Double] {
        var random = SeededRandom(seed: seed, stream: 0)
        var elapsed = 0.0
        var offsets: [Double] = []
        offsets.reserveCapacity(count)
        for index in 0..<count {
            elapsed += gap(rate: rate(at: index, of: count), random: &random)
            offsets.append(elapsed)
        }
        guard rampUp == nil, requestRate.isFinite, elapsed > 0 else { return offsets }
        let factor = Double(count) / requestRate / elapsed
        return offsets.map { $0 * factor }
    }

    /// Requests per second at the request `index` of `count`.
    public func rate(at index: Int, of count: Int) -> Double {
        guard let rampUp else { return requestRate }
        let progress = Double(index) / Double(max(count - 1, 1))
        let start = Double(rampUp.startRate)
        let end = Double(rampUp.endRate)
        return switch rampUp.strategy {
        case .linear: start + (end - start) * progress
        case .exponential: start * pow(end / start, progress)
        }
    }

    private func gap(rate: Double, random: inout SeededRandom) -> Double {
        if rate == .infinity { return 0 }
        if burstiness == .infinity { return 1 / rate }
        return random.nextGamma(shape: burstiness, scale: 1 / (rate * burstiness))
    }
}

extension ArrivalProcess.RampUp {
    /// - Parameters:
    ///   - strategy: As `--ramp-up-strategy` gives it.
    ///   - startRate: Requests per second; over 0, since a rate of 0 would never send the first request.
    ///   - endRate: Not below `startRate`.
    public init(strategy: String, startRate: Int?, endRate: Int?) throws(LoadTestError) {
        guard let known = ArrivalProcess.RampUpStrategy(rawValue: strategy) else {
            throw .unsupported(
                option: "ramp-up-strategy", value: strategy,
                supported: ArrivalProcess.RampUpStrategy.allCases.map(\.rawValue))
        }
        guard let startRate, let endRate else {
            throw .invalidOption(
                name: "ramp-up-strategy", value: strategy,
                allowed: "a strategy together with --ramp-up-start-rps and --ramp-up-end-rps")
        }
        guard startRate > 0 else {
            throw .invalidOption(name: "ramp-up-start-rps", value: "\(startRate)", allowed: "1 or more")
        }
        guard endRate >= startRate else {
            throw .invalidOption(
                name: "ramp-up-end-rps", value: "\(endRate)", allowed: "\(startRate) (the start) or more")
        }
        self.init(strategy: known, startRate: startRate, endRate: endRate)
    }
}
