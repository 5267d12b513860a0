#!/usr/bin/env bash
# Real OpenTelemetry SDKs, for Python (PyPI; Protocol Buffers) and JavaScript (npm; JSON), plain and gzip, against
# `flightring run --otlp`. What is missing is installed; where it cannot be had this says SKIPPED and why, and succeeds.
#
#   run.sh [path of the flightring command]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
flightring=${1:+$(realpath "$1")}
if [ -z "$flightring" ]; then
  cargo build --quiet --manifest-path "$root/Cargo.toml" -p flightring-cli
  flightring="$root/target/debug/flightring"
fi
# Installed beside the build, not into the source tree.
work="$root/target/otlp-clients"
mkdir -p "$work"
cp "$here"/*.py "$here"/*.mjs "$here"/*.txt "$here"/package*.json "$work/"
cd "$work"
unset OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_PROTOCOL

clients() {
  "$flightring" run --http 0 --otlp -- "$@"
  OTEL_EXPORTER_OTLP_COMPRESSION=gzip FLIGHTRING_TOKEN=a-token-of-its-own "$flightring" run --http 0 --otlp -- "$@"
}

if ! command -v python3 >/dev/null; then
  echo "SKIPPED: the Python client: python3 is not installed"
elif ! { cmp -s requirements.txt venv/installed || { rm -rf venv && python3 -m venv venv &&
    venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt && cp requirements.txt venv/installed; }; } >/dev/null 2>&1; then
  echo "SKIPPED: the Python client: opentelemetry-sdk cannot be had from PyPI"
else
  clients venv/bin/python client.py
fi

if ! command -v npm >/dev/null; then
  echo "SKIPPED: the JavaScript client: npm is not installed"
elif ! { cmp -s package-lock.json node_modules/installed || { npm ci --silent --no-audit --no-fund &&
    cp package-lock.json node_modules/installed; }; } >/dev/null 2>&1; then
  echo "SKIPPED: the JavaScript client: the @opentelemetry packages cannot be had from npm"
else
  clients node client.mjs
fi
