#!/usr/bin/env bash
# Changes the pure core in hundreds of small ways, one at a time, and sees
# whether a test notices. Fails if fewer than 90 of 100 are caught.
#
#   tests/support/mutants.sh                       all of src/appliance
#   tests/support/mutants.sh -f src/appliance/button.rs    one file
#
# MUTANTS_JOBS says how many at a time (1); the list of survivors stays in
# .cache/mutants.out/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests=(--cargo-arg=--lib)
for file in tests/appliance_*.rs tests/reference_model.rs tests/world_seeds.rs; do
    tests+=("--cargo-arg=--test=$(basename "$file" .rs)")
done
jobs=${MUTANTS_JOBS:-1}
# Several at a time need a target folder each, and build everything anew.
[[ $jobs -gt 1 ]] || export CARGO_TARGET_DIR=$PWD/.cache/mutants-target
files=("$@")
[[ ${#files[@]} -gt 0 ]] || files=(-f 'src/appliance/**')

# A box that waits for ever hangs a test; no test of these takes seconds.
status=0
WORLD_SEEDS=${WORLD_SEEDS:-40} .cache/cargo-mutants/bin/cargo-mutants mutants \
    "${files[@]}" --output .cache --profile mutants --jobs "$jobs" --no-shuffle \
    --minimum-test-timeout 30 --build-timeout 300 --no-default-features --cargo-arg=--locked "${tests[@]}" \
    -- -- --skip every_planted_bug --skip a_seed_tells --skip the_same_seed --skip a_box_that_differs || status=$?
# 2: some were missed; 3: some ran into the time-out, which is as good as caught.
[[ $status -eq 0 || $status -eq 2 || $status -eq 3 ]] || exit "$status"

count() { wc -l <".cache/mutants.out/$1.txt"; }
caught=$(($(count caught) + $(count timeout))) missed=$(count missed)
echo "mutants: $caught of $((caught + missed)) viable mutants caught, $(count unviable) did not compile"
[[ $missed -eq 0 ]] || sed 's/^/mutants: survived: /' .cache/mutants.out/missed.txt
if ((caught * 10 < (caught + missed) * 9)); then
    echo "mutants: fewer than 90 of 100" >&2
    exit 1
fi
