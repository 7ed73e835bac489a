// A client that says exactly what a test wants it to say.

import NIOCore
import NIOPosix
import NIOSSL
import Testing

struct RawResponse: Sendable, Equatable {
    var statusLine: String
    var headers: [String]
    var body: String
    /// As they came, if the body was chunked.
    var chunks: [String] = []

    var status: Int { Int(statusLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    func header(_ name: String) -> String? {
        let prefix = name.lowercased() + ":"
        let line = headers.first { $0.lowercased().hasPrefix(prefix) }
        return line.map { String($0.dropFirst(prefix.count).drop { $0 == " " }) }
    }
}

struct ConnectionEnded: Error {}

struct RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let channel: any Channel
    private var received: [UInt8] = []
    private var hasEnded = false
    /// What came with the last that was asked for, and is beyond it.
    var unread: String { String(decoding: received, as: UTF8.self) }

    static func open<Result: Sendable>(
        port: Int, tls: NIOSSLContext? = nil, _ body: (inout RawConnection) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var connection = RawConnection(
                inbound: inbound.makeAsyncIterator(), outbound: outbound, channel: channel.channel)
            return try await body(&connection)
        }
    }

    private init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, channel: any Channel
    ) {
        self.inbound = inbound
        self.outbound = outbound
        self.channel = channel
    }

    // MARK: - Sending

    func send(_ bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    func send(_ text: String) async throws {
        try await send(Array(text.utf8))
    }

    func send(_ method: String, _ path: String, headers: [String] = [], body: String? = nil) async throws {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: test"] + headers
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        try await send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
    }

    func post(_ path: String, _ body: String) async throws {
        try await send("POST", path, headers: ["Content-Type: application/json"], body: body)
    }

    /// Says that nothing more will be sent.
    func closeOutput() {
        outbound.finish()
    }

    /// Vanishes.
    func close() async throws {
        try await channel.close()
    }

    // MARK: - Receiving

    /// One whole response.
    mutating func response() async throws -> RawResponse {
        let head = try await text(upTo: "\r\n\r\n")
        let lines = head.components(separatedBy: "\r\n")
        var response = RawResponse(statusLine: lines[0], headers: Array(lines.dropFirst()), body: "")
        if response.status == 100 { return try await self.response() }
        if response.header("transfer-encoding") == "chunked" {
            while let chunk = try await nextChunk() { response.chunks.append(chunk) }
            response.body = response.chunks.joined()
        } else if let length = response.header("content-length").flatMap({ Int($0) }) {
            response.body = try await text(count: length)
        } else {
            response.body = try await rest()
        }
        return response
    }

    /// The head of a response, up to the empty line.
    mutating func head() async throws -> String {
        try await text(upTo: "\r\n\r\n")
    }

    /// The next chunk of a chunked body; nil at its end.
    mutating func nextChunk() async throws -> String? {
        let size = try #require(Int(try await text(upTo: "\r\n"), radix: 16))
        let chunk = try await text(count: size)
        _ = try await text(count: 2)
        return size == 0 ? nil : chunk
    }

    /// All that still comes until the server closes its side.
    mutating func rest() async throws -> String {
        String(decoding: try await restBytes(), as: UTF8.self)
    }

    mutating func restBytes() async throws -> [UInt8] {
        while try await receive() {}
        defer { received = [] }
        return received
    }

    private mutating func text(upTo marker: String) async throws -> String {
        let pattern = Array(marker.utf8)
        var start = 0
        while true {
            while start + pattern.count <= received.count {
                if received[start..<start + pattern.count].elementsEqual(pattern) {
                    let text = String(decoding: received[..<start], as: UTF8.self)
                    received.removeFirst(start + pattern.count)
                    return text
                }
                start += 1
            }
            guard try await receive() else { throw ConnectionEnded() }
        }
    }

    private mutating func text(count: Int) async throws -> String {
        while received.count < count {
            guard try await receive() else { throw ConnectionEnded() }
        }
        defer { received.removeFirst(count) }
        return String(decoding: received.prefix(count), as: UTF8.self)
    }

    /// Waits for bytes; false at the end.
    private mutating func receive() async throws -> Bool {
        guard !hasEnded else { return false }
        guard let buffer = try? await inbound.next() else {
            hasEnded = true
            return false
        }
        received.append(contentsOf: buffer.readableBytesView)
        return true
    }
}

extension String {
    /// Pieces between separators, also empty ones.
    func components(separatedBy separator: String) -> [String] {
        var pieces: [String] = []
        var rest = Array(utf8)[...]
        let pattern = Array(separator.utf8)
        var piece: [UInt8] = []
        while let byte = rest.first {
            if rest.starts(with: pattern) {
                pieces.append(String(decoding: piece, as: UTF8.self))
                piece = []
                rest = rest.dropFirst(pattern.count)
            } else {
                piece.append(byte)
                rest = rest.dropFirst()
            }
        }
        return pieces + [String(decoding: piece, as: UTF8.self)]
    }
}
