import Foundation
import Testing

@Suite("Grafana dashboard")
struct DashboardTests {
    private let dashboard: [String: Any]
    private let panels: [[String: Any]]

    init() throws {
        let text = try DeploymentFiles.text("deploy/grafana/dashboards/pagoda.json")
        dashboard = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        panels = try #require(dashboard["panels"] as? [[String: Any]])
    }

    @Test("the file is what its generator makes")
    func generated() throws {
        let generator = DeploymentFiles.root.appending(path: "tools/grafana-dashboard.py").path
        let made = try DeploymentFiles.run("/usr/bin/env", ["python3", generator, "--print"])
        #expect(made.status == 0)
        #expect(made.output == (try DeploymentFiles.text("deploy/grafana/dashboards/pagoda.json")))
    }

    @Test("the first row is the source's: requests, latencies, KV cache, success, tokens")
    func firstRow() {
        let kinds = panels.prefix(8).map { "\($0["type"] ?? ""): \($0["title"] ?? "")" }
        #expect(
            kinds == [
                "row: At a glance", "timeseries: Requests", "heatmap: Latency", "timeseries: Mean and P99 latency",
                "gauge: KV cache in use", "timeseries: Success ratio", "stat: Tokens a second, live",
                "timeseries: Tokens a second",
            ])
    }

    @Test("data source, model and instance are the reader's choice, in every panel")
    func variables() throws {
        let templating = try #require(dashboard["templating"] as? [String: Any])
        let names = (templating["list"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
        #expect(names == ["datasource", "model_name", "instance"])
        for panel in panels where panel["type"] as? String != "row" {
            let targets = panel["targets"] as? [[String: Any]] ?? []
            #expect(!targets.isEmpty, "\(panel["title"] ?? "")")
            for target in targets {
                #expect((target["datasource"] as? [String: String])?["uid"] == "${datasource}")
                let query = target["expr"] as? String ?? ""
                let braces = query.count { $0 == "{" }
                #expect(braces > 0 && braces == query.matches(of: #/\{instance=~"\$instance"/#).count, "\(query)")
            }
        }
    }

    @Test("panels have ids of their own and do not overlap")
    func layout() throws {
        var taken: Set<[Int]> = []
        var ids: Set<Int> = []
        for panel in panels {
            #expect(ids.insert(try #require(panel["id"] as? Int)).inserted)
            let place = try #require(panel["gridPos"] as? [String: Int])
            let (x, y) = (try #require(place["x"]), try #require(place["y"]))
            let (width, height) = (try #require(place["w"]), try #require(place["h"]))
            #expect(x >= 0 && x + width <= 24)
            for column in x..<(x + width) {
                for row in y..<(y + height) {
                    #expect(taken.insert([column, row]).inserted, "\(panel["title"] ?? "") overlaps another panel")
                }
            }
        }
    }
}
