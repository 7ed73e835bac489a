// Where `pagoda doctor` gets metrics from: the server itself, or a Prometheus that has scraped it.

internal import AsyncHTTPClient
internal import Diagnosis
internal import NIOCore
internal import NIOHTTP1
internal import Primitives

/// Gives the metrics of one server over some time.
protocol MetricsSource: Sendable {
    /// For people.
    var address: String { get }
    func window() async throws -> MetricsWindow
}

/// Reads a server's metrics several times.
struct ScrapeSource: MetricsSource {
    let address: String
    private let seconds: Double
    private let client: MetricsClient

    /// Readings at most; gauges are told as their means.
    private static let sampleLimit = 61

    /// - Parameter server: Its base address, or the whole address of its metrics.
    init(server: String, seconds: Double, client: MetricsClient) {
        address = server.hasSuffix("/metrics") || server.contains("?") ? server : server + "/metrics"
        self.seconds = seconds
        self.client = client
    }

    func window() async throws -> MetricsWindow {
        let count = min(Self.sampleLimit, max(2, Int(seconds.rounded()) + 1))
        let start = ContinuousClock.now
        var samples: [MetricsSample] = []
        for index in 0..<count {
            let offset = seconds * Double(index) / Double(count - 1)
            try await Task.sleep(until: start + .seconds(offset))
            samples.append(try await sample())
        }
        guard let window = MetricsWindow(samples) else { throw CommandError.server("No time went by; try again.") }
        return window
    }

    private func sample() async throws -> MetricsSample {
        let asked = Instant.now()
        let text = try await client.get(address, accept: "text/plain;version=0.0.4", limit: 16 << 20)
        let answered = Instant.now()
        // The server looked at its values about half-way.
        let seconds = (Double(asked.nanoseconds) + Double(answered.nanoseconds)) / 2 * 1e-9
        return MetricsSample(try ExpositionParser.parse(text), seconds: seconds)
    }
}

/// Asks a Prometheus for the samples of a range that ends now.
struct PrometheusSource: MetricsSource {
    let base: String
    let range: PrometheusRange
    let client: MetricsClient

    var address: String { base }

    func window() async throws -> MetricsWindow {
        // By its clock, which need not be ours.
        let time = try PrometheusRange.time(try await ask("query", [("query", "time()")]))
        let answer = try await ask(
            "query_range",
            [
                ("query", range.query), ("start", "\(time - range.length)"), ("end", "\(time)"),
                ("step", "\(range.step)"),
            ])
        return try range.window(answer)
    }

    private func ask(_ endpoint: String, _ parameters: [(name: String, value: String)]) async throws -> [UInt8] {
        let query = parameters.map { "\($0.name)=\(Self.encoded($0.value))" }.joined(separator: "&")
        // Its refusals are JSON that says why.
        return try await client.get(
            "\(base)/api/v1/\(endpoint)?\(query)", accept: "application/json",
            limit: PrometheusRange.maximumAnswerBytes, refusalStatus: 400)
    }

    /// Percent-encoded for a query.
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte -> String in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }.joined()
    }
}

/// GET, with a bound on everything.
struct MetricsClient: Sendable {
    let headers: [(key: String, value: String)]

    /// Lives as long as the process. Where nobody listens it says so at once.
    private static let http = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()

    /// An address as people type it, with a scheme and without a slash at its end.
    static func base(_ address: String) -> String {
        var base = address.contains("://") ? address : "http://" + address
        while base.hasSuffix("/") { base.removeLast() }
        return base
    }

    /// The body of a 200, or of `refusalStatus`.
    ///
    /// - Parameter refusals: What to say of other statuses, where there is more to say than of all addresses.
    func get(
        _ url: String, accept: String, limit: Int, refusalStatus: UInt? = nil, refusals: [UInt: String] = [:]
    ) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "Accept", value: accept)
        for header in headers { request.headers.replaceOrAdd(name: header.key, value: header.value) }
        let response: HTTPClientResponse
        do {
            response = try await Self.http.execute(request, timeout: .seconds(10))
        } catch {
            throw CommandError.server("No answer from \(url): \(error). Is the server running there?")
        }
        if let refusal = refusals[response.status.code] { throw CommandError.server(refusal) }
        switch response.status.code {
        case 200, refusalStatus: break
        case 401, 403: throw CommandError.server("\(url) asks for a key; give it with --api-key or --header.")
        default:
            throw CommandError.server("\(url) answered \(response.status); give the address of a server's metrics.")
        }
        do {
            return Array(try await response.body.collect(upTo: limit).readableBytesView)
        } catch {
            throw CommandError.server("The answer of \(url) did not come whole: \(error).")
        }
    }
}
