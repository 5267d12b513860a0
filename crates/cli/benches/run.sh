#!/usr/bin/env bash
# What watching a command costs: a million lines (124 MB) through `flightring run`, through a pipe to cat, and into s6-log
# (Debian's package s6), in interleaved rounds; medians in seconds.
#
#   crates/cli/benches/run.sh [path of a release build of flightring]
set -euo pipefail
flightring=$(realpath "${1:-target/release/flightring}")
rounds=${ROUNDS:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export flightring work
awk 'BEGIN { for (i = 0; i < 1000000; i++)
  printf "2026-11-21T02:00:00.%06d INFO worker-%02d request %07d served from cache in %3d us, status 200, path /api/v1/items/%05d\n",
    i, i % 16, i, i % 997, i % 100000 }' >"$work/lines"

timed() {
  local name=$1 begin end
  begin=$(date +%s%N)
  sh -c "$2" >/dev/null 2>&1
  end=$(date +%s%N)
  echo "$name $(((end - begin) / 1000))" >>"$work/times"
}

for _ in $(seq "$rounds"); do
  rm -rf "$work"/s6 "$work"/log*
  timed "pipe to cat" 'cat $work/lines | cat >/dev/null'
  timed "flightring run" '$flightring run -- cat $work/lines'
  timed "flightring run --http" '$flightring run --http 0 -- cat $work/lines'
  timed "flightring run --log" '$flightring run --log $work/log -- cat $work/lines'
  if command -v s6-log >/dev/null; then
    timed "s6-log" 'cat $work/lines | s6-log s100000000 n3 $work/s6'
  fi
done
echo "| command | s |"
echo "|---|---|"
sort "$work/times" | awk -v rounds="$rounds" '{ time = $NF; sub(/ [0-9]+$/, ""); all[$0] = all[$0] " " time }
  END { for (name in all) { n = split(all[name], t, " ");
    for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++) if (t[j] + 0 < t[i] + 0) { x = t[i]; t[i] = t[j]; t[j] = x }
    printf "| %s | %.3f |\n", name, t[int((n + 1) / 2)] / 1e6 } }' | sort -t'|' -k3
