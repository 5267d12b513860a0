// The recorder's views: traces as a waterfall, log records, metrics as small plots, and what the stores hold. All of them read
// records in OTLP's JSON form.

const el = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = visible(String(text));
  return element;
};
const millis = (ns) => Number(BigInt(ns ?? 0) / 1000n) / 1000;
const took = (ms) => {
  if (ms < 1) return `${(ms * 1000).toFixed(0)} µs`;
  if (ms < 1000) return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(2)} s`;
  return ms < 7_200_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
};
const short = (n) => {
  const size = Math.abs(n);
  if (size >= 1e15 || (n !== 0 && size < 1e-3)) return n.toPrecision(4);
  if (size < 1e5) return Number(n.toFixed(3)).toLocaleString();
  const power = Math.floor(Math.log10(size) / 3);
  return `${Number((n / 1000 ** power).toPrecision(4))}${["", "k", "M", "G", "T"][power]}`;
};
const some = (n, what) => `${n.toLocaleString()} ${what}${n === 1 ? "" : "s"}`;

/** An OTLP AnyValue as text. */
function valueText(value) {
  if (!value) return "";
  const [kind, inner] = Object.entries(value)[0] ?? [];
  if (kind === "arrayValue") return `[${(inner.values ?? []).map(valueText).join(", ")}]`;
  if (kind === "kvlistValue") return `{${(inner.values ?? []).map((e) => `${e.key}: ${valueText(e.value)}`).join(", ")}}`;
  return String(inner);
}
const attributesOf = (list) => (list ?? []).map((entry) => [entry.key, valueText(entry.value)]);

/** A view with a filter form, asked again every two seconds while it is in sight and live. */
class Query {
  /** `draw` shows what was found, and may say something for the line below it. */
  constructor(id, path, limit, draw, more = {}) {
    Object.assign(this, { path, limit, draw, more, form: $(`${id}-filter`), foot: $(`${id}-foot`), live: true });
    const button = this.form.querySelector("[data-live]");
    button.addEventListener("click", () => {
      this.live = !this.live;
      button.setAttribute("aria-pressed", this.live);
    });
    let typing;
    this.form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => this.ask(), 200); });
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.ask(); });
  }

  set(name, value) {
    this.form.reset();
    this.form.elements[name].value = value;
  }

  async ask() {
    const query = new URLSearchParams({ limit: this.limit, ...this.more });
    for (const [name, value] of new FormData(this.form)) {
      if (value === "") continue;
      if (name === "errors") query.set("errors", "true");
      else if (name === "min_ms") query.set("min_duration", `${Math.round(Number(value) * 1000) || 0}us`);
      else query.append(name, value);
    }
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const answer = await fetch(`${this.path}?${query}`, { cache: "no-store" });
      if (turn !== this.turn) return;
      if (!answer.ok) throw new Error((await answer.text()).trim());
      const { records, traces, coverage } = await answer.json();
      this.foot.className = "foot";
      const found = records ?? traces;
      const parts = [some(found.length, traces ? "trace" : "record")];
      if (coverage.truncated) parts.push("only the newest that match");
      if (coverage.evicted) parts.push(`${some(coverage.evicted, traces ? "older span" : "older record")} evicted`);
      const note = this.draw(found);
      if (note) parts.push(note);
      this.foot.textContent = parts.join(" · ");
    } catch (error) {
      this.foot.className = "foot warn";
      this.foot.textContent = error.message;
    }
  }
}

// -- traces -----------------------------------------------------------------

const NO_TRACE = "0".repeat(32);

class Traces {
  constructor() {
    this.query = new Query("trace", "/api/traces", 200, (list) => this.list(list), { format: "traces" });
  }

  list(list) {
    const items = list.map((trace) => {
      const begin = millis(trace.startTimeUnixNano);
      const item = el("li");
      const button = item.appendChild(el("button"));
      button.setAttribute("aria-current", trace.traceId === this.current);
      const title = trace.traceId === NO_TRACE ? "(spans of no trace)" : trace.name || "(no name)";
      button.append(el("span", trace.errors ? "title bad" : "title", title), el("span", "num", took(millis(trace.endTimeUnixNano) - begin)));
      const facts = [trace.service, timeOfDay(begin)];
      if (trace.services > 1) facts[0] += ` and ${trace.services - 1} more`;
      if (trace.errors) facts.push(`${trace.errors.toLocaleString()} failed`);
      if (!trace.root) facts.push("its root is not held");
      button.append(el("span", "sub", facts.join(" · ")), el("span", "num", some(trace.spans, "span")));
      button.addEventListener("click", () => this.open(trace.traceId));
      return item;
    });
    $("trace-list").replaceChildren(...(items.length ? items : [el("p", "hint", "No span matches.")]));
    if (!this.current && list.length) this.open(list[0].traceId);
    // The trace that is shown goes on growing.
    const shown = list.find((trace) => trace.traceId === this.current);
    if (shown && shown.spans !== this.spans && this.spans !== undefined) this.open(this.current);
  }

  async open(id) {
    const again = id === this.current;
    this.current = id;
    this.spans = undefined;
    for (const button of $("trace-list").querySelectorAll("button")) button.setAttribute("aria-current", false);
    const answer = await fetch(`/api/traces/${encodeURIComponent(id)}`, { cache: "no-store" });
    if (!answer.ok || this.current !== id) return;
    const { spans, logs, coverage } = await answer.json();
    this.spans = spans.length;
    const unfolded = new Set(again ? [...$("waterfall").querySelectorAll(".span[aria-expanded=true]")].map((row) => row.dataset.id) : []);
    const scrolled = again ? $("waterfall").querySelector(".scroll")?.scrollTop : 0;
    this.fall(id, spans, logs, coverage);
    for (const row of unfolded.size ? $("waterfall").querySelectorAll(".span") : []) if (unfolded.has(row.dataset.id)) row.click();
    if (scrolled) $("waterfall").querySelector(".scroll").scrollTop = scrolled;
    if (!again) this.query.ask();
  }

  fall(id, spans, logs, coverage) {
    const box = $("waterfall");
    if (!spans.length) { box.replaceChildren(el("p", "hint", "This trace was evicted.")); return; }
    const begins = new Map();
    for (const span of spans) {
      span.begin = millis(span.startTimeUnixNano);
      begins.set(span.spanId, span.begin);
      span.end = Math.max(span.begin, millis(span.endTimeUnixNano));
    }
    const begin = spans.reduce((least, s) => Math.min(least, s.begin), Infinity);
    const deepest = spans.reduce((most, s) => Math.max(most, s.depth), 0);
    const total = spans.reduce((most, s) => Math.max(most, s.end), 0) - begin || 0.001;
    const head = el("div", "trace-head");
    head.append(el("h2", "", id === NO_TRACE ? "(spans of no trace)" : spans[0].name || "(no name)"));
    const line = head.appendChild(el("p"));
    line.append(el("code", "", id), ` · ${some(spans.length, "span")} · ${took(total)} · ${new Date(begin).toLocaleString()} `);
    if (logs) {
      const button = line.appendChild(el("button", "", logs === 1 ? "1 log record" : `${logs} log records`));
      button.addEventListener("click", () => { records.query.set("trace_id", id); show("records"); });
    }
    if (spans.some((span) => span.orphan) && coverage.evicted) head.append(el("p", "warn", "Older spans were evicted, so some of this trace may be missing."));
    const axis = el("div", "axis");
    const marks = axis.appendChild(el("div"));
    for (let i = 0; i <= 4; i++) marks.append(el("span", "", took((total * i) / 4)));
    const fall = el("div", "fall");
    // However deep a trace is, its names stay in sight.
    fall.style.setProperty("--step", `${Math.min(14, 140 / deepest)}px`);
    for (const span of spans) span.early = span.orphan || !span.depth ? 0 : begins.get(span.parentSpanId) - span.begin;
    for (const span of spans) fall.append(...this.spanRow(span, span.depth, begin, total));
    const scroll = el("div", "scroll");
    scroll.append(axis, fall);
    box.replaceChildren(head, scroll);
  }

  spanRow(span, depth, begin, total) {
    const row = el("button", span.status?.code === 2 ? "span error" : "span");
    row.setAttribute("aria-expanded", false);
    row.style.setProperty("--depth", depth);
    row.dataset.id = span.spanId;
    row.title = [span.name, span.service, depth > 10 ? `level ${depth + 1}` : ""].filter(Boolean).join("\n").slice(0, 300);
    row.style.setProperty("--hue", hueOf(span.service));
    const label = row.appendChild(el("span", "label", (span.name || "(no name)").slice(0, 300)));
    const remark = span.orphan ? " · its parent is not held" : span.early > 0 ? ` · begins ${took(span.early)} before its parent` : "";
    label.append(el("small", "", span.service + remark));
    const track = row.appendChild(el("span", "track"));
    const left = ((span.begin - begin) / total) * 100;
    const width = ((span.end - span.begin) / total) * 100;
    const beam = track.appendChild(el("span", "beam"));
    beam.style.left = `${left}%`;
    beam.style.width = `${width}%`;
    for (const event of span.events ?? []) {
      const tick = track.appendChild(el("span", "tick"));
      tick.style.left = `${Math.min(100, Math.max(0, ((millis(event.timeUnixNano) - begin) / total) * 100))}%`;
      tick.title = event.name;
    }
    const label2 = track.appendChild(el("span", "took", took(span.end - span.begin)));
    if (left + width <= 85) label2.style.left = `${left + width}%`;
    else if (left >= 15) label2.style.right = `${100 - left}%`;
    else { label2.style.left = `${left}%`; label2.classList.add("inside"); }
    const facts = el("div", "facts");
    facts.hidden = true;
    row.addEventListener("click", () => {
      facts.hidden = !facts.hidden;
      row.setAttribute("aria-expanded", !facts.hidden);
      if (!facts.childElementCount) this.facts(facts, span, begin);
    });
    return [row, facts];
  }

  facts(box, span, begin) {
    const kinds = ["", "internal", "server", "client", "producer", "consumer"];
    const rows = [["span", span.spanId], ["parent", span.parentSpanId], ["kind", kinds[span.kind] ?? span.kind], ["status", ["", "ok", "error"][span.status?.code ?? 0]], ["message", span.status?.message], ["service", span.service]];
    if (span.placeholder) box.append(el("p", "warn", TOO_LARGE));
    factTable(box, "", rows);
    factTable(box, "Attributes", attributesOf(span.attributes));
    for (const event of span.events ?? []) factTable(box, `${event.name} at ${took(millis(event.timeUnixNano) - begin)}`, attributesOf(event.attributes));
    const of = attributesOf(span.resource?.attributes).filter(([key]) => key !== "service.name");
    factTable(box, "Resource", of);
    factTable(box, "Scope", [["name", span.scope?.name], ["version", span.scope?.version]]);
    factTable(box, "Links", (span.links ?? []).map((link) => [link.traceId, link.spanId]));
  }
}

function factTable(box, title, rows) {
  const filled = rows.filter(([, value]) => value !== undefined && value !== "");
  if (!filled.length && !title.includes(" at ")) return;
  if (title) box.append(el("h3", "", title));
  const table = box.appendChild(el("table"));
  for (const [key, value] of filled) {
    const row = table.insertRow();
    row.append(el("th", "", key), el("td", "", value));
  }
}

// -- log records ------------------------------------------------------------

const TOO_LARGE = "It was too large to be held: attributes, events and links are gone.";
const severityName = (number) => ["", "trace", "debug", "info", "warn", "error", "fatal"][Math.ceil(number / 4)] ?? "";

class Records {
  constructor() {
    this.query = new Query("record", "/api/logs", 500, (records) => this.draw(records));
    this.open = new Set();
  }

  draw(records) {
    const rows = records.map((record) => {
      const severity = record.severityNumber ?? 0;
      const row = el("tr", `s${severity >= 17 ? 4 : severity >= 13 ? 3 : severity >= 9 ? 2 : severity >= 1 ? 1 : 0}`);
      const name = record.severityText || severityName(severity);
      const text = valueText(record.body).replaceAll("\r\n", "\n").replace(ESCAPES, "");
      const body = el("td", "", [record.eventName, text].filter(Boolean).join(": "));
      if (record.placeholder) body.append(el("div", "sub warn", "The record was too large to be held: its body and attributes are gone."));
      const attributes = attributesOf(record.attributes).map(([key, value]) => `${key}=${value}`).join("  ");
      if (attributes) body.append(el("div", "sub", attributes));
      const trace = el("td");
      if (record.traceId) {
        const link = trace.appendChild(el("button", "", record.traceId.slice(0, 8)));
        link.addEventListener("click", () => { show("traces"); traces.open(record.traceId); });
      }
      const time = [record.timeUnixNano, record.observedTimeUnixNano].find((t) => t && t !== "0") ?? record.arrivalUnixNano;
      row.append(el("td", "dim", timeOfDay(millis(time))), el("td", "", name), el("td", "", record.service), body, trace);
      row.children[2].style.color = hueOf(record.service);
      return row;
    });
    $("record-table").tBodies[0].replaceChildren(...rows);
  }
}

// -- metrics ----------------------------------------------------------------

const POINTS = { gauge: "gauge", sum: "sum", histogram: "histogram", exponentialHistogram: "exponential histogram", summary: "summary" };

class Metrics {
  constructor() {
    this.query = new Query("metric", "/api/metrics", 5000, (metrics) => this.draw(metrics));
  }

  draw(metrics) {
    const series = new Map();
    const names = new Set();
    for (const metric of metrics) {
      names.add(metric.name);
      const type = Object.keys(POINTS).find((key) => metric[key]);
      for (const point of metric[type]?.dataPoints ?? []) {
        // Bit 1 of the flags: there was nothing to record.
        if (point.flags & 1) continue;
        const labels = attributesOf(point.attributes).map(([k, v]) => `${k}=${v}`).sort().join(" ");
        const key = `${metric.name}\n${metric.service}\n${labels}`;
        if (!series.has(key)) series.set(key, { name: metric.name, service: metric.service, labels, unit: metric.unit ?? "", type, kind: metric[type], points: [] });
        const value = this.value(type, point);
        if (Number.isFinite(value)) series.get(key).points.push({ time: millis(point.timeUnixNano), value, count: Number(point.count ?? 0), sum: Number(point.sum ?? 0), point });
      }
    }
    $("metric-names").replaceChildren(...[...names].sort().map((name) => { const option = el("option"); option.value = name; return option; }));
    const sorted = [...series.values()].filter((s) => s.points.length).sort((a, b) => (a.name + a.service + a.labels < b.name + b.service + b.labels ? -1 : 1));
    $("plots").replaceChildren(...(sorted.length ? sorted.slice(0, 200).map((s) => this.plot(s)) : [el("p", "hint", "No metric point matches.")]));
    return sorted.length > 200 ? `the first 200 of ${sorted.length.toLocaleString()} series` : "";
  }

  value(type, point) {
    if (type === "gauge" || type === "sum") return Number(point.asDouble ?? point.asInt ?? 0);
    return Number(point.count ?? 0) ? Number(point.sum ?? 0) / Number(point.count) : 0;
  }

  /** A number with its unit, a code of UCUM's: `By` are bytes, `1` is none, and {what stands in braces} is a remark. */
  withUnit(value, unit, what) {
    const rate = what === "per second" ? "/s" : "";
    if (unit === "By" && value >= 0) return `${bytes(Math.round(value))}${rate}`;
    const plain = unit === "1" ? "" : unit.replace(/^\{(.*)\}$/, "$1").slice(0, 40);
    return `${short(value)}${plain ? ` ${plain}` : ""}${rate}`;
  }

  /** Bars for the newest point's buckets or quantiles. */
  spread(series) {
    const box = el("div", "spread");
    const { point } = series.points.at(-1);
    const parts = partsOf(series.type, point).slice(0, 200);
    const most = parts.reduce((a, [, n]) => Math.max(a, n), 0) || 1;
    for (const [label, n] of parts) {
      const bar = box.appendChild(el("i"));
      bar.style.height = `${n > 0 ? Math.max(6, (n / most) * 100) : 0}%`;
      bar.title = `${label}: ${short(n)}`;
    }
    const named = series.type === "summary" ? parts.map(([label, n]) => `${label} ${short(n)}`).join("  ") : point.min !== undefined ? `min ${short(Number(point.min))}  max ${short(Number(point.max))}` : "";
    const wrap = el("div");
    wrap.append(box, el("p", "", [`${series.type === "summary" ? "quantiles" : "buckets"} of ${some(Number(point.count ?? 0), "value")}`, named].filter(Boolean).join(" · ")));
    return wrap;
  }

  plot(series) {
    series.points.sort((a, b) => a.time - b.time);
    let { points } = series;
    let what = POINTS[series.type];
    const cumulative = series.kind.aggregationTemporality === 2;
    if (series.type === "sum" && series.kind.isMonotonic && cumulative && points.length > 1) {
      // A counter is read as its rate; where it falls, its source has begun anew.
      what = "per second";
      points = points.slice(1).map((p, i) => {
        const before = points[i];
        const rise = p.value >= before.value ? p.value - before.value : p.value;
        return { time: p.time, value: rise / Math.max(0.001, (p.time - before.time) / 1000) };
      });
    } else if (series.type !== "gauge" && series.type !== "sum") {
      what = `mean of ${what}`;
      if (cumulative && points.length > 1) {
        points = points.slice(1).map((p, i) => {
          const count = p.count - points[i].count;
          return { time: p.time, value: count > 0 ? (p.sum - points[i].sum) / count : p.value };
        });
      }
    }
    const card = el("div", "plot");
    card.style.setProperty("--hue", hueOf(series.service));
    const last = points.at(-1);
    card.append(el("span", "now", this.withUnit(last.value, series.unit, what)), el("h3", "", series.name));
    card.append(el("p", "", [series.service, what, series.labels].filter(Boolean).join(" · ")));
    const low = points.reduce((least, p) => Math.min(least, p.value), Infinity);
    const high = points.reduce((most, p) => Math.max(most, p.value), -Infinity);
    const begin = points[0].time;
    const span = last.time - begin || 1;
    const x = (p) => (points.length === 1 ? 50 : ((p.time - begin) / span) * 100).toFixed(2);
    const y = (p) => (high === low ? 20 : 38 - ((p.value - low) / (high - low)) * 36).toFixed(2);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 40");
    svg.setAttribute("preserveAspectRatio", "none");
    const line = points.map((p, i) => `${i ? "L" : "M"}${x(p)} ${y(p)}`).join("") + (points.length === 1 ? "h.01" : "");
    for (const [className, d] of [[points.length === 1 ? "dot" : "area", `${line}L${x(last)} 40L${x(points[0])} 40Z`], ["", line]]) {
      const path = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
      path.setAttribute("class", className);
      path.setAttribute("d", d);
    }
    const range = el("div", "range");
    range.append(el("span", "", `${this.withUnit(low, series.unit === "By" ? "By" : "", "")} … ${this.withUnit(high, series.unit === "By" ? "By" : "", "")}`), el("span", "", `${some(points.length, "point")}, ${timeOfDay(begin).slice(0, 8)} – ${timeOfDay(last.time).slice(0, 8)}`));
    card.append(svg, range);
    if (series.type !== "gauge" && series.type !== "sum") card.append(this.spread(series));
    return card;
  }
}

/** The newest point of a distribution as [label, count] for each bucket, or [label, value] for each quantile. */
function partsOf(type, point) {
  if (type === "summary") return (point.quantileValues ?? []).map((q) => [`p${short((q.quantile ?? 0) * 100)}`, Number(q.value ?? 0)]);
  const between = (low, high, count) => [`${short(low)} – ${short(high)}`, Number(count)];
  if (type === "histogram") {
    const bounds = (point.explicitBounds ?? []).map(Number);
    return (point.bucketCounts ?? []).map((count, i) => (i === 0 ? [`≤ ${short(bounds[0] ?? Infinity)}`, Number(count)] : i === bounds.length ? [`> ${short(bounds[i - 1])}`, Number(count)] : between(bounds[i - 1], bounds[i], count)));
  }
  const base = 2 ** (2 ** -(point.scale ?? 0));
  const side = (buckets, sign) => (buckets?.bucketCounts ?? []).map((count, i) => between(sign * base ** ((buckets.offset ?? 0) + i), sign * base ** ((buckets.offset ?? 0) + i + 1), count));
  const zero = Number(point.zeroCount ?? 0) ? [["0", Number(point.zeroCount)]] : [];
  return [...side(point.negative, -1).reverse(), ...zero, ...side(point.positive, 1)];
}

// -- stores -----------------------------------------------------------------

class Stores {
  async ask() {
    const answer = await fetch("/api/recorder", { cache: "no-store" });
    if (!answer.ok) return;
    const stats = await answer.json();
    const services = [...new Set(["traces", "logs", "metrics"].flatMap((s) => Object.keys(stats[s].held.services)))].sort();
    for (const select of document.querySelectorAll("[data-services]")) {
      if ([...select.options].slice(1).map((o) => o.value).join("\n") === services.join("\n")) continue;
      const value = select.value;
      select.length = 1;
      for (const name of services) select.add(new Option(name, name));
      select.value = value;
    }
    const now = performance.now();
    $("gauges").replaceChildren(...["traces", "logs", "metrics"].map((name) => this.gauge(name, stats[name], this.before?.[name], now - this.at)));
    this.before = stats;
    this.at = now;
  }

  gauge(name, stats, before, elapsed) {
    const card = el("div", "gauge");
    const count = stats.span_count ?? stats.log_count ?? stats.metric_count;
    const rate = (key) => {
      const perSecond = before && elapsed > 0 ? Math.max(0, ((stats[key] - before[key]) * 1000) / elapsed) : 0;
      return perSecond < 10 ? perSecond : Math.round(perSecond);
    };
    const head = card.appendChild(el("h3", "", name));
    head.append(el("span", "badge", `${short(rate("added"))}/s in, ${short(rate("evicted"))}/s out`));
    const meter = (label, value, limit, show) => {
      const box = card.appendChild(el("div", "meter"));
      const line = box.appendChild(el("span"));
      line.append(el("span", "", label), el("span", "", `${show(value)} of ${show(limit)}`));
      box.appendChild(el("div")).appendChild(el("i")).style.width = `${Math.min(100, (value / Math.max(1, limit)) * 100)}%`;
    };
    meter("records", count, stats.capacity, (n) => n.toLocaleString());
    meter("bytes of records", stats.live_bytes, stats.max_bytes, bytes);
    const table = card.appendChild(el("table"));
    for (const [key, value] of Object.entries(stats)) {
      if (typeof value !== "number") continue;
      const row = table.insertRow();
      row.insertCell().textContent = key.replaceAll("_", " ");
      row.insertCell().textContent = /_bytes$/.test(key) && key !== "evicted_by_bytes" ? bytes(value) : value.toLocaleString();
    }
    for (const [title, counts] of Object.entries(stats.held)) {
      const most = Object.entries(counts).sort((a, b) => b[1] - a[1]);
      const named = (key) => (name === "logs" && title === "classes" ? `${severityName(Number(key))} (${key})`.trim() : key);
      const row = table.insertRow();
      row.insertCell().textContent = title;
      row.insertCell().textContent = most.slice(0, 6).map(([key, n]) => `${named(key)}: ${n.toLocaleString()}`).join(", ") + (most.length > 6 ? ` and ${most.length - 6} more` : "");
    }
    return card;
  }
}

const traces = new Traces();
const records = new Records();
const metrics = new Metrics();
const stores = new Stores();
const asked = { traces: () => traces.query, records: () => records.query, metrics: () => metrics.query };

function addRecorderViews() {
  for (const [id, title] of [["traces", "Traces"], ["records", "Records"], ["metrics", "Metrics"], ["stores", "Stores"]]) {
    const view = { id, title, enter: () => { stores.ask(); asked[id]?.().ask(); } };
    views.push(view);
    addTab(view);
  }
  setInterval(() => {
    if (document.visibilityState !== "visible" || current === "output") return;
    stores.ask();
    const query = asked[current]?.();
    if (query?.live && !query.form.contains(document.activeElement)) query.ask();
  }, 2000);
}
