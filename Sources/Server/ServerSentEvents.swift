// The framing of streamed responses.

import NIOHTTP1
import OpenAI

/// Events on their way to one write, framed as vLLM frames them.
struct ServerSentEvents {
    static let headers: HTTPHeaders = ["content-type": "text/event-stream; charset=utf-8"]

    private(set) var bytes: [UInt8] = []

    /// `write` appends one line of JSON.
    mutating func append(_ write: (inout [UInt8]) -> Void) {
        bytes.append(contentsOf: "data: ".utf8)
        write(&bytes)
        bytes.append(contentsOf: "\n\n".utf8)
    }

    /// An error after the 200: all that can be said is said in the stream.
    mutating func append(_ error: RequestError) {
        append { $0 += error.serialized(code: Int(ErrorMapping.status(of: error.kind).code)) }
    }

    mutating func appendDone() {
        append { $0 += "[DONE]".utf8 }
    }
}
