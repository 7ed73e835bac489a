// An SMTP server of a few lines, for the mail that programs under test send.

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Takes every mail (RFC 5321) from whoever says any name and password, on a port of its own.
final class SmallMailServer: Sendable {
    struct Mail: Sendable {
        var sender = ""
        var recipients: [String] = []
        /// Headers and body.
        var text = ""
    }

    let port: Int
    private let channel: any Channel
    private let received: Received

    private final class Received: Sendable {
        let mails = Mutex<[Mail]>([])
    }

    init() async throws {
        let received = Received()
        self.received = received
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(received: received))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit { channel.close(promise: nil) }

    var mails: [Mail] { received.mails.withLock { $0 } }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let received: Received
        private var pending = ""
        private var mail = Mail()
        private var isInData = false

        init(received: Received) { self.received = received }

        func channelActive(context: ChannelHandlerContext) { answer("220 ready", context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            pending += String(buffer: unwrapInboundIn(data))
            while let end = pending.range(of: "\r\n") {
                let line = String(pending[..<end.lowerBound])
                pending.removeSubrange(..<end.upperBound)
                take(line, context)
            }
        }

        private func take(_ line: String, _ context: ChannelHandlerContext) {
            guard !isInData else {
                guard line == "." else {
                    mail.text += line + "\n"
                    return
                }
                isInData = false
                received.mails.withLock { $0.append(mail) }
                return answer("250 kept", context)
            }
            let command = line.uppercased()
            if command.hasPrefix("EHLO") {
                answer("250-here\r\n250 AUTH PLAIN", context)
            } else if command.hasPrefix("AUTH") {
                answer("235 whoever you are", context)
            } else if command.hasPrefix("MAIL FROM:") {
                mail = Mail(sender: String(line.dropFirst("MAIL FROM:".count)))
                answer("250 good", context)
            } else if command.hasPrefix("RCPT TO:") {
                mail.recipients.append(String(line.dropFirst("RCPT TO:".count)))
                answer("250 good", context)
            } else if command == "DATA" {
                isInData = true
                answer("354 go on", context)
            } else {
                answer(command == "QUIT" ? "221 bye" : "250 good", context)
            }
        }

        private func answer(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text + "\r\n")), promise: nil)
        }
    }
}
