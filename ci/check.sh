#!/usr/bin/env bash
# Evaluates an adapter and checks it against its row of a leaderboard:
#   ci/check.sh [LEADERBOARD METHOD ADAPTER [options of modbench eval]]
# By default the embedded adapter, as the demo suite does it, against the row modbench-demo of leaderboards/demo.json.
# Where REPORTS names a folder, made if absent, check.xml (JUnit) and check.md are written there.
# Exits as `modbench check` does: 0 nothing regressed, 1 something did, 2 bad input, 3 it cannot tell,
# 70 modbench crashed.
set -euo pipefail
if [[ $# -eq 0 ]]; then
    set -- "$(dirname "$0")/../leaderboards/demo.json" modbench-demo demo --suite demo
elif [[ $# -lt 3 ]]; then
    echo "usage: $0 [LEADERBOARD METHOD ADAPTER [options of modbench eval]]" >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
reports=${REPORTS:-$work}
mkdir -p "$reports"
rm -f "$reports"/check.xml "$reports"/check.md # of an earlier call, in case the evaluation breaks off

code=0
modbench eval --adapter "$3" --runs "$work/runs" "${@:4}" || code=$?
if [[ $code -ne 0 ]]; then
    echo "$0: the evaluation broke off with exit code $code" >&2
    exit $((code == 2 ? 2 : 3)) # 1 would say that something regressed
fi
modbench check "$1" "$2" --runs "$work/runs" --junit "$reports/check.xml" --summary "$reports/check.md"
