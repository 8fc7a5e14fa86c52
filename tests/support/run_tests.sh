#!/usr/bin/env bash
# Every test, already compiled. What measures sound or a browser runs alone, one
# binary at a time. What waits for servers and timers runs in two lanes side by
# side before that, because it leaves the machine idle.
set -euo pipefail
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

servers=() rest=() alone=()
for file in tests/*.rs; do
    name=$(basename "$file" .rs)
    case $name in
        audio_*|media_*|e2e_*|rig_*|net_*|sim_media|sim_browser|foreign_aiortc_*|*_page) alone+=(--test "$name") ;;
        foreign_*|panel_*) servers+=(--test "$name") ;;
        *) rest+=(--test "$name") ;;
    esac
done

lane() { "$CARGO" test --locked --no-fail-fast "$@" </dev/null 2>&1; }

status=0
echo "== tests that wait: two lanes, one after the other on the page"
lane "${servers[@]}" >"$logs/servers" & one=$!
lane --lib --bins "${rest[@]}" >"$logs/rest" & two=$!
wait $two || status=$?
cat "$logs/rest"
wait $one || status=$?
cat "$logs/servers"
echo "== tests of sound and of browsers, one binary at a time"
lane "${alone[@]}" || status=$?
lane --doc || status=$?
exit $status
