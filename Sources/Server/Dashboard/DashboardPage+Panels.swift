// What the dashboard shows: its panels, the verdict, and the loop that keeps them fresh.

extension DashboardPage {
    static let panelScript = ##"""
        /** A card with a title, the newest number and a body. */
        class Panel {
          constructor({ title, size, now, body, chart, update, empty }) {
            this.id = title.toLowerCase().replace(/[^a-z]+/g, "-");
            this.value = make("b");
            this.note = make("span");
            const label = `${this.id}-title`;
            this.element = make("section", { class: `panel ${size || ""}`, id: this.id, "aria-labelledby": label },
              make("header", {}, make("h3", { id: label }, title), make("p", { class: "now" }, this.value, this.note)));
            if (chart) {
              this.empty = make("p", { class: "empty" }, empty);
              this.element.append(make("div", { class: "plot" }, chart.canvas, this.empty), chart.legend);
            } else {
              this.element.append(...body);
            }
            Object.assign(this, { chart, update, now });
          }

          render(view) {
            if (this.chart) {
              this.chart.render(view);
              this.empty.hidden = !this.chart.isEmpty;
            }
            if (this.update) this.update(view, this);
            if (!this.now) return;
            const [value, unit, note] = this.now(view);
            this.value.textContent = format(value, unit);
            this.note.textContent = " " + note;
          }
        }

        const lines = (title, unit, series, options = {}) => new LineChart(series, { title, unit, ...options });

        const countedBy = (name, label, value) => view => {
          const found = view.history.byLabel(name, label).find(([key]) => key === value);
          return view.rate(found ? found[1] : undefined);
        };

        const phases = [
          ["forward", "model", "blue"], ["sample", "sampling", "orange"], ["schedule", "scheduling", "violet"],
          ["publish", "publishing", "gold"],
        ];

        /** Of the engine's time. A step counts when it ends, though it may have begun before the span: at most all. */
        const phaseShare = wanted => view => {
          const shares = phases.map(([phase]) => countedBy("pagoda_step_seconds_total", "phase", phase)(view));
          return shares[phases.findIndex(([phase]) => phase === wanted)].map((share, i) =>
            share / Math.max(1, shares.reduce((sum, values) => sum + values[i], 0)));
        };

        const owners = [
          ["admission", "admission"], ["queue_slots", "queue: slots"], ["queue_blocks", "queue: KV blocks"],
          ["queue_token_budget", "queue: token budget"], ["queue_tenant", "queue: tenant"],
          ["own_prefill", "own prompt"], ["others_prefill", "others’ prompts"], ["preemption", "preemption"],
          ["decode", "decode"], ["client", "client"],
        ];

        const ratioOf = (part, whole) => (part > 0 ? part : 0) / whole;

        function successRatio(view) {
          const good = countedBy("vllm_request_count", "status", "SUCCESS")(view);
          const bad = countedBy("vllm_request_count", "status", "FAILED")(view);
          return good.map((value, i) => value + bad[i] > 0 ? value / (value + bad[i]) : NaN);
        }

        function machineShare(counter, limit) {
          return view => {
            const rates = view.rateOf(counter), limits = view.gauge(limit);
            return rates.map((rate, i) => limits[i] > 0 ? rate / limits[i] : NaN);
          };
        }

        const quantile = (metric, share) => view => view.quantile(view.history.histogram(metric), share);
        const mean = metric => view => view.mean(view.history.histogram(metric));
        const gauge = name => view => view.gauge(name);

        const quantiles = (metric, title) => lines(title, "seconds", [
          { label: "median", color: "blue", values: quantile(metric, 0.5) },
          { label: "P99", color: "orange", dash: [5, 3], values: quantile(metric, 0.99) },
        ]);

        /** The newest value of a chart's line. */
        const newest = (chart, line) => chart.data && chart.data[line].length ? chart.data[line].at(-1) : NaN;

        function ringPanel() {
          const svg = drawing("svg", { viewBox: "0 0 168 168", role: "img" });
          const circle = { cx: 84, cy: 84, r: 70 }, around = 2 * Math.PI * 70;
          const part = drawing("circle", { class: "part", transform: "rotate(-90 84 84)", ...circle });
          const value = drawing("text", { x: 84, y: 90 }), note = drawing("text", { x: 84, y: 108 });
          svg.append(drawing("circle", { class: "track", ...circle }), part, value, note);
          const facts = ["blocks in use", "free", "filled with tokens", "preemptions"].map(name => {
            const fact = make("dd");
            return [make("dt", {}, name), fact];
          });
          const body = make("div", { class: "ring" }, svg, make("dl", { class: "facts" }, ...facts.flat()));
          return new Panel({
            title: "KV cache", body: [body],
            update(view) {
              const share = view.now("vllm_gpu_cache_usage_ratio");
              const known = Number.isFinite(share) ? share : 0;
              part.setAttribute("stroke-dasharray", `${around * known} ${around}`);
              value.textContent = format(share, "share");
              note.textContent = share > 0.95 ? "nearly full" : "in use";
              body.classList.toggle("high", share > 0.95);
              svg.setAttribute("aria-label", `KV cache: ${value.textContent} in use`);
              const count = name => format(name, "count");
              facts[0][1].textContent = count(view.now('pagoda_kv_blocks{state="used"}'));
              facts[1][1].textContent = count(view.now('pagoda_kv_blocks{state="free"}'));
              facts[2][1].textContent = format(view.now("pagoda_kv_utilisation_ratio"), "share");
              facts[3][1].textContent = count(view.now("vllm:num_preemptions_total"));
            },
          });
        }

        function ownerPanel() {
          const body = make("div", { class: "owners" }), legend = make("ul", { class: "legend" });
          for (const [name, dash] of [["whole latency", ""], ["time to first token", "4 2"]]) {
            const sample = drawing("svg", { viewBox: "0 0 18 10", "aria-hidden": "true" });
            sample.append(drawing("path", { d: "M0 5H18", "stroke-width": 7, "stroke-dasharray": dash }));
            sample.firstChild.style.stroke = dash ? "var(--orange)" : "var(--blue)";
            legend.append(make("li", {}, sample, name));
          }
          const rows = owners.map(([part, label]) => {
            const bars = [make("i"), make("i")], value = make("span", { class: "value" });
            body.append(make("span", {}, label),
              make("span", { class: "bars", "aria-hidden": "true" },
                make("span", { class: "bar" }, bars[0]), make("span", { class: "bar" }, bars[1])), value);
            return { part, bars, value };
          });
          return new Panel({
            title: "Time by owner", size: "half", body: [body, legend],
            update(view, panel) {
              const sums = ["pagoda_request_seconds_total", "pagoda_ttft_seconds_total"].map(name =>
                new Map(view.history.byLabel(name, "part").map(([part, index]) => [part, view.total(index)])));
              const wholes = sums.map(sum => [...sum.values()].reduce((all, value) => all + value, 0));
              for (const { part, bars, value } of rows) {
                const shares = sums.map((sum, i) => wholes[i] > 0 ? ratioOf(sum.get(part) || 0, wholes[i]) : 0);
                bars.forEach((bar, i) => { bar.style.width = `${shares[i] * 100}%`; });
                value.replaceChildren(make("b", {}, wholes[0] > 0 ? format(shares[0], "share") : "–"),
                  ` · ${wholes[1] > 0 ? format(shares[1], "share") : "–"}`);
              }
              panel.note.textContent = "of requests that ended";
            },
          });
        }

        """##

    static let mainScript = ##"""
        const dashboard = {
          history: new History(),
          range: 300,
          cursor: null,
          panels: [],
          failures: 0,

          build() {
            const success = lines("Success ratio", "share", [
              { label: "answered", color: "teal", filled: true, values: successRatio }], { top: 1 });
            const latency = "vllm_request_latency_seconds";
            const heat = new HeatChart(latency, [
              { label: "mean", color: "orange", values: mean(latency) },
              { label: "P99", color: "text", dash: [5, 3], values: quantile(latency, 0.99) },
            ], { title: "Request latency", unit: "seconds" });
            const firstToken = quantiles("vllm:time_to_first_token_seconds", "Time to first token");
            const nextToken = quantiles("vllm:inter_token_latency_seconds", "Time between tokens");
            const batch = new HeatChart("pagoda_step_sequences", [
              { label: "mean", color: "orange", values: mean("pagoda_step_sequences") },
            ], { title: "Batch", unit: "count", caption: "sequences" });
            this.panels = [
              new Panel({
                title: "Requests", empty: "No request yet.",
                chart: lines("Requests", "rate", [
                  { label: "answered", color: "blue", values: countedBy("vllm_request_count", "status", "SUCCESS") },
                  { label: "failed", color: "red", values: countedBy("vllm_request_count", "status", "FAILED") },
                ], { stacked: true }),
                now: view => [view.sumNow("vllm_request_count", "status"), "count", "in all"],
              }),
              new Panel({
                title: "Tokens a second", empty: "No token yet.",
                chart: lines("Tokens a second", "rate", [
                  { label: "generated", color: "blue", filled: true,
                    values: view => view.rateOf("vllm:generation_tokens_total", 2) },
                  { label: "prompts computed", color: "violet", dash: [3, 2], thin: true,
                    values: countedBy("pagoda_step_tokens_total", "kind", "prefill") },
                ]),
                now: view => [view.now("vllm_generation_throughput"), "count", "generated, last second"],
              }),
              new Panel({
                title: "Success ratio", chart: success, empty: "No request ended in this time.",
                now: view => {
                  const good = view.now('vllm_request_count{status="SUCCESS"}');
                  const bad = view.now('vllm_request_count{status="FAILED"}');
                  return [good + bad > 0 ? good / (good + bad) : NaN, "share", "since the start"];
                },
              }),
              new Panel({
                title: "Request latency", size: "wide", chart: heat, empty: "No request was answered in this time.",
                now: () => [newest(heat, 1), "seconds", "P99"],
              }),
              ringPanel(),
              new Panel({
                title: "Queue", empty: "No sequence yet.",
                chart: lines("Queue", "count", [
                  { label: "running", color: "blue", values: gauge("vllm_running_requests") },
                  { label: "waiting", color: "orange", values: gauge("vllm_waiting_requests") },
                ], { stacked: true, least: 4, caption: "sequences" }),
                now: view => [view.now("vllm_waiting_requests"), "count",
                  `waiting · ${format(view.now("pagoda_max_running_sequences"), "count")} slots`],
              }),
              new Panel({
                title: "Batch", chart: batch, empty: "No step in this time.",
                now: () => [newest(batch, 0), "count", "sequences per step"],
              }),
              new Panel({
                title: "KV cache over time", empty: "Nothing cached yet.",
                chart: lines("KV cache over time", "share", [
                  { label: "in use", color: "teal", filled: true, values: gauge("vllm_gpu_cache_usage_ratio") },
                  { label: "preemptions", unit: "rate", color: "red", dash: [2, 3], rug: true,
                    values: view => view.rateOf("vllm:num_preemptions_total", 1) },
                ], { top: 1 }),
                now: view => [view.now("vllm:num_preemptions_total"), "count", "preemptions"],
              }),
              new Panel({
                title: "Time to first token", chart: firstToken, empty: "No first token in this time.",
                now: () => [newest(firstToken, 1), "seconds", "P99"],
              }),
              new Panel({
                title: "Time between tokens", chart: nextToken, empty: "No stream in this time.",
                now: () => [newest(nextToken, 1), "seconds", "P99"],
              }),
              new Panel({
                title: "Machine", empty: "Not measured yet.",
                chart: lines("Machine", "share", [
                  { label: "multiply-adds", color: "violet", values: machineShare(
                    "pagoda_multiply_adds_total", "pagoda_machine_multiply_adds_per_second") },
                  { label: "memory bandwidth", color: "teal", dash: [5, 3], values: machineShare(
                    "pagoda_memory_read_bytes_total", "pagoda_machine_read_bytes_per_second") },
                ]),
                now: view => [view.now("process_resident_memory_bytes"), "bytes", "resident"],
              }),
              new Panel({
                title: "Time of the engine", size: "half", empty: "No step yet.",
                chart: lines("Time of the engine", "share", phases.map(([phase, label, color]) => ({
                  label, color, values: phaseShare(phase),
                })), { stacked: true, top: 1 }),
                now: view => [view.now("pagoda_steps_total"), "count", "steps"],
              }),
              ownerPanel(),
            ];
            document.getElementById("charts").append(...this.panels.map(panel => panel.element));
          },

          setCursor(time) {
            if (this.cursor === time) return;
            this.cursor = time;
            this.draw();
          },

          /** Draws once before the next frame, however often it is asked to. */
          draw() {
            if (this.isPending || !this.history.latest) return;
            this.isPending = true;
            requestAnimationFrame(() => {
              this.isPending = false;
              const view = this.history.select(this.range);
              for (const panel of this.panels) panel.render(view);
            });
          },

          showVerdict({ verdict, server, now }) {
            const set = (id, text) => { document.getElementById(id).textContent = text; };
            const words = { healthy: "Healthy", limit: "At a limit", trouble: "Trouble", note: "Note" };
            const signs = {
              healthy: "M12 2a10 10 0 100 20 10 10 0 000-20zm-1.5 14.2l-4-4 1.6-1.6 2.4 2.4 5.4-5.4 1.6 1.6z",
              limit: "M12 3A10 10 0 002 13c0 2.5.9 4.7 2.4 6.5h15.2A10 10 0 0012 3zm6.2 5.3l-4.5 5.9a2 2 0 11-1.9-1.4z",
              trouble: "M12 2L1 21h22zM11 9h2v6h-2zm0 7.500h2v2h-2z",
            };
            const section = document.getElementById("verdict");
            section.dataset.severity = verdict.severity;
            section.querySelector(".sign path").setAttribute("d", signs[verdict.severity] || signs.healthy);
            section.querySelector(".sign path").setAttribute("fill-rule", "evenodd");
            const [main, ...others] = verdict.findings;
            set("severity", words[verdict.severity]);
            set("limit", main.title);
            set("sentence", main.sentence);
            const evidence = main.evidence.flatMap(item =>
              [make("dt", { title: item.metric }, item.meaning), make("dd", {}, item.text)]);
            document.getElementById("evidence").replaceChildren(...evidence);
            document.getElementById("advice").replaceChildren(...main.advice.map(this.adviceItem));
            const further = document.getElementById("further");
            further.hidden = others.length === 0;
            const titles = others.map(other => other.title).join(", ");
            further.querySelector("summary").textContent = `Further findings: ${titles}`;
            further.querySelector("div").replaceChildren(...others.map(other => make("div", { class: "further" },
              make("h3", {}, other.title), make("p", {}, other.sentence),
              make("ul", { class: "advice" }, ...other.advice.map(this.adviceItem)))));
            const uptime = now < 5400 ? `${Math.floor(now / 60)} min` : now < 172800
              ? `${Math.floor(now / 3600)} h` : `${Math.floor(now / 86400)} days`;
            // A served name may be a path.
            const model = server.model.split("/").pop();
            set("server", [model, `version ${server.version}`, `up ${uptime}`].filter(Boolean).join(" · "));
            document.title = `${main.title} – Pagoda`;
          },

          adviceItem(advice) {
            const verb = advice.direction === "look" ? "" : advice.direction + " ";
            return make("li", {}, verb, make("b", {}, advice.setting), ": " + advice.reason);
          },

          async tick() {
            if (!document.hidden) {
              const link = document.getElementById("link");
              try {
                await this.history.refresh(this.range <= 300 ? 1 : 10);
                this.failures = 0;
                link.className = "link live";
                link.lastElementChild.textContent = "live";
                if (this.history.latest) this.showVerdict(this.history.latest);
                this.draw();
              } catch (error) {
                this.failures++;
                if (this.failures >= 2) {
                  link.className = "link lost";
                  link.lastElementChild.textContent = error.message.includes("denied") ? error.message : "no answer";
                }
              }
              document.body.classList.toggle("stale", this.failures >= 2);
            }
            setTimeout(() => this.tick(), 1000);
          },

          choose(button) {
            for (const other of document.querySelectorAll(".ranges button")) {
              other.setAttribute("aria-pressed", String(other === button));
            }
            this.range = Number(button.dataset.range);
            this.history.refresh(this.range <= 300 ? 1 : 10).then(() => this.draw(), () => {});
          },

          start() {
            theme.read();
            this.build();
            for (const button of document.querySelectorAll(".ranges button")) {
              button.addEventListener("click", () => this.choose(button));
            }
            matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme.read(); this.draw(); });
            this.tick();
          },
        };

        dashboard.start();
        """##
}
