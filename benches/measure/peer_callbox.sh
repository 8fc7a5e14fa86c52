#!/usr/bin/env bash
# callbox (talker: mic ->) -- gRPC to a core that joins the two, RTP 10.77.0.1/2 -- callbox (listener: -> ear).
# peer_callbox.sh [netns_impair arguments]; BIN, DUR, TAG, KEEP, MEDIA (lines for [media]), AUDIO (lines for [audio]).
set -euo pipefail
cd "$(dirname "$0")"
RIG=$PWD
. ./env.sh
BIN=${BIN:?the callbox binary}
REPO=${REPO:?the source, for its board files}
cat /usr/share/alsa/alsa.conf asoundrc > asound.full
export ALSA_CONFIG_PATH=$RIG/asound.full
jobs=()
cleanup() { kill "${jobs[@]}" 2>/dev/null || true; wait 2>/dev/null || true; }
trap cleanup EXIT

"$PY" netns_impair.py up 2>/dev/null
chrt -r 15 "$PY" netns_impair.py run "$@" --log tmp/imp.json & jobs+=($!)
nsenter --net=/run/netns/mA "$PY" bridge_core.py "$REPO/proto" 10.77.0.1:8443 > tmp/core.out 2> tmp/core.err & jobs+=($!)
for _ in $(seq 100); do nsenter --net=/run/netns/mA ss -ltn | grep -q ':8443' && break; sleep 0.1; done

box() { # NAME NAMESPACE CAPTURE PLAYBACK
    cat > "tmp/$1.toml" <<TOML
[core]
endpoint = "http://10.77.0.1:8443"
allow-plaintext = true
[auth]
method = "none"
[board]
file = "$REPO/board/desktop-mock.toml"
backend = "mock"
[audio]
capture = "$3"
playback = "$4"
${AUDIO:-}
[media]
${MEDIA:-}
[incoming]
answer = "auto"
[contacts]
front = "+4700000001"
[[button]]
name = "call"
press = { action = "call", to = ["front"] }
TOML
    nsenter --net=/run/netns/"$2" "$BIN" run --config "tmp/$1.toml" --socket "$RIG/tmp/$1.sock" 2> "tmp/$1.err" &
    jobs+=($!)
}
box a mA mic ear2; a=$!
box b mB mic2 ear; b=$!
state() { "$BIN" status --json --socket "$RIG/tmp/$1.sock" 2>/dev/null | "$PY" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2" || true; }
await() { for _ in $(seq 200); do [[ $(state "$1" "$2") == "$3" ]] && return; sleep 0.1; done
          echo "peer_callbox: $1 is not $3" >&2; tail -n 5 "tmp/$1.err" >&2; exit 1; }
await a session registered; await b session registered
"$BIN" press call --for 100 --socket "$RIG/tmp/a.sock" >/dev/null
await a call in-call; await b call in-call
sleep 3
"$PY" m2e.py --dur "${DUR:-40}" --pids "a=$a,b=$b" --tag "callbox${TAG:-}" ${KEEP:-}
"$BIN" status --json --socket "$RIG/tmp/b.sock" | "$PY" -c 'import json, sys
call = json.load(sys.stdin)["audio"]
print(json.dumps(call))'
cleanup; jobs=()
if [[ $# -gt 0 ]]; then cat tmp/imp.json; echo; fi
