#!/usr/bin/env bash
# Tests the page in headless Chromium, driven by Playwright. What is missing is installed: Chromium from Debian's
# packages (as root), playwright-core from npm. Where that cannot be had it says SKIPPED and why, and succeeds.
#
#   run.sh [path of the flightring command]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
FLIGHTRING=${1:+$(realpath "$1")}

skip() {
  echo "SKIPPED: browser tests of the page: $1"
  exit 0
}

command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
if [ -z "${CHROMIUM:-}" ]; then
  CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
fi
if [ -z "$CHROMIUM" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 || true
  CHROMIUM=$(command -v chromium || true)
fi
[ -n "$CHROMIUM" ] || skip "Chromium is not installed, and cannot be installed here"
export CHROMIUM

# Installed beside the build, not into the source tree.
work="$root/target/browser-test"
mkdir -p "$work"
cp "$here"/*.mjs "$here"/package*.json "$work/"
cd "$work"
if [ ! -d node_modules/playwright-core ] || [ package-lock.json -nt node_modules ]; then
  npm ci --silent --no-audit --no-fund >/dev/null 2>&1 || skip "playwright-core cannot be had from npm"
  touch node_modules
fi

if [ -z "$FLIGHTRING" ]; then
  cargo build --quiet --manifest-path "$root/Cargo.toml" -p flightring-cli
  FLIGHTRING="$root/target/debug/flightring"
fi
export FLIGHTRING
exec node --test page.test.mjs
