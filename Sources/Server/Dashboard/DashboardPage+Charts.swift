// How the dashboard draws: axes, lines, stacked areas and heat maps on a canvas.

extension DashboardPage {
    static let chartScript = ##"""
        const theme = {
          read() {
            const style = getComputedStyle(document.documentElement);
            for (const name of ["card", "grid", "text", "muted", "line", "heat", ...palette]) {
              this[name] = style.getPropertyValue("--" + name).trim();
            }
            this.font = `11px ${getComputedStyle(document.body).fontFamily}`;
          },
        };
        const palette = ["blue", "orange", "teal", "rose", "violet", "gold", "grey", "red"];

        const make = (tag, attributes = {}, ...children) => {
          const element = document.createElement(tag);
          for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
          element.append(...children);
          return element;
        };

        const drawing = (tag, attributes) => {
          const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
          for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
          return element;
        };

        /** The next round number, and into how many parts an axis up to it is cut. */
        const roundUp = value => {
          const power = 10 ** Math.floor(Math.log10(value));
          for (const [factor, parts] of [[1, 4], [1.5, 3], [2, 4], [3, 3], [4, 4], [5, 5], [6, 3], [8, 4], [10, 4]]) {
            if (value <= factor * power * 1.0001) return [factor * power, parts];
          }
          return [10 * power, 4];
        };

        /** One canvas with a time axis. Subclasses draw what is above it. */
        class Chart {
          constructor(series, options) {
            Object.assign(this, { series, options });
            this.canvas = make("canvas", { role: "img", tabindex: "0" });
            this.legend = make("ul", { class: "legend" });
            this.values = series.map(line => this.legendEntry(line));
            this.canvas.addEventListener("pointermove", event => this.point(event));
            this.canvas.addEventListener("pointerdown", event => this.point(event));
            this.canvas.addEventListener("pointerleave", () => dashboard.setCursor(null));
            this.canvas.addEventListener("keydown", event => this.key(event));
            this.canvas.addEventListener("blur", () => dashboard.setCursor(null));
            new ResizeObserver(() => dashboard.draw()).observe(this.canvas);
          }

          legendEntry(line) {
            const sample = drawing("svg", { viewBox: "0 0 18 10", "aria-hidden": "true" });
            const shape = this.options.stacked
              ? drawing("rect", { x: 1, y: 0, width: 14, height: 10, rx: 2 })
              : drawing("path", { d: "M0 5H18", "stroke-width": 2.5, "stroke-dasharray": (line.dash || []).join(" ") });
            shape.style[this.options.stacked ? "fill" : "stroke"] = `var(--${line.color})`;
            sample.append(shape);
            const value = make("b");
            this.legend.append(make("li", {}, sample, line.label, value));
            return value;
          }

          // Where the pointer or the keyboard stands, for all charts together.

          point(event) {
            if (!this.view || !this.plot) return;
            const share = (event.offsetX - this.plot.left) / this.plot.width;
            dashboard.setCursor(this.view.from + Math.min(1, Math.max(0, share)) * (this.view.to - this.view.from));
          }

          key(event) {
            const times = this.view ? this.view.times : [];
            if (!times.length) return;
            const index = this.cursorIndex() ?? times.length - 1;
            const moves = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: times.length - 1 };
            if (event.key === "Escape") return dashboard.setCursor(null);
            if (!(event.key in moves)) return;
            event.preventDefault();
            dashboard.setCursor(times[Math.min(times.length - 1, Math.max(0, moves[event.key]))]);
            document.getElementById("readout").textContent = this.describe();
          }

          /** The row nearest to the cursor; null without one. */
          cursorIndex() {
            const { times } = this.view;
            if (dashboard.cursor === null || !times.length) return null;
            let best = 0;
            times.forEach((time, i) => {
              if (Math.abs(time - dashboard.cursor) < Math.abs(times[best] - dashboard.cursor)) best = i;
            });
            return best;
          }

          /** What the legend says, in words. */
          describe() {
            const index = this.cursorIndex();
            const moment = index === null ? "now" : clock(this.view.times[index], this.view.offset, true);
            const lines = this.series.map((line, i) => `${line.label} ${this.values[i].textContent}`);
            return `${this.options.title}, ${moment}: ${lines.join(", ")}`;
          }

          // Drawing.

          render(view) {
            this.view = view;
            const ratio = window.devicePixelRatio || 1;
            const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
            if (width === 0) return;
            if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
              this.canvas.width = Math.round(width * ratio);
              this.canvas.height = Math.round(height * ratio);
            }
            const pen = this.canvas.getContext("2d");
            pen.setTransform(ratio, 0, 0, ratio, 0, 0);
            pen.clearRect(0, 0, width, height);
            pen.font = theme.font;
            this.data = this.series.map(line => line.values(view));
            this.prepare(view);
            const labels = this.ticks();
            const left = Math.ceil(Math.max(...labels.map(([, text]) => pen.measureText(text).width), 18)) + 9;
            this.plot = { left, top: 14, width: width - left - 6, height: height - 14 - 19 };
            this.drawAxes(pen, view, labels);
            pen.save();
            pen.beginPath();
            pen.rect(this.plot.left, 0, this.plot.width, this.plot.top + this.plot.height + 1);
            pen.clip();
            this.drawData(pen, view);
            this.drawCursor(pen, view);
            pen.restore();
            this.writeLegend();
            this.canvas.setAttribute("aria-label", this.describe());
          }

          x(time) {
            return this.plot.left + (time - this.view.from) / (this.view.to - this.view.from) * this.plot.width;
          }

          height(value) { return this.plot.top + (1 - value / this.top) * this.plot.height; }

          drawAxes(pen, view, labels) {
            const { left, top, width, height } = this.plot;
            pen.textBaseline = "middle";
            pen.textAlign = "right";
            pen.lineWidth = 1;
            for (const [value, text] of labels) {
              const y = Math.round(this.height(value)) + 0.5;
              pen.strokeStyle = theme.grid;
              pen.beginPath();
              pen.moveTo(left, y);
              pen.lineTo(left + width, y);
              pen.stroke();
              pen.fillStyle = theme.muted;
              pen.fillText(text, left - 7, y);
            }
            pen.textAlign = "left";
            if (this.options.caption) pen.fillText(this.options.caption, left + 3, top - 8);
            const range = view.to - view.from;
            const step = range <= 300 ? 60 : range <= 900 ? 180 : 600;
            const zone = new Date((view.to + view.offset) * 1000).getTimezoneOffset() * 60;
            pen.textAlign = "center";
            const first = Math.ceil((view.from + view.offset - zone) / step) * step;
            for (let wall = first; wall <= view.to + view.offset - zone; wall += step) {
              const time = wall + zone - view.offset, x = this.x(time);
              if (x < left + 14 || x > left + width - 12) continue;
              pen.fillStyle = theme.line;
              pen.fillRect(Math.round(x), top + height, 1, 4);
              pen.fillStyle = theme.muted;
              pen.fillText(clock(time, view.offset, false), x, top + height + 12);
            }
          }

          drawLine(pen, view, values, line) {
            pen.strokeStyle = theme[line.color];
            pen.lineWidth = line.thin ? 1.25 : 1.9;
            pen.lineJoin = "round";
            pen.setLineDash(line.dash || []);
            pen.beginPath();
            let isDown = false;
            values.forEach((value, i) => {
              if (!Number.isFinite(value) || view.isGap(i)) isDown = false;
              if (!Number.isFinite(value)) return;
              const x = this.x(view.times[i]), y = this.height(value);
              if (isDown) pen.lineTo(x, y); else pen.moveTo(x, y);
              isDown = true;
            });
            pen.stroke();
            pen.setLineDash([]);
          }

          drawCursor(pen, view) {
            const index = this.cursorIndex();
            if (index === null) return;
            const x = this.x(view.times[index]);
            pen.strokeStyle = theme.muted;
            pen.lineWidth = 1;
            pen.beginPath();
            pen.moveTo(x, 0);
            pen.lineTo(x, this.plot.top + this.plot.height);
            pen.stroke();
            this.marks(index).forEach(([value, color]) => {
              if (!Number.isFinite(value)) return;
              pen.beginPath();
              pen.arc(x, this.height(value), 3.5, 0, 2 * Math.PI);
              pen.fillStyle = theme[color];
              pen.fill();
              pen.strokeStyle = theme.card;
              pen.stroke();
            });
          }

          marks(index) { return this.series.map((line, s) => [this.data[s][index], line.color]); }

          writeLegend() {
            const index = this.cursorIndex();
            this.series.forEach((line, s) => {
              const values = this.data[s];
              const value = index === null ? values[values.length - 1] : values[index];
              this.values[s].textContent = format(value, line.unit || this.options.unit);
            });
          }

          get isEmpty() { return !this.data || !this.data.some(values => values.some(Number.isFinite)); }
        }

        /** Lines over time, or areas on top of each other. */
        class LineChart extends Chart {
          prepare(view) {
            this.stack = this.options.stacked ? this.data.map(() => view.times.map(() => 0)) : this.data;
            if (this.options.stacked) {
              view.times.forEach((_, i) => {
                let sum = 0;
                this.data.forEach((values, s) => { this.stack[s][i] = sum += values[i] || 0; });
              });
            }
            const known = this.stack.filter((_, s) => !this.series[s].rug).flat().filter(Number.isFinite);
            const highest = Math.max(this.options.least || 0, ...known);
            [this.top, this.parts] = this.options.top ? [this.options.top, 4] : roundUp(highest > 0 ? highest : 1);
          }

          ticks() {
            return Array.from({ length: this.parts + 1 }, (_, i) => {
              const value = this.top * i / this.parts;
              return [value, format(value, this.options.unit)];
            });
          }

          drawData(pen, view) {
            if (this.options.stacked) return this.drawStack(pen, view);
            this.series.forEach((line, s) => {
              if (line.filled) this.fill(pen, view, this.data[s], null, theme[line.color], 0.13);
            });
            // The first is the most important, and on top.
            [...this.series.keys()].reverse().forEach(s => {
              if (this.series[s].rug) this.drawRug(pen, view, this.data[s], this.series[s]);
              else this.drawLine(pen, view, this.data[s], this.series[s]);
            });
          }

          /** Strokes at the foot of the chart when something happened that has another unit. */
          drawRug(pen, view, values, line) {
            pen.fillStyle = theme[line.color];
            values.forEach((value, i) => {
              if (value > 0) pen.fillRect(this.x(view.times[i]) - 1, this.plot.top + this.plot.height - 14, 2, 14);
            });
          }

          drawStack(pen, view) {
            this.series.forEach((line, s) => {
              this.fill(pen, view, this.stack[s], s > 0 ? this.stack[s - 1] : null, theme[line.color], 0.78);
            });
          }

          /** Fills between two lines, piece by piece where they are interrupted. */
          fill(pen, view, upper, lower, color, opacity) {
            pen.fillStyle = color;
            pen.globalAlpha = opacity;
            let start = -1;
            for (let i = 0; i <= upper.length; i++) {
              const ends = i === upper.length || !Number.isFinite(upper[i]) || view.isGap(i);
              if (ends && start >= 0) {
                pen.beginPath();
                for (let k = start; k < i; k++) pen.lineTo(this.x(view.times[k]), this.height(upper[k]));
                for (let k = i - 1; k >= start; k--) {
                  pen.lineTo(this.x(view.times[k]), this.height(lower ? lower[k] : 0));
                }
                pen.fill();
                start = -1;
              }
              if (i < upper.length && Number.isFinite(upper[i]) && start < 0) start = i;
            }
            pen.globalAlpha = 1;
          }

          marks(index) {
            return this.series.map((line, s) => {
              const isSeen = !line.rug && (this.data[s][index] > 0 || !this.options.stacked);
              return [isSeen ? this.stack[s][index] : NaN, line.color];
            });
          }
        }

        /** How many observations fell into which bucket, over time, with lines on top. */
        class HeatChart extends Chart {
          constructor(metric, series, options) {
            super(series, options);
            this.metric = metric;
            this.scale = make("canvas", { class: "scale", width: "76", height: "9", "aria-hidden": "true" });
            this.most = make("b");
            this.legend.append(make("li", {}, "few", this.scale, "many, up to", this.most));
          }

          prepare(view) {
            const { buckets } = this.histogram = view.history.histogram(this.metric);
            const width = this.canvas.clientWidth - 60, rows = view.rows.length;
            const groups = Math.max(1, Math.min(rows - 1, Math.floor(width / 5)));
            this.cells = [];
            for (let g = 0; g < groups && rows > 1 && buckets.length; g++) {
              const from = Math.floor(g * (rows - 1) / groups), to = Math.floor((g + 1) * (rows - 1) / groups);
              if (!view.isGap(to)) this.cells.push({ from, to, counts: view.counts(this.histogram, to, from) });
            }
            const used = buckets.map((_, b) => this.cells.some(cell => cell.counts[b] > 0));
            this.low = Math.max(0, used.indexOf(true) - 1);
            this.high = Math.min(buckets.length - 1, Math.max(used.lastIndexOf(true) + 1, this.low + 3));
            this.highest = Math.max(1, ...this.cells.flatMap(cell => cell.counts));
            this.hasCounts = used.includes(true);
            this.most.textContent = this.hasCounts ? format(this.highest, "count") : "–";
          }

          get isEmpty() { return !this.hasCounts; }

          /** Buckets are equally high, whatever they span. */
          height(value) {
            const { buckets } = this.histogram;
            const found = buckets.findIndex(bucket => value <= bucket.bound);
            const b = found < 0 ? buckets.length - 1 : found;
            const lower = b > 0 ? buckets[b - 1].bound : 0;
            const part = buckets[b] && buckets[b].bound < Infinity ? (value - lower) / (buckets[b].bound - lower) : 0.5;
            return this.band(b) + (1 - part) * this.bandHeight;
          }

          get bandHeight() { return this.plot.height / (this.high - this.low + 1); }
          band(b) { return this.plot.top + (this.high - b) * this.bandHeight; }

          ticks() {
            const { buckets } = this.histogram;
            const count = this.high - this.low + 1;
            const every = Math.max(1, Math.ceil(count / 7));
            const labels = this.low === 0 && buckets.length ? [[0, format(0, this.options.unit)]] : [];
            for (let b = this.low; b <= this.high && b < buckets.length; b++) {
              if (buckets[b].bound < Infinity && (b - this.low) % every === every - 1) {
                labels.push([buckets[b].bound, format(buckets[b].bound, this.options.unit)]);
              }
            }
            return labels;
          }

          drawData(pen, view) {
            const steps = 24;
            for (const { from, to, counts } of this.cells) {
              const left = Math.round(this.x(view.times[from])), right = Math.round(this.x(view.times[to]));
              for (let b = this.low; b <= this.high; b++) {
                if (!counts[b]) continue;
                const share = Math.ceil(Math.sqrt(counts[b] / this.highest) * steps) / steps;
                const top = Math.round(this.band(b)), bottom = Math.round(this.band(b) + this.bandHeight);
                pen.fillStyle = `rgba(${theme.heat}, ${0.1 + 0.9 * share})`;
                pen.fillRect(left, top, Math.max(1, right - left - 1), Math.max(1, bottom - top - 1));
              }
            }
            this.series.forEach((line, s) => this.drawLine(pen, view, this.data[s], line));
            const scale = this.scale.getContext("2d");
            scale.clearRect(0, 0, 76, 9);
            for (let x = 0; x < 76; x++) {
              scale.fillStyle = `rgba(${theme.heat}, ${0.1 + 0.9 * x / 75})`;
              scale.fillRect(x, 0, 1, 9);
            }
          }
        }

        """##
}
