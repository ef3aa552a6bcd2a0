#!/usr/bin/env bash
# Runs every fuzz target for so many seconds (60 if not given), one after the other, and says what each did.
#   fuzz/run-all.sh [SECONDS] [TARGET...]
# Ends with 1 if any target found something; what it found lies in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: fuzz/run-all.sh [SECONDS] [TARGET...]" >&2; exit 2; }
shift $(($# > 0 ? 1 : 0))

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is missing; install it with: cargo install --locked cargo-fuzz" >&2
    exit 2
fi

# No sanitizer: the parsers are safe Rust, and without one the stable toolchain is enough. Overflow checks and debug
# assertions are on.
options=(--sanitizer none)
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(cargo fuzz list)

# The seeds of a target: its folder, or where the product keeps files of its kind.
seeds_of() {
    case $1 in
        config_json | engine_config) echo ../crates/spec/data/models ;;
        scheduler) echo "corpus/$1" ;;
        *) echo "seeds/$1" ;;
    esac
}

cargo fuzz build "${options[@]}"
mkdir -p artifacts
failed=0
printf '\n%-16s %12s %10s  %s\n' target executions per_second result
for target in "${targets[@]}"; do
    log=artifacts/$target.log
    mkdir -p "corpus/$target"
    dictionary=()
    [[ -f dictionaries/$target.dict ]] && dictionary=(-dict="dictionaries/$target.dict")
    result=ok
    cargo fuzz run "${options[@]}" "$target" "corpus/$target" "$(seeds_of "$target")" -- \
        -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
        "${dictionary[@]}" >"$log" 2>&1 || { result="FOUND SOMETHING, see fuzz/$log"; failed=1; }
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log" | tail -1)
    printf '%-16s %12s %10s  %s\n' "$target" "${executions:-?}" "${rate:-?}" "$result"
done
exit "$failed"
