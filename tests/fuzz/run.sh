#!/usr/bin/env bash
# Coverage-guided fuzzing with libFuzzer: builds the targets, lets each run in
# turns, and writes down what ran.
#
#   tests/fuzz/run.sh [TARGET...]    all targets, or these
#   FUZZ_SECONDS=300                 the length of a turn
#   FUZZ_TURNS=1                     how often each has its turn
#   FUZZ_BUILT=1                     the targets are built already
#   FUZZ_MERGE=1                     first reduces what the last runs found to what covers most
#
# The tool chain is the project's own, stable one: `-Cpasses=sancov-module` is
# what cargo-fuzz asks of a nightly one, and libfuzzer-sys brings the engine.
# Without AddressSanitizer: this crate has no `unsafe`, and what it does not
# see of libopus and ring, a sanitizer of Rust's would not see either.
#
# Found inputs stay below target/fuzz; the committed corpus is only read.
# A crash is kept in target/fuzz/crashes and ends its target's turn; run one by
#   target/fuzz/x86_64-unknown-linux-gnu/release/TARGET FILE
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-300}
turns=${FUZZ_TURNS:-1}
cargo=${CARGO:-cargo}
triple=$(rustc -vV | sed -n 's/^host: //p')
all=(tests/fuzz/fuzz_targets/*.rs)
names=()
if (($#)); then names=("$@"); else for file in "${all[@]}"; do names+=("$(basename "$file" .rs)"); done; fi

# The very dependencies of the main crate; cargo adds only the engine's.
cp Cargo.lock tests/fuzz/Cargo.lock
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
if [[ ! ${FUZZ_BUILT:-} ]]; then
    bins=()
    for name in "${names[@]}"; do bins+=(--bin "$name"); done
    RUSTFLAGS=$(echo $flags) CARGO_TARGET_DIR=$PWD/target/fuzz \
        "$cargo" build --release --manifest-path tests/fuzz/Cargo.toml --target "$triple" "${bins[@]}"
fi

mkdir -p target/fuzz/crashes target/fuzz/logs
tally=target/fuzz/tally.tsv
[[ -f $tally ]] || printf 'target\texecutions\tseconds\tcrashes\n' >"$tally"

turn() {
    local name=$1 bin=target/fuzz/$triple/release/$1 found=target/fuzz/found/$1 log=target/fuzz/logs/$1.log
    local dictionary=tests/fuzz/dictionaries/$1.dict options=()
    mkdir -p "$found"
    [[ -f $dictionary ]] && options+=("-dict=$dictionary")
    [[ $name == message || $name == session || $name == datagram ]] && options+=(-max_len=4096)
    [[ $name == sdp || $name == sound || $name == panel ]] && options+=(-max_len=16384)
    if [[ ${FUZZ_MERGE:-} ]]; then
        rm -rf "$found.merged" && mkdir "$found.merged"
        "$bin" -merge=1 "${options[@]}" "$found.merged" "tests/fuzz/corpus/$name" "$found" >"$log" 2>&1 || true
        rm -rf "$found" && mv "$found.merged" "$found"
    fi
    local before crashes status=0
    before=$(ls target/fuzz/crashes | wc -l)
    "$bin" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 "${options[@]}" \
        -artifact_prefix="target/fuzz/crashes/$name-" "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
    crashes=$(($(ls target/fuzz/crashes | wc -l) - before))
    # A run that ends early by a crash has not counted for its whole time.
    local ran took
    ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    took=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
    printf '%s\t%s\t%s\t%s\n' "$name" "${ran:-0}" "${took:-0}" "$crashes" | tee -a "$tally"
    rm -rf /dev/shm/callbox-fuzz-*
    if ((status)); then grep -aE 'panicked|ERROR|SUMMARY' "$log" | head -n 3 || true; fi
}

for ((n = 0; n < turns; n++)); do
    for name in "${names[@]}"; do turn "$name"; done
done
echo "== all runs so far"
awk -F'\t' 'NR > 1 { runs[$1] += $2; time[$1] += $3; crashes[$1] += $4; all += $2; total += $3 }
    END { for (name in runs) printf "%-10s %12d executions %6d s %3d crashes\n", name, runs[name], time[name], crashes[name]
          printf "%-10s %12d executions %6d s\n", "all", all, total }' "$tally" | sort
[[ -z $(ls target/fuzz/crashes) ]]
