#!/usr/bin/env bash
# Keeps 64 streams on `helix up` for five minutes (or as many seconds as the first argument says), with a release build: no
# request may fail, no cache block may leak, memory must be steady, answers must be those that the model gives alone.
set -euo pipefail
cd "$(dirname "$0")/.."
HELIX_SOAK_SECONDS=${1:-300} "${CARGO:-cargo}" test --release --package helix-cli --test serving -- \
    --ignored --exact soak::five_minutes_of_load_change_nothing --nocapture
