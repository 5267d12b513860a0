// Starts what the tests need: flightring with real commands, and a real browser.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLIGHTRING = process.env.FLIGHTRING ?? "flightring";

/** Runs commands under `flightring run`, given as {name: shell command}; resolves to its address. */
export async function flightring(commands, extra = [], env = {}) {
  const folder = mkdtempSync(join(tmpdir(), "flightring-browser-"));
  const procfile = join(folder, "Procfile");
  writeFileSync(procfile, Object.entries(commands).map(([name, command]) => `${name}: ${command}\n`).join(""));
  const child = spawn(FLIGHTRING, ["run", "--http", "0", "--stay", "-f", procfile, ...extra], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, FLIGHTRING_TOKEN: undefined, ...env },
  });
  let said = "";
  const url = await new Promise((resolve, reject) => {
    child.stderr.on("data", (data) => {
      said += data;
      const found = /flightring: (http:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.on("exit", () => reject(new Error(`flightring ended: ${said}`)));
  });
  const stop = () => new Promise((resolve) => {
    child.removeAllListeners("exit");
    child.on("exit", () => { rmSync(folder, { recursive: true }); resolve(); });
    child.kill("SIGTERM");
    // The commands may have ended at the first one, and then it ends --stay.
    const again = setInterval(() => child.kill("SIGTERM"), 500);
    child.on("exit", () => clearInterval(again));
  });
  return { url, origin: new URL(url).origin, stop, folder };
}

export function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Waits until a condition holds; only a broken page makes it wait long. */
export async function until(what, condition) {
  for (let i = 0; i < 600; i++) {
    const value = await condition();
    if (value) return value;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`never happened: ${what}`);
}
