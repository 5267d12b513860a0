// The page in a real browser, over real processes.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { browser, flightring, until } from "./harness.mjs";

const HOSTILE = "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>";
const COMMANDS = {
  web: `printf '\\033[31mred\\033[0m and \\033]0;title\\007plain\\n'; printf 'bad \\377\\376 bytes\\n'; echo '${HOSTILE}'; echo 'WARN disk is nearly full'; echo 'ERROR it broke' >&2; printf 'name? '; i=0; while :; do i=$((i+1)); echo "tick $i" >&2; sleep 0.05; done`,
  big: "seq -f 'line %.0f of a long run' 1 100000",
  bad: "echo leaving; exit 3",
  trap: `printf '%s!\\n' ${"a".repeat(60)}; sleep 1000`,
};

let run;
let chromium;
let page;
let errors;

before(async () => {
  run = await flightring(COMMANDS, ["--history", "16M"]);
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  await run?.stop();
});
beforeEach(async () => {
  await page?.context().close();
  const context = await chromium.newContext({ viewport: { width: 1300, height: 800 }, acceptDownloads: true });
  page = await context.newPage();
  errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  await page.goto(run.url);
  await page.waitForSelector(".row");
});

const open = async (name) => {
  await until(`${name} at the side`, () => page.locator(".proc", { hasText: name }).count());
  await page.locator(".proc", { hasText: name }).first().click();
  await page.waitForSelector(".row");
};
const shown = () => page.$$eval(".row", (rows) => rows.sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top)).map((row) => row.querySelector(".text")?.textContent ?? row.textContent));
const count = async () => Number((await page.textContent("#count")).split(" ")[0].replaceAll(",", ""));
const toTop = () => page.evaluate(() => output.list.toBeginning());

test("processes are listed with their state", async () => {
  await until("four processes", async () => (await page.locator(".proc").count()) === 5);
  await until("an exit", () => page.locator(".proc", { hasText: "exited with 3" }).count());
  await until("the others run", async () => (await page.locator(".proc .dot.running").count()) === 2);
  assert.equal(await page.locator(".proc .dot.failed").count(), 1);
  assert.equal(await page.title(), "flightring");
  assert.deepEqual(errors, []);
});

test("output is live, and the streams are told apart", async () => {
  await open("web");
  await until("a tick", () => page.locator(".row.err", { hasText: "tick" }).count());
  const first = await count();
  await until("more ticks", async () => (await count()) > first + 5);
  await toTop();
  await until("stdout", () => page.locator(".row:not(.err)", { hasText: "WARN" }).count());
  assert.equal(await page.locator(".row.l3:not(.err)", { hasText: "WARN disk" }).count(), 1);
  assert.equal(await page.locator(".row.l4.err", { hasText: "ERROR it broke" }).count(), 1);
  assert.equal(await page.locator(".row .cut").count(), 1, "the prompt, which has no line feed");
  assert.deepEqual(errors, []);
});

test("what a process prints cannot do anything but be seen", async () => {
  await open("web");
  await toTop();
  const row = await until("the line", async () => (await shown()).find((text) => text.includes("<img")));
  assert.equal(row, HOSTILE);
  assert.equal(await page.locator("#list img, #list script").count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.ok((await shown()).includes("bad \ufffd\ufffd bytes"));
  assert.ok((await shown()).includes("red and plain"));
  const colour = await page.locator(".row span[style]", { hasText: /^red$/ }).evaluate((e) => getComputedStyle(e).color);
  assert.notEqual(colour, await page.locator(".row .text").first().evaluate((e) => getComputedStyle(e).color));
  const policy = (await page.request.get(run.url)).headers()["content-security-policy"];
  assert.match(policy, /^default-src 'none'; script-src 'nonce-[0-9a-f]{32}'/);
  assert.deepEqual(errors, []);
});

test("a hundred thousand lines are there, and few of them are elements", async () => {
  await open("big");
  await until("all lines", async () => (await count()) === 100_000);
  assert.ok((await page.locator(".row").count()) < 120);
  await until("the end", async () => (await shown()).at(-1) === "line 100000 of a long run");
  await toTop();
  await until("the beginning", async () => (await shown())[0] === "line 1 of a long run");
  await page.evaluate(() => { const list = document.getElementById("list"); list.scrollTop = list.scrollHeight / 2; });
  await until("the middle", async () => (await shown()).includes("line 50001 of a long run"));
  assert.ok((await page.locator(".row").count()) < 120);
  await page.click("#newest");
  await until("the end again", async () => (await shown()).includes("line 100000 of a long run"));
});

test("search finds text and regular expressions, and can hide the rest", async () => {
  await open("big");
  await until("all lines", async () => (await count()) === 100_000);
  await page.keyboard.press("/");
  await page.keyboard.type("LINE 7777 OF");
  await until("one hit", async () => (await page.textContent("#hits")) === "1");
  await page.click("#find-case");
  await until("no hit", async () => (await page.textContent("#hits")) === "0");
  await page.click("#find-regex");
  await page.fill("#find", "^line 99\\d{3} ");
  await until("a thousand", async () => (await page.textContent("#hits")) === "1,000");
  await page.press("#find", "Enter");
  await page.press("#find", "Escape");
  await page.keyboard.press("n");
  assert.match(await page.textContent("#hits"), /^\d+ \/ 1,000$/);
  assert.ok(await page.locator(".row.now mark").count());
  await page.keyboard.press("f");
  await until("only those", async () => (await count()) === 1000);
  await page.fill("#find", "(");
  await until("a broken expression", () => page.locator("#find.bad").count());
  assert.deepEqual(errors, []);
});

test("an expression that takes for ever is given up, and the page goes on meanwhile", async () => {
  await open("trap");
  await until("the trap", async () => (await shown()).includes(`${"a".repeat(60)}!`));
  await page.click("#find-regex");
  await page.fill("#find", "(a+)+$");
  // Each of these needs the page's own thread, which a search in it would have taken for good.
  await until("searching", async () => /…$|^too slow$/.test(await page.textContent("#hits")));
  assert.equal(await page.evaluate(() => 6 * 7), 42);
  await until("given up", async () => (await page.textContent("#hits")) === "too slow");
  assert.match(await page.getAttribute("#find", "title"), /takes too long/);
  assert.equal(await page.locator("#find.bad").count(), 1);
  await page.fill("#find", "a+!");
  await until("another one works", async () => (await page.textContent("#hits")) === "1");
  assert.equal(await page.locator("#find.bad").count(), 0);
  assert.equal(await page.locator(".row.hit mark").textContent(), `${"a".repeat(60)}!`);
  assert.deepEqual(errors, []);
});

test("a search goes on in what comes", async () => {
  await open("web");
  await page.fill("#find", "tick");
  // "12", "1,200", or "3 / 1,200"; nothing while it is searched for the first time.
  const hits = async () => Number(/[\d,]+$/.exec(await page.textContent("#hits"))?.[0].replaceAll(",", "") ?? 0);
  const first = await until("some", hits);
  await until("more", async () => (await hits()) > first + 5);
  await page.press("#find", "Enter");
  await until("one of them", () => page.locator(".row.now.hit mark").count());
  assert.deepEqual(errors, []);
});

test("streams and levels can be filtered", async () => {
  await open("web");
  await page.click("#show-err");
  await until("no ticks", async () => (await shown()).every((text) => !text.includes("tick")));
  assert.ok((await shown()).includes("WARN disk is nearly full"));
  await page.click("#show-err");
  await page.selectOption("#level", "4");
  await until("errors only", async () => (await shown()).join() === "ERROR it broke");
});

test("pause holds the view still, and nothing is lost", async () => {
  await open("web");
  await until("a tick", () => page.locator(".row", { hasText: "tick" }).count());
  await page.keyboard.press(" ");
  const held = await count();
  await until("held back", async () => /held back/.test(await page.textContent("#held")));
  assert.equal(await count(), held);
  await page.keyboard.press(" ");
  await until("going on", async () => (await count()) > held);
  await until("the newest", async () => page.locator("#newest").isHidden());
  const ticks = await page.evaluate(() => output.lines.all.map((line) => line.text).filter((text) => text.startsWith("tick ")).map((text) => Number(text.slice(5))));
  ticks.forEach((tick, i) => assert.equal(tick, i + 1));
});

test("a lost connection is resumed without a gap and without a double", async () => {
  await open("web");
  await until("a tick", () => page.locator(".row", { hasText: "tick" }).count());
  const before = await page.evaluate(() => {
    // What a network that breaks does to the request under way.
    const feed = output.feed;
    const reading = feed.read.bind(feed);
    let broken = false;
    feed.read = async (body, signal) => {
      if (broken) return reading(body, signal);
      broken = true;
      await body.cancel();
      return false;
    };
    feed.stop();
    feed.resume();
    return output.lines.end;
  });
  await until("more lines", () => page.evaluate((n) => output.lines.end > n + 10, before));
  const ticks = await page.evaluate(() => output.lines.all.map((line) => line.text).filter((text) => text.startsWith("tick ")).map((text) => Number(text.slice(5))));
  ticks.forEach((tick, i) => assert.equal(tick, i + 1));
});

test("gaps are shown where they are", async () => {
  await open("bad");
  await page.evaluate(() => output.add([{ source: "bad", gap: 12345, offset: 8, next: 12353 }]));
  await until("the gap", () => page.locator(".row.gap", { hasText: "12,345 bytes skipped" }).count());
  assert.match(await page.textContent("#gaps"), /1 gap, 12 kB skipped/);
});

test("time can be jumped to", async () => {
  await open("web");
  await until("some ticks", async () => (await count()) > 60);
  await page.keyboard.press("t");
  await page.keyboard.type("-1h");
  await page.keyboard.press("Enter");
  await until("the beginning", () => page.locator(".row.now", { hasText: "red and plain" }).count());
  const time = await page.evaluate(() => new Date(output.lines.get(output.lines.first + 30).time).toISOString());
  await page.fill("#jump", time);
  await page.press("#jump", "Enter");
  const at = await page.evaluate(() => output.lines.get(output.selected).time);
  assert.ok(at >= Date.parse(time) && at < Date.parse(time) + 1000);
  await page.fill("#jump", "yesterday-ish");
  await page.press("#jump", "Enter");
  assert.equal(await page.locator("#jump.bad").count(), 1);
});

test("the keyboard is enough", async () => {
  await until("all processes", async () => (await page.locator(".proc").count()) === 5);
  await page.keyboard.press("]");
  await until("the next process", async () => (await page.locator(".proc[aria-current=true]").textContent()).startsWith("bad"));
  await page.keyboard.press("[");
  await until("all", async () => (await page.locator(".proc[aria-current=true]").textContent()).startsWith("All"));
  await until("more than fits", async () => (await count()) > 1000);
  await page.keyboard.press("g");
  await until("not following", () => page.locator("#newest").isVisible());
  await page.keyboard.press("G");
  await until("following", () => page.locator("#newest").isHidden());
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  assert.match(await page.textContent("#detail"), /from.*stream.*time/s);
  await page.keyboard.press("Escape");
  assert.ok(await page.locator("#detail").isHidden());
  await page.keyboard.press("?");
  assert.ok(await page.locator("#help").isVisible());
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  assert.ok(await page.locator("#traces").isVisible());
});

test("history and what is shown can be saved", async () => {
  await open("bad");
  for (const button of ["#save", "#save-shown"]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
    assert.match(readFileSync(await download.path(), "utf8"), /leaving\n$/);
    assert.match(download.suggestedFilename(), /^bad.*\.log$/);
  }
});

test("light and dark follow the system or the choice", async () => {
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.emulateMedia({ colorScheme: "dark" });
  await until("dark", async () => (await background()) !== light);
  await page.click("#theme");
  assert.equal(await background(), light);
  await page.reload();
  assert.equal(await background(), light, "the choice is kept");
});

test("text can be read on every background that a process gives it, light and dark", async () => {
  const worst = () => page.evaluate(() => {
    const luminance = (colour) => {
      const canvas = new OffscreenCanvas(1, 1).getContext("2d");
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const list = document.getElementById("list");
    const contrasts = [41, 42, 43, 44, 45, 46].map((code) => {
      const [[, style]] = runs(`\x1b[${code}mtext`).out;
      const span = list.appendChild(document.createElement("span"));
      span.style.backgroundColor = style.bg;
      const { color, backgroundColor } = getComputedStyle(span);
      span.remove();
      const [dark, light] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05);
    });
    return Math.min(...contrasts);
  });
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.ok(await until("its contrast", worst) > 4.5, `${colorScheme}: ${await worst()}`);
  }
  const kinds = await page.evaluate(() => ["4:3", "4:0", "38:2::1:2:3", "48:5:196", "38;2;1;2;3", "1;4"].map((code) => runs(`\x1b[${code}mx`).out[0][1]));
  const [curly, none, colon, indexed, plain, both] = kinds;
  assert.ok(curly.under && !curly.ital && !none.under && both.bold && both.under);
  assert.deepEqual([colon.fg, plain.fg, indexed.bg], ["rgb(1 2 3)", "rgb(1 2 3)", "rgb(255 0 0)"]);
});

test("the output of the next process begins a line, in no style of the one before", async () => {
  const lines = await page.evaluate(() => {
    const lines = new Lines();
    const output = (data, more) => lines.push({ source: "a", stream: "stdout", offset: 0, time: 0, data, ...more });
    output("\x1b[31mred and c", { fresh: true });
    output("ut");
    output("begin\n", { fresh: true });
    return lines.all.map((line) => [line.text, line.partial, line.before?.fg ?? null]);
  });
  assert.deepEqual(lines, [["red and cut", true, null], ["begin", false, null]]);
});

test("a browser's event source resumes by itself", async () => {
  const seen = await page.evaluate(() => new Promise((resolve, reject) => {
    const source = new EventSource("/logs/stream/bad");
    const events = [];
    source.onmessage = (event) => { events.push([event.lastEventId, JSON.parse(event.data)]); source.close(); resolve(events); };
    source.onerror = reject;
  }));
  assert.equal(seen[0][0], "8");
  assert.deepEqual([seen[0][1].source, seen[0][1].data], ["bad", "leaving\n"]);
});

test("other sites cannot read, and other names are not answered", async () => {
  const status = await new Promise((resolve) => {
    http.get(`${run.origin}/logs`, { headers: { host: "evil.example" } }, (answer) => { answer.resume(); resolve(answer.statusCode); });
  });
  assert.equal(status, 421);
  const evil = http.createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<p>evil")).listen(0, "127.0.0.1");
  await new Promise((resume) => evil.once("listening", resume));
  await page.goto(`http://localhost:${evil.address().port}/`);
  const tried = (options) => page.evaluate(([url, o]) => fetch(url, o).then((a) => a.type === "opaque" ? "opaque" : a.text(), () => "refused"), [`${run.origin}/logs`, options]);
  assert.equal(await tried({}), "refused");
  assert.notEqual(await tried({ mode: "no-cors" }), "leaving");
  evil.close();
});

test("traces, records, metrics and stores are shown", async () => {
  const now = BigInt(Date.now()) * 1_000_000n;
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const attribute = (key, value) => ({ key, value: { stringValue: value } });
  const resource = { attributes: [attribute("service.name", "shop")] };
  const span = (id, parent, name, from, length, more = {}) => ({ traceId: trace, spanId: id.repeat(16), parentSpanId: parent.repeat(16), name, startTimeUnixNano: String(now + from), endTimeUnixNano: String(now + from + length), ...more });
  const send = async (signal, body) => {
    const answer = await fetch(`${run.origin}/v1/${signal}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    assert.equal(answer.status, 200);
  };
  await send("traces", { resourceSpans: [{ resource, scopeSpans: [{ spans: [
    span("1", "", "checkout", 0n, 100_000_000n),
    span("2", "1", `pay ${HOSTILE}`, 20_000_000n, 50_000_000n, { status: { code: 2, message: "card declined" }, attributes: [attribute("http.method", "POST")] }),
    span("3", "2", "reserve", 30_000_000n, 10_000_000n),
  ] }] }] });
  await send("logs", { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [{ timeUnixNano: String(now), severityNumber: 17, severityText: "ERROR", body: { stringValue: HOSTILE }, traceId: trace }] }] }] });
  await send("metrics", { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [{ name: "queue.length", unit: "1", gauge: { dataPoints: [1, 5, 3].map((v, i) => ({ timeUnixNano: String(now + BigInt(i) * 1_000_000_000n), asDouble: v })) } }] }] }] });

  await until("the tabs", () => page.locator("#tabs button", { hasText: "Traces" }).count());
  await page.click("#tabs button:has-text('Traces')");
  await until("the waterfall", async () => (await page.locator(".span").count()) === 3);
  assert.deepEqual(await page.locator(".span .label").evaluateAll((labels) => labels.map((l) => getComputedStyle(l).paddingLeft)), ["12px", "26px", "40px"]);
  assert.equal(await page.locator(".span.error").count(), 1);
  await page.click(".span.error");
  assert.match(await page.textContent(".facts:visible"), /card declined.*http\.method.*POST/s);
  await page.click("button:has-text('1 log record')");
  await until("its record", () => page.locator("#record-table tr.s4", { hasText: "ERROR" }).count());
  assert.equal(await page.locator("#records img, #traces img").count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await page.click("#tabs button:has-text('Metrics')");
  await until("a plot", () => page.locator(".plot", { hasText: "queue.length" }).count());
  assert.match(await page.locator(".plot path:not(.area)").first().getAttribute("d"), /^M0\.00 [\d.]+L50\.00 [\d.]+L100\.00/);
  await page.click("#tabs button:has-text('Stores')");
  await until("the gauges", async () => (await page.locator(".gauge").count()) === 3);
  assert.match(await page.locator(".gauge").first().textContent(), /3 of 10,000/);
  assert.deepEqual(errors, []);
});

test("traces are listed whole, whatever is odd about them, and go on growing", async () => {
  const odd = await flightring({ one: "sleep 1000" }, ["--otlp"]);
  try {
    const now = BigInt(Date.now()) * 1_000_000n;
    const send = async (signal, list, scopes, records, service) => {
      const resource = { attributes: [{ key: "service.name", value: { stringValue: service } }] };
      const name = `resource${signal[0].toUpperCase()}${signal.slice(1)}`;
      const body = JSON.stringify({ [name === "resourceTraces" ? "resourceSpans" : name]: [{ resource, [scopes]: [{ [list]: records }] }] });
      const answer = await fetch(`${odd.origin}/v1/${signal}`, { method: "POST", headers: { "content-type": "application/json" }, body });
      assert.equal(await answer.text(), "{}");
    };
    const id = (n, digits) => n.toString(16).padStart(digits, "0");
    const span = (trace, n, parent, name, from, length, more = {}) => ({ traceId: id(trace, 32), spanId: id(n, 16), parentSpanId: parent ? id(parent, 16) : "", name, startTimeUnixNano: String(now + BigInt(from * 1e6)), endTimeUnixNano: String(now + BigInt((from + length) * 1e6)), ...more });
    const spans = (records, service = "shop") => send("traces", "spans", "scopeSpans", records, service);
    await spans([span(1, 1, 0, "small", 0, 10), span(1, 2, 1, "early", -5, 3), span(1, 3, 77, "lost", 1, 1)]);
    await spans([span(1, 4, 1, `far \u202e${HOSTILE}`, 2, 3, { attributes: [{ key: "big", value: { stringValue: "x".repeat(1e6) } }] })], "bank");
    await spans([span(3, 1, 0, "long", 0, 3000), ...Array.from({ length: 2000 }, (_, i) => span(3, i + 2, i < 40 ? i + 1 : 1, `step ${i}`, i, 1, i === 9 ? { status: { code: 2 } } : {}))]);

    await page.goto(odd.url);
    await until("the tabs", () => page.locator("#tabs button", { hasText: "Traces" }).count());
    await page.click("#tabs button:has-text('Traces')");
    // Two thousand spans of one trace do not hide another, and each is named by its root and counted whole.
    const list = () => page.locator("#trace-list button").evaluateAll((all) => all.map((b) => [...b.children].map((c) => c.textContent.replace(/ · [\d:.]+/, ""))));
    await until("the list", async () => (await list()).length === 2);
    assert.deepEqual(await list(), [["long", "3.00 s", "shop · 1 failed", "2,001 spans"], ["small", "15.0 ms", "shop and 1 more", "4 spans"]]);
    await until("the long trace", async () => (await page.locator(".span").count()) === 2001);
    const deepest = page.locator(".span .label", { hasText: /^step 39shop/ });
    assert.ok((await deepest.evaluate((label) => label.clientWidth - parseFloat(getComputedStyle(label).paddingLeft))) > 80, "the name of the deepest span is in sight");

    await page.click("#trace-list button:has-text('small')");
    const labels = () => page.locator(".span .label").allTextContents();
    await until("the small trace", async () => (await labels()).length === 4);
    assert.deepEqual(await labels(), ["smallshop", "earlyshop · begins 5.00 ms before its parent", `far \ufffd${HOSTILE}bank`, "lostshop · its parent is not held"]);
    await page.locator(".span").nth(2).click();
    assert.match(await page.textContent(".facts:visible"), /too large to be held/);
    await spans([span(1, 5, 1, "new", 3, 1)]);
    await until("the new span", async () => (await labels()).length === 5);
    assert.equal(await page.locator(".span[aria-expanded=true] .label").textContent(), `far \ufffd${HOSTILE}bank`, "what was unfolded stays so");

    await send("logs", "logRecords", "scopeLogs", [{ severityNumber: 9, eventName: "user.login", body: { stringValue: "one\r\ntwo" } }, { body: { stringValue: "y".repeat(1e6) } }], "shop");
    await page.click("#tabs button:has-text('Records')");
    const bodies = () => page.locator("#record-table td:nth-child(4)").allTextContents();
    await until("the records", async () => (await bodies()).length === 2);
    assert.deepEqual(await bodies(), ["The record was too large to be held: its body and attributes are gone.", "user.login: one\ntwo"]);
    assert.ok(!(await page.textContent("#record-table tbody")).includes("00:00:00.000"), "without a time of its own it has that of its arrival");

    const at = (i) => String(now + BigInt(i) * 1_000_000_000n);
    const points = (values, more = {}) => ({ dataPoints: values.map((v, i) => ({ timeUnixNano: at(i), ...(typeof v === "object" ? v : { asDouble: v }) })), ...more });
    await send("metrics", "metrics", "scopeMetrics", [
      { name: "a.gauge", unit: "By", gauge: points([1e9, "NaN", { flags: 1 }, 2e9]) },
      { name: "b.histogram", unit: "ms", histogram: points([{ count: "4", sum: 10, bucketCounts: ["1", "3", "0"], explicitBounds: [1, 5] }], { aggregationTemporality: 1 }) },
      { name: "c.exponential", exponentialHistogram: points([{ count: "5", sum: 9, scale: 0, zeroCount: "1", positive: { offset: 1, bucketCounts: ["4"] } }], { aggregationTemporality: 1 }) },
      { name: "d.summary", summary: points([{ count: "3", sum: 6, quantileValues: [{ quantile: 0.5, value: 2 }, { quantile: 0.99, value: 4 }] }]) },
      { name: "e.unit", unit: HOSTILE, gauge: points([5]) },
    ], "shop");
    await page.click("#tabs button:has-text('Metrics')");
    await until("the plots", async () => (await page.locator(".plot").count()) === 5);
    const bars = await page.locator(".plot").evaluateAll((plots) => plots.map((p) => [p.querySelector("h3").textContent, ...[...p.querySelectorAll(".spread i")].map((b) => b.title)]));
    assert.deepEqual(bars, [["a.gauge"], ["b.histogram", "≤ 1: 1", "1 – 5: 3", "> 5: 0"], ["c.exponential", "0: 1", "2 – 4: 4"], ["d.summary", "p50: 2", "p99: 4"], ["e.unit"]]);
    assert.match(await page.locator(".plot").first().textContent(), /^2\.0 GBa\.gaugeshop · gauge1\.0 GB … 2\.0 GB2 points/);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.deepEqual(errors, []);
  } finally {
    await odd.stop();
  }
});

test("patterns of all processes are counted and can be filtered", async () => {
  const counted = await flightring({
    one: `for i in 1 2 3 4 5; do echo "job $i took ${"$"}{i}ms"; done; printf '%s\\n' '${HOSTILE}'; sleep 1000`,
    two: "echo ready 7; sleep 1000",
  });
  try {
    await page.goto(counted.url);
    await until("the tab", () => page.locator("#tabs button", { hasText: "Patterns" }).count());
    await page.click("#tabs button:has-text('Patterns')");
    const first = page.locator("#pattern-table tbody tr").first();
    await until("the counts", async () => /7 lines · 3 patterns/.test(await page.textContent("#pattern-foot")));
    assert.deepEqual(await first.locator("td").allTextContents(), ["5", "83.33 %", "one", "job <num> took <num>ms"]);
    assert.equal(await page.locator("#patterns img").count(), 0, "text stays text");
    await page.fill("#pattern-filter [name=text]", "READY");
    await until("the filter", async () => (await page.locator("#pattern-table tbody tr").count()) === 1);
    await page.fill("#pattern-filter [name=text]", "");
    await page.selectOption("#pattern-filter [name=monitor]", "two");
    await until("the process", async () => (await page.textContent("#pattern-table tbody")).endsWith("ready <num>"));
  } finally {
    await counted.stop();
  }
});

test("loggers show their numbers and their newest records", async () => {
  const logged = await flightring({ one: `echo start; printf '%s\\n' '${HOSTILE}' >&2; read -r never` }, ["--log", join(mkdtempSync(join(tmpdir(), "flightring-log-")), "page.log")]);
  try {
    await page.goto(logged.url);
    await until("the tab", () => page.locator("#tabs button", { hasText: "Loggers" }).count());
    await page.click("#tabs button:has-text('Loggers')");
    await until("the records", async () => (await page.locator("#logger-table tbody tr").count()) === 2);
    const rows = await page.locator("#logger-table tbody tr").evaluateAll((all) => all.map((row) => [row.cells[1].textContent, row.cells[3].textContent]));
    assert.deepEqual(rows.sort(), [["INFO", "one: start"], ["WARN", `one: ${HOSTILE}`]]);
    assert.equal(await page.locator("#loggers img").count(), 0, "text stays text");
    await until("the numbers", async () => /page\.log.*2.*dropped0/s.test(await page.textContent("#logger-cards")));
    await page.click("#logger-cards summary");
    await until("all numbers", () => page.locator("#logger-cards td", { hasText: /^flush errors$/ }).isVisible());
    assert.deepEqual(errors, []);
  } finally {
    await logged.stop();
  }
});

test("a token lets the page in, and nobody without it", async () => {
  const guarded = await flightring({ one: "echo secret; sleep 1000" }, [], { FLIGHTRING_TOKEN: "a-long-enough-token" });
  try {
    assert.equal((await fetch(`${guarded.origin}/logs`)).status, 401);
    assert.equal((await page.request.get(`${guarded.origin}/`)).status(), 401);
    await page.goto(guarded.url);
    assert.equal(page.url(), `${guarded.origin}/`, "the token is not left in the address");
    await until("the output", async () => (await shown()).includes("secret"));
  } finally {
    await guarded.stop();
  }
});
