// The dashboard's numbers: rows from the server, and rates and quantiles made of them.

extension DashboardPage {
    /// A row is the time, in seconds of the server's own clock, and the value of each column: a series of /metrics.
    static let historyScript = ##"""
        class History {
          constructor() { this.clear(); }

          clear() {
            this.columns = new Map();
            this.rings = new Map([[1, []], [10, []]]);
            this.instance = null;
            this.step = 1;
            this.latest = null;
          }

          /** Asks for what is new. Throws with a sentence if there is no answer. */
          async refresh(step) {
            const known = this.rings.get(step);
            const since = this.instance === null || known.length === 0 ? "" : `&since=${known[known.length - 1][0]}`;
            const base = location.pathname.replace(/\/+$/, "");
            const response = await fetch(`${base}/data?step=${step}${since}`, { signal: AbortSignal.timeout(8000) });
            if (response.status === 401 || response.status === 403) throw new Error("access denied");
            if (!response.ok) throw new Error(`status ${response.status}`);
            this.take(await response.json(), step);
          }

          take(answer, step) {
            if (answer.instance !== this.instance) {
              this.clear();
              this.instance = answer.instance;
              if (!answer.columns) return;
            }
            if (answer.columns) this.columns = new Map(answer.columns.map((name, index) => [name, index + 1]));
            const rows = this.rings.get(step);
            const last = rows.length ? rows[rows.length - 1][0] : -1;
            for (const row of answer.rows) if (row[0] > last) rows.push(row);
            rows.splice(0, Math.max(0, rows.length - answer.capacity));
            this.step = step;
            this.offset = answer.time - answer.now;
            this.now = answer.now;
            this.latest = answer;
          }

          /** The rows of the last so many seconds, and one before them, so that rates begin at the edge. */
          select(seconds) {
            const from = this.now - seconds;
            let rows = this.rings.get(this.step);
            const newest = this.latest.latest;
            if (newest && rows.length && newest[0] > rows[rows.length - 1][0]) rows = [...rows, newest];
            const first = rows.findIndex(row => row[0] >= from);
            return new View(this, first < 0 ? [] : rows.slice(Math.max(0, first - 1)), from, this.now);
          }

          column(name) { return this.columns.get(name); }

          /** The columns of a metric by the value of one label. */
          byLabel(name, label) {
            const found = [];
            for (const [key, index] of this.columns) {
              const match = key.startsWith(name + "{") && key.match(new RegExp(`[{,]${label}="([^"]*)"`));
              if (match) found.push([match[1], index]);
            }
            return found;
          }

          histogram(name) {
            const buckets = this.byLabel(name + "_bucket", "le")
              .map(([le, index]) => ({ bound: le === "+Inf" ? Infinity : Number(le), index }))
              .sort((left, right) => left.bound - right.bound);
            return { buckets, sum: this.column(name + "_sum"), count: this.column(name + "_count") };
          }
        }

        /** Some rows, and the questions that charts have. An answer is one number per row, NaN where there is none. */
        class View {
          constructor(history, rows, from, to) {
            Object.assign(this, { history, rows, from, to, step: history.step, offset: history.offset });
            this.times = rows.map(row => row[0]);
            // Rates of single seconds flicker.
            this.span = this.step === 1 ? 5 : 10;
            this.longSpan = this.step === 1 ? 15 : 60;
          }

          gauge(name) {
            const index = this.history.column(name);
            return this.rows.map(row => index === undefined || row[index] === null ? NaN : row[index]);
          }

          /** The newest value of a series, as /metrics has it. */
          now(name) {
            const row = this.history.latest.latest, index = this.history.column(name);
            return row && index !== undefined && row[index] !== null ? row[index] : NaN;
          }

          /** The sum of a metric's series, now. */
          sumNow(name, label) {
            const row = this.history.latest.latest;
            return row ? this.history.byLabel(name, label).reduce((sum, [, index]) => sum + row[index], 0) : NaN;
          }

          /** The row that lies `span` seconds before row `i`, or the first one if that is near enough. */
          before(i, span) {
            let j = i;
            while (j > 0 && this.times[i] - this.times[j] < Math.max(span, this.step) - this.step / 2) j--;
            return j;
          }

          growth(index, i, j) {
            const later = this.rows[i][index], earlier = this.rows[j][index];
            return later >= earlier ? later - earlier : later;
          }

          /** What a counter gains each second. */
          rate(index, span = this.span) {
            return this.rows.map((row, i) => {
              const j = this.before(i, span);
              if (index === undefined || i === j) return NaN;
              return this.growth(index, i, j) / (this.times[i] - this.times[j]);
            });
          }

          rateOf(name, span) { return this.rate(this.history.column(name), span); }

          /** What a counter gained in all the time shown. */
          total(index) {
            let sum = 0;
            for (let i = 1; i < this.rows.length; i++) sum += this.growth(index, i, i - 1);
            return sum;
          }

          /** New observations by bucket, between two rows. */
          counts(histogram, i, j) {
            let below = 0;
            return histogram.buckets.map(({ index }) => {
              const cumulated = this.growth(index, i, j);
              const count = Math.max(0, cumulated - below);
              below = Math.max(below, cumulated);
              return count;
            });
          }

          quantile(histogram, share) {
            return this.rows.map((row, i) => {
              const j = this.before(i, this.longSpan);
              return i === j ? NaN : quantileOf(histogram.buckets, this.counts(histogram, i, j), share);
            });
          }

          mean(histogram) {
            return this.rows.map((row, i) => {
              const j = this.before(i, this.longSpan);
              const count = i === j || histogram.count === undefined ? 0 : this.growth(histogram.count, i, j);
              return count > 0 ? this.growth(histogram.sum, i, j) / count : NaN;
            });
          }

          /** Whether the row does not follow the one before: the server or its machine stood still. */
          isGap(i) { return i > 0 && this.times[i] - this.times[i - 1] > 3.5 * this.step; }
        }

        /** Interpolated within the bucket, as Prometheus does it. */
        function quantileOf(buckets, counts, share) {
          const all = counts.reduce((sum, count) => sum + count, 0);
          if (all === 0) return NaN;
          let below = 0;
          for (let b = 0; b < buckets.length; b++) {
            const lower = b === 0 ? 0 : buckets[b - 1].bound;
            if (buckets[b].bound === Infinity) return lower;
            if (below + counts[b] >= share * all) {
              const part = counts[b] > 0 ? (share * all - below) / counts[b] : 1;
              return lower + (buckets[b].bound - lower) * part;
            }
            below += counts[b];
          }
          return NaN;
        }

        """##

    static let formatScript = ##"""
        const digits = value => {
          const size = Math.abs(value);
          const places = Number.isInteger(value) || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
          return value.toLocaleString("en", { maximumFractionDigits: places });
        };

        const scaled = (value, factor, units) => {
          let unit = 0;
          while (Math.abs(value) >= factor && unit < units.length - 1) { value /= factor; unit++; }
          return `${digits(value)} ${units[unit]}`;
        };

        const formats = {
          count: digits,
          rate: value => `${digits(value)}/s`,
          share: value => `${digits(value * 100)} %`,
          seconds: value => value !== 0 && Math.abs(value) < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`,
          bytes: value => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
        };

        const format = (value, unit) => Number.isFinite(value) ? formats[unit](value) : "–";

        /** A time of the server's clock as the time of day. */
        const clock = (seconds, offset, withSeconds) => new Date((seconds + offset) * 1000).toLocaleTimeString(
          [], { hour: "2-digit", minute: "2-digit", second: withSeconds ? "2-digit" : undefined, hour12: false });

        """##
}
