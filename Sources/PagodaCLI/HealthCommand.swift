// `pagoda health`: whether a server is ready, as an exit code. Our image has no other program to ask with.

internal import ArgumentParser
internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health", abstract: "Say by the exit code whether a server is ready: 0 if it is, 1 if not.",
        discussion: """
            Asks for /health, which takes no key: a server that loads its model, is stopping or is stuck is not ready. \
            Where the address is https:// the certificate is not checked, since nothing secret is sent and a server \
            asked about itself has a certificate for another name.
            """)

    @Option(help: "The server; by default what PAGODA_HEALTH_URL says, or http://127.0.0.1:8000.")
    var url: String?

    @Option(help: "Seconds to wait for the answer.")
    var timeout = 5.0

    func run() async throws {
        guard timeout.isFinite, (0.1...3600).contains(timeout) else {
            throw CommandError.invalidOption(name: "timeout", value: "\(timeout)", allowed: "0.1 to 3600 seconds")
        }
        let address = Self.address(url, environment: environmentVariable)
        let status: HTTPResponseStatus
        do {
            status = try await Self.status(of: address, within: .milliseconds(Int64(timeout * 1000)))
        } catch {
            throw CommandError.server("No answer from \(address): \(error).")
        }
        guard status == .ok else { throw CommandError.server("\(address) answered \(status.code): not ready.") }
        Console.write("ready\n")
    }

    /// The whole address of the probe.
    ///
    /// - Parameters:
    ///   - url: The server's base address, or that of a probe itself; nil: as the environment says.
    ///   - environment: Gives variables; an empty one counts as not set.
    private static func address(_ url: String?, environment: (String) -> String?) -> String {
        let named = url ?? environment("PAGODA_HEALTH_URL").flatMap { $0.isEmpty ? nil : $0 }
        let base = MetricsClient.base(named ?? "http://127.0.0.1:8000")
        return base.hasSuffix("/health") || base.hasSuffix("/ping") ? base : base + "/health"
    }

    private static func status(of address: String, within limit: TimeAmount) async throws -> HTTPResponseStatus {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .none
        configuration.tlsConfiguration = tls
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            let response = try await client.execute(HTTPClientRequest(url: address), timeout: limit)
            try await client.shutdown()
            return response.status
        } catch {
            try? await client.shutdown()
            throw error
        }
    }
}
