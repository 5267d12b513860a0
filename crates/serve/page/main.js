// The frame around the views: tabs, theme, keyboard, and the poll that keeps the list of processes true.

const output = new Output();
const views = [{ id: "output", title: "Output", key: (event) => output.key(event) }];
let current = "output";

function show(id) {
  current = id;
  for (const view of views) {
    $(view.id).hidden = view.id !== id;
    view.tab.setAttribute("aria-selected", view.id === id);
    view.tab.tabIndex = view.id === id ? 0 : -1;
  }
  views.find((view) => view.id === id).enter?.();
  if (id !== "output" || views.length > 1) history.replaceState(null, "", id === "output" ? location.pathname : `#${id}`);
}

function addTab(view) {
  view.tab = $("tabs").appendChild(document.createElement("button"));
  view.tab.role = "tab";
  view.tab.textContent = view.title;
  view.tab.setAttribute("aria-controls", view.id);
  view.tab.addEventListener("click", () => show(view.id));
}

const THEMES = { "": "◐", light: "☀", dark: "☾" };
const dark = matchMedia("(prefers-color-scheme: dark)");
let theme = "";
try { theme = localStorage.getItem("flightring-theme") ?? ""; } catch { /* no storage: follow the system */ }
function applyTheme() {
  document.documentElement.dataset.theme = theme || (dark.matches ? "dark" : "light");
  $("theme").textContent = THEMES[theme] ?? "◐";
}
dark.addEventListener("change", applyTheme);
$("theme").addEventListener("click", () => {
  theme = { "": "light", light: "dark", dark: "" }[theme] ?? "";
  try { localStorage.setItem("flightring-theme", theme); } catch { /* for this visit only, then */ }
  applyTheme();
});
applyTheme();

$("help-open").addEventListener("click", () => $("help").showModal());
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const field = event.target.closest?.("input, select, textarea");
  if (field) {
    if (event.key === "Escape") { field.blur(); $("list").focus(); }
    return;
  }
  // A focused button keeps the keys that press it.
  if (event.target.closest?.("button, a") && (event.key === " " || event.key === "Enter")) return;
  const view = views[Number(event.key) - 1];
  if (view) show(view.id);
  else if (event.key === "?") $("help").showModal();
  else if (!views.find((v) => v.id === current).key?.(event)) return;
  event.preventDefault();
});

// A browser allows few connections to one server. A tab that nobody looks at gives its own back after a while, and goes on
// where it was when it is looked at again.
let unseen;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.visibilityState === "hidden") unseen = setTimeout(() => output.feed.stop(), 30_000);
  else if (output.feed.stopped.signal.aborted) output.feed.resume();
});

async function poll() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch("/api/monitors", { cache: "no-store" });
      if (answer.ok) {
        const { monitors, recorder, loggers: logging } = await answer.json();
        output.setMonitors(monitors);
        if (recorder && !views.some((view) => view.id === "traces")) { addRecorderViews(); open(); }
        if (monitors.some((monitor) => monitor.counts_patterns) && !views.includes(patterns)) {
          views.push(patterns);
          addTab(patterns);
          open();
        }
        if (logging && !views.includes(loggers)) {
          views.push(loggers);
          addTab(loggers);
          open();
        }
        if (current === "patterns") patterns.enter();
        if (current === "loggers") loggers.enter();
      }
    } catch { /* the feed says that the connection is lost */ }
  }
  setTimeout(poll, 1000);
}

/** Shows the view that the address names. */
function open() {
  const wanted = location.hash.slice(1);
  if (views.some((view) => view.id === wanted) && wanted !== current) show(wanted);
}
addEventListener("hashchange", open);

views.forEach(addTab);
show("output");
output.open(ALL);
poll();
