// The recorder's views: traces as a waterfall, log records, metrics as small plots, and what the stores hold. All of them read
// records in OTLP's JSON form.

const el = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const millis = (ns) => Number(BigInt(ns ?? 0) / 1000n) / 1000;
const took = (ms) => (ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 1)} ms` : `${(ms / 1000).toFixed(2)} s`);
const short = (n) => (Math.abs(n) >= 1e5 || (n !== 0 && Math.abs(n) < 1e-3) ? n.toPrecision(4) : Number(n.toFixed(3)).toLocaleString());

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
  constructor(id, path, limit, draw) {
    Object.assign(this, { path, limit, draw, form: $(`${id}-filter`), foot: $(`${id}-foot`), live: true });
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
    const query = new URLSearchParams({ limit: this.limit });
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
      const { records, coverage } = await answer.json();
      this.foot.className = "foot";
      const parts = [`${records.length.toLocaleString()} records`];
      if (coverage.truncated) parts.push(`the newest ${this.limit.toLocaleString()} only`);
      if (coverage.evicted) parts.push(`${coverage.evicted.toLocaleString()} older ones were evicted`);
      this.foot.textContent = parts.join(" · ");
      this.draw(records);
    } catch (error) {
      this.foot.className = "foot warn";
      this.foot.textContent = error.message;
    }
  }
}

// -- traces -----------------------------------------------------------------

class Traces {
  constructor() {
    this.query = new Query("trace", "/api/traces", 1000, (spans) => this.list(spans));
  }

  list(spans) {
    const traces = new Map();
    for (const span of spans) {
      let trace = traces.get(span.traceId);
      if (!trace) traces.set(span.traceId, (trace = { id: span.traceId, spans: 0, errors: 0, begin: Infinity, end: 0, services: new Set() }));
      const begin = millis(span.startTimeUnixNano);
      trace.spans++;
      trace.errors += span.status?.code === 2 ? 1 : 0;
      trace.services.add(span.service);
      trace.end = Math.max(trace.end, millis(span.endTimeUnixNano));
      // The root names the trace; without one, its first span does.
      const root = !span.parentSpanId;
      if ((root && !trace.root) || (root === !!trace.root && begin < trace.begin)) { trace.title = span.name; trace.root = root; trace.service = span.service; }
      trace.begin = Math.min(trace.begin, begin);
    }
    const items = [...traces.values()].sort((a, b) => b.begin - a.begin).map((trace) => {
      const item = el("li");
      const button = item.appendChild(el("button"));
      button.setAttribute("aria-current", trace.id === this.current);
      button.append(el("span", trace.errors ? "title bad" : "title", trace.title), el("span", "num", took(trace.end - trace.begin)));
      button.append(el("span", "sub", `${trace.service} · ${timeOfDay(trace.begin)}${trace.errors ? ` · ${trace.errors} failed` : ""}`), el("span", "num", `${trace.spans} spans`));
      button.addEventListener("click", () => this.open(trace.id));
      return item;
    });
    $("trace-list").replaceChildren(...(items.length ? items : [el("p", "hint", "No span matches.")]));
    if (!this.current && traces.size) this.open([...traces.values()].sort((a, b) => b.begin - a.begin)[0].id);
  }

  async open(id) {
    this.current = id;
    for (const button of $("trace-list").querySelectorAll("button")) button.setAttribute("aria-current", false);
    const answer = await fetch(`/api/traces/${encodeURIComponent(id)}`, { cache: "no-store" });
    if (!answer.ok || this.current !== id) return;
    const { spans, logs, coverage } = await answer.json();
    this.fall(id, spans, logs, coverage);
    this.query.ask();
  }

  fall(id, spans, logs, coverage) {
    const box = $("waterfall");
    if (!spans.length) { box.replaceChildren(el("p", "hint", "This trace was evicted.")); return; }
    for (const span of spans) {
      span.begin = millis(span.startTimeUnixNano);
      span.end = Math.max(span.begin, millis(span.endTimeUnixNano));
    }
    const begin = spans.reduce((least, s) => Math.min(least, s.begin), Infinity);
    const total = spans.reduce((most, s) => Math.max(most, s.end), 0) - begin || 0.001;
    const head = el("div", "trace-head");
    head.append(el("h2", "", spans[0].name));
    const line = head.appendChild(el("p"));
    line.append(el("code", "", id), ` · ${spans.length} spans · ${took(total)} · ${new Date(begin).toLocaleString()} `);
    if (logs) {
      const button = line.appendChild(el("button", "", logs === 1 ? "1 log record" : `${logs} log records`));
      button.addEventListener("click", () => { records.query.set("trace_id", id); show("records"); });
    }
    if (spans.some((span) => span.orphan) && coverage.evicted) head.append(el("p", "warn", "Older spans were evicted, so some of this trace may be missing."));
    const axis = el("div", "axis");
    const marks = axis.appendChild(el("div"));
    for (let i = 0; i <= 4; i++) marks.append(el("span", "", took((total * i) / 4)));
    const fall = el("div", "fall");
    for (const span of spans) fall.append(...this.spanRow(span, span.depth, begin, total));
    const scroll = el("div", "scroll");
    scroll.append(axis, fall);
    box.replaceChildren(head, scroll);
  }

  spanRow(span, depth, begin, total) {
    const row = el("button", span.status?.code === 2 ? "span error" : "span");
    row.setAttribute("aria-expanded", false);
    row.style.setProperty("--depth", Math.min(depth, 24));
    row.style.setProperty("--hue", hueOf(span.service));
    const label = row.appendChild(el("span", "label", span.name));
    label.append(el("small", "", span.orphan ? `${span.service} · its parent is not held` : span.service));
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
      const body = el("td", "", plainText(valueText(record.body)));
      const attributes = attributesOf(record.attributes).map(([key, value]) => `${key}=${value}`).join("  ");
      if (attributes) body.append(el("div", "sub", attributes));
      const trace = el("td");
      if (record.traceId) {
        const link = trace.appendChild(el("button", "", record.traceId.slice(0, 8)));
        link.addEventListener("click", () => { show("traces"); traces.open(record.traceId); });
      }
      const time = record.timeUnixNano && record.timeUnixNano !== "0" ? record.timeUnixNano : record.observedTimeUnixNano;
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
        const labels = attributesOf(point.attributes).map(([k, v]) => `${k}=${v}`).sort().join(" ");
        const key = `${metric.name}\n${metric.service}\n${labels}`;
        if (!series.has(key)) series.set(key, { name: metric.name, service: metric.service, labels, unit: metric.unit ?? "", type, kind: metric[type], points: [] });
        series.get(key).points.push({ time: millis(point.timeUnixNano), value: this.value(type, point), count: Number(point.count ?? 0), sum: Number(point.sum ?? 0) });
      }
    }
    $("metric-names").replaceChildren(...[...names].sort().map((name) => { const option = el("option"); option.value = name; return option; }));
    const sorted = [...series.values()].sort((a, b) => (a.name + a.service + a.labels < b.name + b.service + b.labels ? -1 : 1));
    $("plots").replaceChildren(...(sorted.length ? sorted.slice(0, 200).map((s) => this.plot(s)) : [el("p", "hint", "No metric point matches.")]));
  }

  value(type, point) {
    if (type === "gauge" || type === "sum") return Number(point.asDouble ?? point.asInt ?? 0);
    return Number(point.count ?? 0) ? Number(point.sum ?? 0) / Number(point.count) : 0;
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
    card.append(el("span", "now", `${short(last.value)}${series.unit && series.unit !== "1" ? ` ${series.unit}` : ""}`), el("h3", "", series.name));
    card.append(el("p", "", [series.service, what, series.labels].filter(Boolean).join(" · ")));
    const low = Math.min(...points.map((p) => p.value));
    const high = Math.max(...points.map((p) => p.value));
    const begin = points[0].time;
    const span = last.time - begin || 1;
    const x = (p) => (points.length === 1 ? 50 : ((p.time - begin) / span) * 100).toFixed(2);
    const y = (p) => (high === low ? 20 : 38 - ((p.value - low) / (high - low)) * 36).toFixed(2);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 40");
    svg.setAttribute("preserveAspectRatio", "none");
    const line = points.map((p, i) => `${i ? "L" : "M"}${x(p)} ${y(p)}`).join("") + (points.length === 1 ? "h.01" : "");
    for (const [className, d] of [["area", `${line}L${x(last)} 40L${x(points[0])} 40Z`], ["", line]]) {
      const path = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
      path.setAttribute("class", className);
      path.setAttribute("d", d);
    }
    const range = el("div", "range");
    range.append(el("span", "", `${short(low)} … ${short(high)}`), el("span", "", `${points.length} points, ${timeOfDay(begin).slice(0, 8)} – ${timeOfDay(last.time).slice(0, 8)}`));
    card.append(svg, range);
    return card;
  }
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
    const rate = (key) => (before && elapsed > 0 ? Math.max(0, ((stats[key] - before[key]) * 1000) / elapsed) : 0);
    const head = card.appendChild(el("h3", "", name));
    head.append(el("span", "badge", `${short(rate("added"))}/s in, ${short(rate("evicted"))}/s out`));
    const meter = (label, value, limit, show) => {
      const box = card.appendChild(el("div", "meter"));
      const line = box.appendChild(el("span"));
      line.append(el("span", "", label), el("span", "", `${show(value)} of ${show(limit)}`));
      box.appendChild(el("div")).appendChild(el("i")).style.width = `${Math.min(100, (value / Math.max(1, limit)) * 100)}%`;
    };
    meter("records", count, stats.capacity, (n) => n.toLocaleString());
    meter("live bytes of those reserved", stats.live_bytes, stats.reserved_bytes, bytes);
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
