#!/usr/bin/env python3
"""Writes deploy/grafana/dashboards/pagoda.json, for Grafana 10 and 11:  python3 tools/grafana-dashboard.py

With --print the dashboard goes to standard output. Every query asks for the chosen instances alone; the variable
`instance` lists those that serve the chosen models, so that series without a model's name follow the choice as well.
"""

import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parent.parent / "deploy/grafana/dashboards/pagoda.json"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN = 'instance=~"$instance"'
WINDOW = "$__rate_interval"


def selector(name, matchers=""):
    return f"{name}{{{CHOSEN}{', ' + matchers if matchers else ''}}}"


def rate(name, by="", matchers=""):
    """The increase a second of a counter, summed."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({selector(name, matchers)}[{WINDOW}]))"


def mean(histogram):
    return f"{rate(histogram + '_sum')} / {rate(histogram + '_count')}"


def quantile(share, histogram, by=""):
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share}, {rate(histogram + '_bucket', labels)})"


def quantiles(histogram):
    return [(quantile(share, histogram), f"P{round(share * 100)}") for share in (0.5, 0.95, 0.99)]


class Board:
    """Panels from left to right, in rows."""

    def __init__(self):
        self.panels = []
        self.x = self.y = self.height = 0

    def row(self, title):
        self.next_line()
        self.panels.append({
            "id": len(self.panels) + 1, "type": "row", "title": title, "collapsed": False,
            "gridPos": {"x": 0, "y": self.y, "w": 24, "h": 1}, "panels": [],
        })
        self.y += 1

    def next_line(self):
        self.y += self.height
        self.x = self.height = 0

    def add(self, kind, title, description, queries, options, defaults, width=8, height=8, **target):
        if self.x + width > 24:
            self.next_line()
        self.panels.append({
            "id": len(self.panels) + 1, "type": kind, "title": title, "description": description,
            "datasource": DATASOURCE,
            "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height},
            "targets": [
                {
                    "refId": chr(ord("A") + index), "datasource": DATASOURCE, "editorMode": "code", "range": True,
                    "expr": expression, "legendFormat": legend, **target,
                }
                for index, (expression, legend) in enumerate(queries)
            ],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
        })
        self.x += width
        self.height = max(self.height, height)

    def lines(self, title, description, unit, queries, stacked=False, limit=None, least=0, width=8):
        """Lines over time; stacked ones are filled."""
        defaults = {
            "unit": unit, "min": least,
            "color": {"mode": "palette-classic"},
            "custom": {
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 40 if stacked else 8, "showPoints": "never",
                "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
                "thresholdsStyle": {"mode": "line" if limit else "off"},
            },
        }
        if limit:
            defaults["thresholds"] = {
                "mode": "absolute",
                "steps": [{"color": "transparent", "value": None}, {"color": "red", "value": limit}],
            }
        if unit == "percentunit" and not stacked:
            defaults["max"] = 1
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
        self.add("timeseries", title, description, queries, options, defaults, width)

    def heat_map(self, title, description, unit, histogram, width=8):
        options = {
            "calculate": False, "cellGap": 1, "showValue": "never",
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange"},
            "yAxis": {"axisPlacement": "left", "unit": unit}, "rowsFrame": {"layout": "auto"},
            "filterValues": {"le": 1e-9}, "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "legend": {"show": True}, "tooltip": {"mode": "single", "show": True, "yHistogram": True},
        }
        query = f"sum by (le) (increase({selector(histogram + '_bucket')}[{WINDOW}]))"
        self.add(
            "heatmap", title, description, [(query, "{{le}}")], options, {"unit": unit}, width, format="heatmap",
            exemplar=True)

    def ring(self, title, description, expression, width=4):
        defaults = {
            "unit": "percentunit", "min": 0, "max": 1,
            "color": {"mode": "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [
                    {"color": "green", "value": None},
                    {"color": "orange", "value": 0.8},
                    {"color": "red", "value": 0.95},
                ],
            },
        }
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
            "showThresholdLabels": False, "showThresholdMarkers": True,
        }
        self.add("gauge", title, description, [(expression, "{{instance}}")], options, defaults, width)

    def numbers(self, title, description, unit, queries, width=4, height=8):
        """The last values, large, with their past behind them."""
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
            "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "textMode": "auto",
        }
        self.add(
            "stat", title, description, queries, options, {"unit": unit, "color": {"mode": "palette-classic"}}, width,
            height)


def panels():
    board = Board()

    board.row("At a glance")
    board.lines(
        "Requests", "Client requests ended, by outcome.", "reqps",
        [(rate("vllm_request_count", "status"), "{{status}}")])
    board.heat_map(
        "Latency", "Successful requests, from the head of the request read to the last byte sent.", "s",
        "vllm_request_latency_seconds")
    board.lines(
        "Mean and P99 latency", "The line is the alert's limit, 5 s.", "s",
        [(mean("vllm_request_latency_seconds"), "mean"), (quantile(0.99, "vllm_request_latency_seconds"), "P99")],
        limit=5)
    board.ring(
        "KV cache in use", "Used share of the blocks; cached but free ones do not count.",
        f"max by (instance) ({selector('vllm_gpu_cache_usage_ratio')})")
    board.lines(
        "Success ratio", "Successful requests among those that ended. Clients that hung up count as failures.",
        "percentunit",
        [(f"""{rate("vllm_request_count", "", 'status="SUCCESS"')} / {rate("vllm_request_count")}""", "success")])
    board.numbers(
        "Tokens a second, live", "Generated in the last full second.", "short",
        [(f"sum ({selector('vllm_generation_throughput')})", "generated")])
    board.lines(
        "Tokens a second", "Generated tokens, and prompt tokens when their request's first token came.", "short",
        [(rate("vllm:generation_tokens_total"), "generated"), (rate("vllm:prompt_tokens_total"), "prompt")])

    board.row("Queue and batch")
    board.lines(
        "Running and waiting", "Sequences; the limits are --max-num-seqs and admission's.", "short",
        [
            (f"sum ({selector('vllm_running_requests')})", "running"),
            (f"sum ({selector('vllm_waiting_requests')})", "waiting"),
            (f"sum ({selector('pagoda_max_running_sequences')})", "most running"),
        ])
    board.lines(
        "Waiting, by reason", "capacity: no slot, block or token budget yet; deferred: skipped in this step.", "short",
        [(f"sum by (reason) ({selector('vllm:num_requests_waiting_by_reason')})", "{{reason}}")], stacked=True)
    board.lines(
        "Share of the requests that are taken", "In flight against admission's limit.", "percentunit",
        [(selector("instance:pagoda_queue_limit:ratio"), "{{instance}}")], limit=0.8)
    board.lines(
        "Batch", "Sequences in a step.", "short",
        [(mean("pagoda_step_sequences"), "mean"), (quantile(0.99, "pagoda_step_sequences"), "P99")])
    board.lines(
        "Tokens computed", "By kind: prompts and new tokens.", "short",
        [(rate("pagoda_step_tokens_total", "kind"), "{{kind}}")], stacked=True)
    board.lines(
        "Refused", "Before the engine, by reason.", "reqps",
        [(rate("pagoda_requests_rejected_total", "reason"), "{{reason}}")], stacked=True)

    board.row("Where the time goes")
    instances = f"scalar(count({selector('pagoda_build_info')}))"
    board.lines(
        "Engine, by phase", "Seconds of each second, for each instance; idle waits for work.", "s",
        [
            (f"{rate('pagoda_step_seconds_total', 'phase')} / {instances}", "{{phase}}"),
            (f"{rate('pagoda_engine_idle_seconds_total')} / {instances}", "idle"),
        ],
        stacked=True)
    board.lines(
        "Latency of a request, by owner", "Mean seconds of ended requests; the parts make the whole.", "s",
        [
            (
                f"{rate('pagoda_request_seconds_total', 'part')}"
                f" / scalar({rate('pagoda_requests_finished_total')})",
                "{{part}}",
            )
        ],
        stacked=True)
    board.lines(
        "Time to first token, by owner", "Mean seconds of the first tokens that came.", "s",
        [
            (
                f"{rate('pagoda_ttft_seconds_total', 'part')}"
                f" / scalar({rate('vllm:time_to_first_token_seconds_count')})",
                "{{part}}",
            )
        ],
        stacked=True)
    board.lines(
        "Step", "A step's whole time.", "s", quantiles("pagoda_step_duration_seconds"))
    board.lines(
        "Multiply-adds", "Of what this machine was measured to reach.", "percentunit",
        [(selector("instance:pagoda_multiply_adds:share5m"), "{{instance}}")])
    board.lines(
        "Memory bandwidth", "Weights and KV cache read, of what this machine was measured to reach.", "percentunit",
        [(selector("instance:pagoda_memory_read:share5m"), "{{instance}}")])

    board.row("Latencies")
    board.lines("Request", "End to end, successful requests.", "s", quantiles("vllm_request_latency_seconds"), width=6)
    board.lines("Time to first token", "", "s", quantiles("vllm:time_to_first_token_seconds"), limit=2.5, width=6)
    board.lines("Between tokens", "One observation a sequence and step.", "s",
                quantiles("vllm:inter_token_latency_seconds"), width=6)
    board.lines(
        "Mean time queued, in prefill, in decode", "", "s",
        [
            (mean("vllm:request_queue_time_seconds"), "queue"),
            (mean("vllm:request_prefill_time_seconds"), "prefill"),
            (mean("vllm:request_decode_time_seconds"), "decode"),
        ],
        stacked=True, width=6)

    board.row("KV cache and memory")
    board.lines(
        "KV blocks", "", "short", [(f"sum by (state) ({selector('pagoda_kv_blocks')})", "{{state}}")], stacked=True,
        width=6)
    board.lines(
        "KV cache", "Blocks in use, and tokens held in them against their slots.", "percentunit",
        [
            (f"max ({selector('vllm:kv_cache_usage_perc')})", "in use"),
            (f"min ({selector('pagoda_kv_utilisation_ratio')})", "utilisation of used blocks"),
        ],
        width=6)
    board.lines(
        "Preemptions", "Sequences whose blocks were taken, to be computed again.", "short",
        [(rate("vllm:num_preemptions_total", "instance"), "{{instance}}")], width=6)
    board.lines(
        "Prefix cache hits", "Of the prompt tokens looked up.", "percentunit",
        [(f"{rate('vllm:prefix_cache_hits_total')} / {rate('vllm:prefix_cache_queries_total')}", "hits")], width=6)
    board.lines(
        "Memory", "Of the process, and of the container or machine that it runs in.", "bytes",
        [
            (f"sum by (instance) ({selector('process_resident_memory_bytes')})", "{{instance}} resident"),
            (f"sum by (instance) ({selector('pagoda_memory_available_bytes')})", "{{instance}} available"),
            (f"sum by (instance) ({selector('pagoda_memory_limit_bytes')})", "{{instance}} limit"),
        ],
        width=12)
    board.lines(
        "Prompt tokens, by source", "Computed here, or taken from the prefix cache.", "short",
        [(rate("vllm:prompt_tokens_by_source_total", "source"), "{{source}}")], stacked=True, width=6)
    board.numbers(
        "Kills for memory", "The cgroup's oom_kill events.", "short",
        [(f"sum by (instance) ({selector('pagoda_memory_oom_kills')})", "{{instance}}")], width=6)

    board.row("Requests and tenants")
    board.lines(
        "Sequences ended, by reason", "", "reqps",
        [(rate("pagoda_requests_finished_total", "reason"), "{{reason}}")], stacked=True, width=6)
    board.heat_map("Prompt lengths", "Tokens.", "short", "vllm:request_prompt_tokens", width=6)
    board.heat_map("Answer lengths", "Tokens.", "short", "vllm:request_generation_tokens", width=6)
    board.lines(
        "Tokens asked for and generated", "Mean of max_tokens and of the tokens that came.", "short",
        [
            (mean("vllm:request_params_max_tokens"), "max_tokens"),
            (mean("vllm:request_generation_tokens"), "generated"),
        ],
        width=6)
    board.lines(
        "Requests, by tenant", "", "reqps",
        [(rate("pagoda_tenant_requests_total", "tenant"), "{{tenant}}")], stacked=True)
    board.lines(
        "Tokens, by tenant", "Prompts and generated ones.", "short",
        [(rate("pagoda_tenant_tokens_total", "tenant, kind"), "{{tenant}} {{kind}}")], stacked=True)
    board.lines(
        "Waiting for clients", "Seconds a second that streams waited for their readers.", "s",
        [(rate("pagoda_slow_reader_seconds_total", "instance"), "{{instance}}")])

    board.row("HTTP, process and telemetry")
    board.lines(
        "HTTP requests", "Routes that are asked.", "reqps",
        [(f"{rate('http_requests_total', 'handler, status')} > 0", "{{handler}} {{status}}")], width=6)
    board.lines(
        "HTTP duration, P99", "Streams to their end.", "s",
        [(f"{quantile(0.99, 'http_request_duration_seconds', 'handler')} > 0", "{{handler}}")], width=6)
    board.lines(
        "Processor time", "Cores in use.", "short",
        [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")], width=6)
    board.lines(
        "File descriptors", "Of those allowed.", "percentunit",
        [(f"{selector('process_open_fds')} / {selector('process_max_fds')}", "{{instance}}")], limit=0.9, width=6)
    board.lines(
        "Engine's last sign of life", "", "s",
        [(selector("pagoda_engine_heartbeat_age_seconds"), "{{instance}}")], limit=60, width=6)
    board.lines(
        "Scrape", "Mean seconds to answer one.", "s",
        [(f"{rate('pagoda_scrape_seconds_total')} / {rate('pagoda_scrapes_total')}", "scrape")], width=6)
    board.lines(
        "Telemetry lost", "Log lines, spans and series dropped in the window.", "short",
        [
            (f"sum (increase({selector(f'pagoda_{what}_dropped_total')}[{WINDOW}]))", label)
            for what, label in (("log_lines", "log lines"), ("spans", "spans"), ("series", "series"))
        ],
        width=6)
    board.numbers(
        "Build", "Running instances by version, instruction set and compiler.", "short",
        [
            (
                f"count by (version, instruction_set) ({selector('pagoda_build_info')})",
                "{{version}} {{instruction_set}}",
            )
        ],
        width=6)
    return board.panels


def query_variable(name, label, query):
    return {
        "name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": query,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2, "sort": 1,
        "includeAll": True, "multi": True, "hide": 0, "regex": "", "skipUrlSync": False, "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def dashboard():
    return {
        "uid": "pagoda",
        "title": "Pagoda",
        "description": "What the server does, how fast, and what it waits for.",
        "tags": ["pagoda", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "id": None,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "",
        "weekStart": "",
        "links": [],
        "annotations": {
            "list": [
                {
                    "name": "Starts", "datasource": DATASOURCE, "enable": True, "iconColor": "blue",
                    "expr": f"changes({selector('process_start_time_seconds')}[1m]) > 0", "titleFormat": "started",
                    "textFormat": "{{instance}}",
                },
                {
                    "name": "Alerts", "datasource": DATASOURCE, "enable": True, "iconColor": "red",
                    "expr": f"""{selector("ALERTS", 'alertstate="firing"')}""", "titleFormat": "{{alertname}}",
                    "textFormat": "{{instance}}",
                },
            ]
        },
        "templating": {
            "list": [
                {
                    "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                    "refresh": 1, "regex": "", "hide": 0, "includeAll": False, "multi": False, "skipUrlSync": False,
                    "options": [], "current": {},
                },
                query_variable("model_name", "Model", "label_values(vllm:num_requests_running, model_name)"),
                query_variable(
                    "instance", "Instance",
                    'label_values(vllm:num_requests_running{model_name=~"$model_name"}, instance)'),
            ]
        },
        "panels": panels(),
    }


text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
if sys.argv[1:] == ["--print"]:
    sys.stdout.write(text)
else:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text)
