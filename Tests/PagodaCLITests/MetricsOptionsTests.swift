import ArgumentParser
import PagodaCLI
import Testing

@Suite("Options about metrics")
struct MetricsOptionsTests {
    @Test(
        "labels are named alone or together, and the measurement at start can be left out",
        arguments: [
            "", "--metrics-labels model", "--metrics-labels endpoint,model", "--metrics_labels=endpoint",
            "--no-measure-machine", "--measure-machine",
        ])
    func accepted(line: String) throws {
        _ = try Pagoda.parseAsRoot(arguments(line))
    }

    @Test("a label that a client could fill is refused by its name", arguments: ["user", "model,path", "Model"])
    func refused(labels: String) {
        do {
            _ = try Pagoda.parseAsRoot(arguments("--metrics-labels \(labels)"))
            Issue.record("\(labels) was accepted")
        } catch {
            let message = Pagoda.message(for: error)
            #expect(message.contains("--metrics-labels") && message.contains("model, endpoint"))
        }
    }

    private func arguments(_ line: String) -> [String] {
        Pagoda.normalized(["serve", "M"] + line.split(separator: " ").map { String($0) })
    }
}
