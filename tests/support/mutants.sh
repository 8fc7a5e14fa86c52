#!/usr/bin/env bash
# Changes the pure core in hundreds of small ways, one at a time, and sees
# whether a test notices. Fails if fewer than 90 of 100 are caught.
#
#   tests/support/mutants.sh                               all of src/appliance
#   tests/support/mutants.sh -f src/appliance/button.rs    one file
#
# MUTANTS_JOBS says how many at a time (1). The survivors stay in
# .cache/mutants.out/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

jobs=${MUTANTS_JOBS:-1}
# Several at a time need a target folder each, and build everything anew.
[[ $jobs -gt 1 ]] || export CARGO_TARGET_DIR=$PWD/.cache/mutants-target
export WORLD_SEEDS=${WORLD_SEEDS:-40} PROPTEST_CASES=${PROPTEST_CASES:-300}
files=("$@")
[[ ${#files[@]} -gt 0 ]] || files=(-f 'src/appliance/**')
# The tests that notice most, and then the others for what these have missed:
# to link all of them for every mutant takes longest.
first=(appliance_buttons appliance_every_message appliance_session reference_model world_seeds)
others=()
for file in tests/appliance_*.rs; do
    name=$(basename "$file" .rs)
    [[ " ${first[*]} " == *" $name "* ]] || others+=("$name")
done

count() { wc -l <".cache/mutants.out/$1.txt"; }
caught=0 unviable=0
# run [OPTION] TEST...: with the library's own tests and these.
run() {
    local more=() status=0
    while [[ $1 == --* ]]; do more+=("$1"); shift; done
    # A box that waits for ever hangs a test; no test of these takes seconds.
    .cache/cargo-mutants/bin/cargo-mutants mutants "${files[@]}" "${more[@]}" \
        --output .cache --profile mutants --jobs "$jobs" --no-shuffle --colors never \
        --minimum-test-timeout 30 --build-timeout 300 --no-default-features --cargo-arg=--locked \
        --cargo-arg=--lib "${@/#/--cargo-arg=--test=}" \
        -- -- --skip every_planted_bug --skip tells_the_same_story --skip the_same_seed \
        --skip a_box_that_differs || status=$?
    # 2: some were missed; 3: some ran into the time-out, which is as good as caught.
    [[ $status -eq 0 || $status -eq 2 || $status -eq 3 ]] || exit "$status"
    caught=$((caught + $(count caught) + $(count timeout)))
    unviable=$((unviable + $(count unviable)))
}

rm -rf .cache/mutants.out
run "${first[@]}"
[[ $(count missed) -eq 0 ]] || run --iterate "${others[@]}"

missed=$(count missed)
echo "mutants: $caught of $((caught + missed)) viable mutants caught, $unviable did not compile"
[[ $missed -eq 0 ]] || sed 's/^/mutants: survived: /' .cache/mutants.out/missed.txt
if ((caught * 10 < (caught + missed) * 9)); then
    echo "mutants: fewer than 90 of 100" >&2
    exit 1
fi
