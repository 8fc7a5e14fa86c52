#!/usr/bin/env bash
# The oldest glibc that a binary runs with. Needs no tools for its machine.
#
#   image/glibc.sh BINARY
set -euo pipefail

# Packed relocations have a version of their own: glibc 2.36 is the first that knows them.
{ LC_ALL=C grep -aoE 'GLIBC_(2\.[0-9]+|ABI_DT_RELR)' "$1" || true; } |
    sed 's/ABI_DT_RELR/2.36/; s/GLIBC_//' | sort -uV | tail -n 1
