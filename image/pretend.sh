#!/usr/bin/env bash
# The files that the example configurations name, of no worth, so that
# `callbox check` has something to read.
#
#   image/pretend.sh FOLDER
set -euo pipefail

for secret in client-secret mqtt-password hook-secret; do
    install -m 600 <(echo "nothing of worth") "$1/$secret"
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN=home -days 1 \
    -keyout /dev/null -out "$1/home-ca.pem" 2>/dev/null
