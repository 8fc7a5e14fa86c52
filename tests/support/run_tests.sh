#!/usr/bin/env bash
# Every test, already compiled. What measures sound or a browser runs alone, one
# binary at a time. What waits for servers, outages and timers runs in three
# lanes side by side before that, because it leaves the machine idle.
set -euo pipefail
cd "$(dirname "$0")/../.."
CARGO=${CARGO:-cargo}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

servers=() outages=() rest=() alone=()
for file in tests/*.rs; do
    name=$(basename "$file" .rs)
    case $name in
        net_*|e2e_bad_*) outages+=(--test "$name") ;;
        audio_*|media_*|e2e_*|rig_*|sim_media|sim_browser|foreign_aiortc_*|*_page) alone+=(--test "$name") ;;
        foreign_*|panel_*) servers+=(--test "$name") ;;
        *) rest+=(--test "$name") ;;
    esac
done

lane() { "$CARGO" test --locked --no-fail-fast "$@" </dev/null 2>&1; }

status=0
echo "== tests that wait: three lanes, one after the other on the page"
lane "${servers[@]}" >"$logs/servers" & one=$!
lane "${outages[@]}" >"$logs/outages" & two=$!
lane --lib --bins "${rest[@]}" >"$logs/rest" & three=$!
wait $three || status=$?
cat "$logs/rest"
wait $two || status=$?
cat "$logs/outages"
wait $one || status=$?
cat "$logs/servers"
echo "== tests of sound and of browsers, one binary at a time"
lane "${alone[@]}" || status=$?
lane --doc || status=$?
exit $status
