// The loggers view: what each logger has accepted, dropped and written, and the newest records of one log.

const LOG_LEVELS = { TRACE: 1, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, FATAL: 4 };
const milliseconds = (ns) => `${(ns / 1e6).toLocaleString(undefined, { maximumFractionDigits: ns < 1e7 ? 2 : 0 })} ms`;

const loggers = {
  id: "loggers",
  title: "Loggers",
  before: new Map(),
  chosen: null,

  /** Asks for the numbers, and for the records of the chosen log. */
  async enter() {
    try {
      const answer = await fetch("/api/loggers", { cache: "no-store" });
      if (!answer.ok) return;
      this.show((await answer.json()).loggers);
      if (this.chosen !== null) await this.ask();
    } catch { /* the feed says that the connection is lost */ }
  },

  show(all) {
    const now = performance.now();
    if (!all.some(({ name }) => name === this.chosen)) this.chosen = all[0]?.name ?? null;
    $("logger-cards").replaceChildren(...all.map((logger) => this.card(logger, now)));
    for (const { name, stats } of all) this.before.set(name, { stats, at: now });
    $("logger-empty").hidden = all.length > 0;
  },

  card({ name, path, error, stats, shards }, now) {
    const card = el("div", "gauge");
    const before = this.before.get(name);
    const rate = (key) => (before && now > before.at ? Math.max(0, ((stats[key] - before.stats[key]) * 1000) / (now - before.at)) : 0);
    const head = card.appendChild(el("h3", "", name));
    head.append(el("span", "badge", `${short(rate("accepted"))}/s accepted, ${bytes(rate("bytes_written"))}/s written`));
    card.append(el("p", "path", path));
    if (error) card.append(el("p", "failed", `${error.text}, ${ago(error.time_ms)}`));
    const capacity = shards.reduce((sum, shard) => sum + shard.capacity, 0);
    const meter = card.appendChild(el("div", "meter"));
    const line = meter.appendChild(el("span"));
    line.append(el("span", "", `${stats.in_memory.toLocaleString()} records in memory`), el("span", "", `${bytes(stats.bytes_in_memory)} of ${bytes(capacity)}`));
    meter.appendChild(el("div")).appendChild(el("i")).style.width = `${Math.min(100, (stats.bytes_in_memory / Math.max(1, capacity)) * 100)}%`;

    const causes = Object.entries(stats).filter(([key, n]) => key.startsWith("dropped_") && n > 0);
    const dropped = causes.map(([key, n]) => `${key.slice(8).replaceAll("_", " ")} ${n.toLocaleString()}`).join(", ");
    const latency = ({ count, p50_ns, p99_ns, max_ns }) => (count === 0 ? "–" : `${milliseconds(p50_ns)} · ${milliseconds(p99_ns)} · ${milliseconds(max_ns)}`);
    const table = card.appendChild(el("table"));
    const row = (label, value, bad) => {
      const cells = table.insertRow();
      cells.insertCell().textContent = label;
      const cell = cells.insertCell();
      cell.textContent = value;
      if (bad) cell.className = "failed";
    };
    row("accepted", stats.accepted.toLocaleString());
    row("dropped", stats.dropped ? `${stats.dropped.toLocaleString()} (${dropped})` : "0", stats.dropped > 0);
    row("flush p50 · p99 · max", latency(stats.flush_time));
    row("write p50 · p99 · max", latency(stats.write_time));
    const rest = card.appendChild(el("details"));
    rest.open = this.opened?.has(name) ?? false;
    rest.addEventListener("toggle", () => { (this.opened ??= new Set())[rest.open ? "add" : "delete"](name); });
    rest.append(el("summary", "", "all numbers"));
    const all = rest.appendChild(el("table"));
    // Whatever numbers there are.
    for (const [key, value] of Object.entries(stats)) {
      if (value !== null && typeof value === "object") continue;
      const cells = all.insertRow();
      cells.insertCell().textContent = key.replaceAll("_", " ");
      cells.insertCell().textContent = typeof value !== "number" ? String(value) : /bytes|memory$/.test(key) ? bytes(value) : /_ns$/.test(key) ? milliseconds(value) : value.toLocaleString();
    }
    const button = card.appendChild(el("button", "", "newest records"));
    button.setAttribute("aria-pressed", name === this.chosen);
    button.className = "flag";
    button.addEventListener("click", () => { this.chosen = name; this.enter(); });
    return card;
  },

  async ask() {
    const name = this.chosen;
    const answer = await fetch(`/api/loggers/records?${new URLSearchParams({ logger: name, most: 200 })}`, { cache: "no-store" });
    if (name !== this.chosen) return;
    if (!answer.ok) {
      $("logger-foot").textContent = (await answer.text()).trim();
      return;
    }
    const { records } = await answer.json();
    $("logger-table").tBodies[0].replaceChildren(...records.reverse().map((record) => {
      const row = document.createElement("tr");
      row.className = `s${LOG_LEVELS[record.level] ?? 0}`;
      const text = visible(record.text.replace(ESCAPES, "")) + (record.cut ? " …" : "");
      for (const cell of [record.time_ms ? timeOfDay(record.time_ms) : record.sequence.toLocaleString(), record.marker ? "MARKER" : record.level, record.thread || "", text]) row.insertCell().textContent = cell;
      return row;
    }));
    $("logger-foot").textContent = `${records.length.toLocaleString()} newest records of ${name} that are in its file, newest first`;
  },
};
