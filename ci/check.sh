#!/usr/bin/env bash
# Evaluates an adapter and checks it against a leaderboard: ci/check.sh [LEADERBOARD [ADAPTER [options of modbench eval]]]
# By default the embedded one. Where REPORTS names a folder, check.xml (JUnit) and check.md are written there.
# Exits as `modbench check` does: 0 nothing regressed, 1 something did, 2 bad input, 3 it cannot tell.
set -euo pipefail
board=${1:-$(dirname "$0")/../leaderboards/eval.json}
adapter=${2:-demo}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
reports=${REPORTS:-$work}

modbench eval --adapter "$adapter" --runs "$work/runs" "${@:3}"
modbench check "$board" --runs "$work/runs" --junit "$reports/check.xml" --summary "$reports/check.md"
