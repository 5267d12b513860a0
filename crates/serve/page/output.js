// The output view: processes at the side, their lines in the middle.

const $ = (id) => document.getElementById(id);
const ALL = "";
/** Pieces of output that are held back during a pause. */
const HELD = 50_000;

const timeOfDay = (ms) => {
  const date = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
};
const bytes = (n) => {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000 || unit === "GB") return `${n.toFixed(unit === "B" || n >= 10 ? 0 : 1)} ${unit}`;
    n /= 1000;
  }
};
const ago = (ms) => {
  const s = Math.max(0, (Date.now() - ms) / 1000);
  return s < 2 ? "now" : s < 90 ? `${Math.round(s)} s ago` : s < 5400 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
};
/** A colour for a name, the same on every visit. */
const hueOf = (name) => `var(--a${[2, 4, 5, 6, 3, 12, 13, 14][[...name].reduce((h, c) => (h * 31 + c.codePointAt(0)) >>> 0, 7) % 8]})`;

class Output {
  constructor() {
    this.lines = new Lines();
    this.finder = new Search((number) => this.lines.get(number)?.text, {
      found: (results) => this.searched(results),
      slow: () => this.refuse("this expression takes too long; make it simpler", "too slow"),
    });
    this.lines.ask = (number) => this.finder.ask(number);
    this.monitors = [];
    this.source = ALL;
    this.selected = null;
    this.paused = false;
    this.waiting = [];
    this.rates = new Map();
    this.asked = "";
    this.refused = "";
    this.hopLater = 0;
    this.list = new List($("list"), $("space"), () => this.lines.shown, (number) => this.row(number));
    this.list.moved = () => this.refreshNewest();
    this.bind();
  }

  // -- data ---------------------------------------------------------------

  /** Shows another process, or all with the empty name. */
  open(name) {
    this.feed?.stop();
    this.source = name;
    this.lines.clear();
    this.finder.set(this.lines.pattern);
    this.waiting = [];
    this.selected = null;
    this.setPaused(false);
    this.showDetail(null);
    this.list.following = true;
    this.list.update(0, true);
    $("list").classList.toggle("single", name !== ALL);
    const path = name === ALL ? "" : `/${name.split("/").map(encodeURIComponent).join("/")}`;
    this.feed = new Feed((cursors) => {
      const query = new URLSearchParams({ format: "chunks" });
      if (cursors.size) query.set("since", name === ALL ? new URLSearchParams([...cursors]) : cursors.get(name));
      return `/logs/stream${path}?${query}`;
    }, { records: (records) => this.add(records), state: (state, why) => this.setState(state, why) });
    $("save").href = `/logs?${new URLSearchParams(name === ALL ? { download: "" } : { download: "", monitor: name })}`;
    this.drawMonitors();
    this.refresh();
  }

  add(records) {
    if (this.paused) {
      for (const record of records) this.waiting.push(record);
      // Bounded: what is held back too long is left out, and that is said.
      const left = this.waiting.length - HELD;
      if (left > 0) {
        const lost = this.waiting.splice(0, left + 1).reduce((n, r) => n + (r.gap ?? r.data?.length ?? 0), 0);
        this.waiting.unshift({ source: "", gap: lost });
      }
      $("held").textContent = `paused; ${bytes(this.waiting.reduce((n, r) => n + (r.data?.length ?? 0), 0))} held back`;
      return;
    }
    for (const record of records) for (const number of this.lines.push(record)) this.list.redo(number);
    this.list.update(this.lines.trim());
    this.refresh();
  }

  setState(state, why) {
    const link = $("link");
    link.className = `link ${state === "lost" ? "lost" : state === "live" ? "live" : ""}`;
    link.textContent = state === "lost" ? `connection lost: ${why}; trying again` : state;
  }

  setPaused(paused) {
    this.paused = paused;
    $("pause").setAttribute("aria-pressed", paused);
    $("pause").textContent = paused ? "Go on" : "Pause";
    $("held").textContent = paused ? "paused" : "";
    if (!paused && this.waiting.length) {
      const waiting = this.waiting;
      this.waiting = [];
      this.add(waiting);
    }
  }

  // -- processes ----------------------------------------------------------

  setMonitors(monitors) {
    const now = performance.now();
    for (const monitor of monitors) {
      const before = this.rates.get(monitor.name);
      const rate = before ? ((monitor.total - before.total) * 1000) / Math.max(1, now - before.at) : 0;
      this.rates.set(monitor.name, { total: monitor.total, at: now, rate: Math.max(0, rate) });
    }
    this.monitors = monitors;
    this.drawMonitors();
    this.refresh();
  }

  drawMonitors() {
    const list = $("monitors");
    const entries = [{ name: ALL }, ...this.monitors];
    while (list.children.length > entries.length) list.lastElementChild.remove();
    entries.forEach((monitor, i) => {
      let item = list.children[i];
      if (!item) {
        item = document.createElement("li");
        const button = item.appendChild(document.createElement("button"));
        button.className = "proc";
        for (const name of ["dot", "name", "rate", "more"]) button.appendChild(document.createElement("span")).className = name;
        button.addEventListener("click", () => { this.open(button.dataset.name); $("list").focus(); });
        list.append(item);
      }
      const button = item.firstChild;
      const [dot, name, rate, more] = button.children;
      button.dataset.name = monitor.name;
      button.setAttribute("aria-current", monitor.name === this.source);
      if (monitor.name === ALL) {
        dot.className = "dot all";
        name.textContent = "All";
        rate.textContent = "";
        const running = this.monitors.filter((m) => m.state === "running").length;
        more.textContent = `${this.monitors.length} in all, ${running} running`;
        return;
      }
      const failed = monitor.state === "killed" || (monitor.state === "exited" && monitor.exit_code !== 0);
      dot.className = `dot ${failed ? "failed" : monitor.state}`;
      name.textContent = button.title = monitor.name;
      const speed = this.rates.get(monitor.name)?.rate ?? 0;
      rate.textContent = speed >= 1 ? `${bytes(speed)}/s` : "";
      more.replaceChildren();
      const parts = [`${monitor.lines.toLocaleString()} lines`, monitor.last_write_ms ? ago(monitor.last_write_ms) : "silent"];
      if (!["running", "unknown"].includes(monitor.state)) {
        const exit = document.createElement("span");
        exit.textContent = monitor.state_text;
        if (failed) exit.className = "bad";
        more.append(exit, " · ");
      }
      more.append(parts.join(" · "));
    });
  }

  step(by) {
    const names = [ALL, ...this.monitors.map((m) => m.name)];
    const at = names.indexOf(this.source) + by;
    if (names[at] !== undefined) this.open(names[at]);
  }

  // -- rows ---------------------------------------------------------------

  row(number) {
    const line = this.lines.get(number);
    const row = document.createElement("div");
    row.dataset.number = number;
    row.className = `row ${line.kind}`;
    if (line.kind === "line") {
      row.className = `row ${{ stderr: "err", log: "log" }[line.stream] ?? ""} l${line.level}`;
      const add = (name, text) => {
        const span = row.appendChild(document.createElement("span"));
        span.className = name;
        span.textContent = text;
        return span;
      };
      add("time", timeOfDay(line.time));
      add("from", line.source).style.color = hueOf(line.source ?? "");
      add("tag", { stderr: "err", log: "log" }[line.stream] ?? "");
      const marks = this.lines.marks(line);
      if (marks.length) row.classList.add("hit");
      paint(add("text", ""), this.lines.pieces(line), marks);
      if (line.partial) add("cut", "▏");
    } else {
      row.textContent = line.kind === "gap" ? `⋯ ${line.text}${line.source && this.source === ALL ? ` from ${line.source}` : ""} ⋯` : line.text;
    }
    if (number === this.selected) row.classList.add("now");
    return row;
  }

  select(number, reveal = true) {
    if (number === undefined || !this.lines.get(number)) return;
    this.list.live.get(this.selected)?.classList.remove("now");
    this.selected = number;
    this.list.live.get(number)?.classList.add("now");
    const position = lowerBound(this.lines.shown, number);
    if (reveal && this.lines.shown[position] === number) this.list.reveal(position);
    if (!$("detail").hidden) this.showDetail(number);
    this.refresh();
  }

  showDetail(number) {
    const box = $("detail");
    const line = number === null ? null : this.lines.get(number);
    box.hidden = !line;
    box.replaceChildren();
    if (!line) return;
    const facts = { from: line.source, stream: line.stream, time: new Date(line.time).toISOString(), offset: line.offset?.toLocaleString() };
    const list = box.appendChild(document.createElement("dl"));
    for (const [name, value] of Object.entries(facts)) {
      if (value === undefined) continue;
      const pair = list.appendChild(document.createElement("div"));
      pair.appendChild(document.createElement("dt")).textContent = name;
      pair.appendChild(document.createElement("dd")).textContent = value;
    }
    const text = box.appendChild(document.createElement("pre"));
    let shown = line.text;
    try { if (/^\s*[{[]/.test(shown)) shown = JSON.stringify(JSON.parse(shown), null, 2); } catch { /* not JSON after all */ }
    if (shown === line.text) paint(text, this.lines.pieces(line), this.lines.marks(line));
    else text.textContent = shown;
  }

  // -- search, filters, time ----------------------------------------------

  search() {
    const text = $("find").value;
    const flags = $("find-case").getAttribute("aria-pressed") === "true" ? "g" : "gi";
    const regex = $("find-regex").getAttribute("aria-pressed") === "true";
    const asked = `${flags}${regex}${text}`;
    if (asked === this.asked) return;
    this.asked = asked;
    $("find").classList.remove("bad");
    $("find").title = "";
    try {
      this.look(text ? new RegExp(regex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), flags) : null);
    } catch (error) {
      this.refuse(error.message, "");
    }
  }

  look(pattern) {
    this.refused = "";
    this.hopLater = 0;
    this.lines.pattern = pattern;
    this.lines.asked++;
    this.finder.set(pattern);
    this.refilter();
  }

  /** Says what is wrong with an expression, and searches for nothing. */
  refuse(why, short) {
    $("find").classList.add("bad");
    $("find").title = why;
    this.look(null);
    this.refused = short;
    this.refresh();
  }

  /** Takes results of the search. */
  searched(results) {
    for (const [number, ranges] of results) if (this.lines.found(number, ranges)) this.list.redo(number);
    if (this.hopLater && this.lines.hits.length) this.hop(this.hopLater);
    this.list.update();
    this.refresh();
  }

  refilter() {
    const pressed = (id) => $(id).getAttribute("aria-pressed") === "true";
    const { filter } = this.lines;
    filter.streams = new Set([["show-out", "stdout"], ["show-err", "stderr"], ["show-log", "log"]].filter(([id]) => pressed(id)).map(([, stream]) => stream));
    filter.level = Number($("level").value);
    filter.only = pressed("find-only");
    $("list").classList.toggle("only", filter.only);
    const anchor = this.list.following ? null : this.lines.shown[Math.floor(this.list.box.scrollTop / ROW)];
    this.list.forget();
    this.lines.reclassify(() => {
      if (anchor !== null && anchor !== undefined) {
        this.list.box.scrollTop = lowerBound(this.lines.shown, anchor) * ROW;
      }
      this.list.update();
      this.refresh();
    });
  }

  hop(by) {
    const { hits } = this.lines;
    // Before there is a result, the first one will do.
    this.hopLater = !hits.length && this.finder.busy ? by : 0;
    if (!hits.length) return;
    const from = this.selected ?? this.lines.shown[Math.floor(this.list.box.scrollTop / ROW)] ?? 0;
    let at = by > 0 ? lowerBound(hits, from + 1) : lowerBound(hits, from) - 1;
    at = (at + hits.length) % hits.length;
    this.select(hits[at]);
  }

  move(by) {
    const { shown } = this.lines;
    if (!shown.length) return;
    const at = this.selected === null
      ? Math.floor((this.list.box.scrollTop + this.list.box.clientHeight) / ROW) - 1
      : lowerBound(shown, this.selected) + by;
    this.select(shown[Math.min(Math.max(at, 0), shown.length - 1)]);
  }

  /** Goes to the first line at or after a time. */
  jump(text) {
    const when = parseTime(text.trim());
    $("jump").classList.toggle("bad", when === null);
    if (when === null) return;
    const { shown } = this.lines;
    let low = 0;
    let high = shown.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.lines.get(shown[middle]).time ?? 0) < when) low = middle + 1;
      else high = middle;
    }
    this.select(shown[Math.min(low, shown.length - 1)]);
  }

  // -- the rest -----------------------------------------------------------

  refreshNewest() { $("newest").hidden = this.list.following || !this.lines.shown.length; }

  refresh() {
    const { lines } = this;
    const shown = lines.shown.length;
    const held = lines.all.length;
    $("count").textContent = `${shown.toLocaleString()} of ${held.toLocaleString()} lines shown`;
    $("gaps").textContent = lines.gaps ? `${lines.gaps.toLocaleString()} ${lines.gaps === 1 ? "gap" : "gaps"}, ${bytes(lines.gapBytes)} skipped` : "";
    const at = lines.hits.length ? lowerBound(lines.hits, this.selected ?? -1) : 0;
    const here = lines.hits[at] === this.selected ? `${(at + 1).toLocaleString()} / ` : "";
    const going = lines.cursor !== null || this.finder.busy;
    $("hits").textContent = lines.pattern ? `${here}${lines.hits.length.toLocaleString()}${going ? "…" : ""}` : this.refused;
    $("prev").disabled = $("next").disabled = !lines.hits.length;
    $("empty").hidden = shown > 0;
    $("empty").textContent = held ? "No line passes the filters." : this.monitors.length ? "Nothing was written yet." : "No process is watched yet.\nIt appears here as soon as the service opens a monitor.";
    this.refreshNewest();
  }

  saveShown() {
    const text = this.lines.shown.map((n) => {
      const line = this.lines.get(n);
      return `${new Date(line.time ?? 0).toISOString()} ${line.source ?? ""} ${line.stream ?? line.kind} ${line.text}\n`;
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(text, { type: "text/plain" }));
    link.download = `${(this.source || "all").replace(/[^\w.-]+/g, "_")}-shown.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  bind() {
    const toggle = (id, then) => $(id).addEventListener("click", () => {
      $(id).setAttribute("aria-pressed", $(id).getAttribute("aria-pressed") !== "true");
      then();
    });
    let typing;
    $("find").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => this.search(), 120); });
    $("find").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      clearTimeout(typing);
      this.search();
      this.hop(event.shiftKey ? -1 : 1);
    });
    toggle("find-case", () => this.search());
    toggle("find-regex", () => this.search());
    for (const id of ["find-only", "show-out", "show-err", "show-log"]) toggle(id, () => this.refilter());
    $("level").addEventListener("change", () => this.refilter());
    toggle("times", () => $("list").classList.toggle("no-times"));
    $("prev").addEventListener("click", () => this.hop(-1));
    $("next").addEventListener("click", () => this.hop(1));
    $("pause").addEventListener("click", () => this.setPaused(!this.paused));
    $("newest").addEventListener("click", () => this.list.toEnd());
    $("save-shown").addEventListener("click", () => this.saveShown());
    $("jump").addEventListener("keydown", (event) => { if (event.key === "Enter") { this.jump($("jump").value); $("list").focus(); } });
    $("space").addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row && getSelection().isCollapsed) this.select(Number(row.dataset.number), false);
    });
    $("space").addEventListener("dblclick", () => this.showDetail(this.selected));
  }

  key(event) {
    const actions = {
      "/": () => { $("find").focus(); $("find").select(); },
      t: () => { $("jump").focus(); $("jump").select(); },
      n: () => this.hop(1), N: () => this.hop(-1), f: () => $("find-only").click(),
      " ": () => this.setPaused(!this.paused), g: () => this.list.toBeginning(), G: () => this.list.toEnd(),
      Home: () => this.list.toBeginning(), End: () => this.list.toEnd(),
      j: () => this.move(1), k: () => this.move(-1), ArrowDown: () => this.move(1), ArrowUp: () => this.move(-1),
      Enter: () => this.showDetail($("detail").hidden ? this.selected : null),
      "[": () => this.step(-1), "]": () => this.step(1), d: () => $("save").click(),
      Escape: () => this.showDetail(null),
    };
    const action = actions[event.key];
    if (!action) return false;
    action();
    return true;
  }
}

/** Milliseconds since 1970 of "14:05", "14:05:30.250", "-5m", "2 h" or an ISO date; null if it is none of them. */
function parseTime(text) {
  let found = /^-?\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)$/i.exec(text);
  if (found) return Date.now() - found[1] * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[found[2][0].toLowerCase()];
  found = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,3})?))?$/.exec(text);
  if (found) {
    const date = new Date();
    date.setHours(found[1], found[2], 0, 0);
    const when = date.getTime() + Number(found[3] ?? 0) * 1000;
    // A time of day that is still to come was yesterday's.
    return when > Date.now() + 60_000 ? when - 864e5 : when;
  }
  const parsed = text ? Date.parse(text) : NaN;
  return Number.isNaN(parsed) ? null : parsed;
}
