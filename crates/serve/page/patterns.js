// The patterns view: what kinds of lines the processes write, as they are counted.

const patterns = {
  id: "patterns",
  title: "Patterns",

  /** Asks for the counts and shows them. */
  async enter() {
    try {
      const answer = await fetch("/api/patterns?most=200", { cache: "no-store" });
      if (answer.ok) this.show((await answer.json()).monitors);
    } catch { /* the feed says that the connection is lost */ }
  },

  show(monitors) {
    const { monitor: pick, text } = $("pattern-filter").elements;
    for (const { name } of monitors) {
      if (![...pick.options].some((option) => option.value === name)) pick.add(new Option(name, name));
    }
    const wanted = monitors.filter(({ name }) => !pick.value || name === pick.value);
    const needle = text.value.toLowerCase();
    const rows = wanted.flatMap(({ name, lines, top }) => top
      .filter(({ pattern }) => pattern.toLowerCase().includes(needle))
      .map(({ id, pattern, count }) => ({ id, pattern, count, name, share: count / lines })));
    rows.sort((a, b) => b.count - a.count);
    $("pattern-table").tBodies[0].replaceChildren(...rows.slice(0, 500).map((row) => {
      const line = document.createElement("tr");
      line.title = `number ${row.id}`;
      for (const cell of [row.count.toLocaleString(), `${(row.share * 100).toFixed(2)} %`, row.name, row.pattern]) {
        line.insertCell().textContent = cell;
      }
      return line;
    }));
    const sum = (key) => wanted.reduce((total, monitor) => total + monitor[key], 0);
    const parts = [`${sum("lines").toLocaleString()} lines`, `${sum("patterns").toLocaleString()} patterns`];
    if (sum("other")) parts.push(`${sum("other").toLocaleString()} lines of others, for which there was no room`);
    if (sum("skipped")) parts.push(`${bytes(sum("skipped"))} evicted before they were counted`);
    $("pattern-foot").textContent = parts.join(" · ");
  },
};

$("pattern-filter").addEventListener("input", () => patterns.enter());
$("pattern-filter").addEventListener("submit", (event) => event.preventDefault());
