// The pair of Prometheus and the pair of Alertmanagers: tools/ha-check.py with the real programs.

import Foundation
import Testing

@Suite("Monitoring in pairs", .serialized)
struct HighAvailabilityTests {
    @Test("alerts outlive one Prometheus and one Alertmanager, and are delivered once")
    func pairs() throws {
        for program in ["prometheus", "prometheus-alertmanager"] { _ = try TestFiles.prometheusProgram(program) }
        let script = TestFiles.root.appending(path: "tools/ha-check.py").path
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", script, try TestFiles.binary(), try TestFiles.model()]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
        for sentence in [
            "PagodaRequestsRejected, sent by both, was delivered once, and its end once",
            "PagodaDown, seen by prometheus-b alone, was delivered once",
            "PagodaDown was not delivered a second time", "the end of PagodaDown was delivered once",
        ] {
            #expect(text.contains(sentence), "\(text)")
        }
    }
}
