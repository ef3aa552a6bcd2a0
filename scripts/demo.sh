#!/usr/bin/env bash
# Builds Helix and shows its main job on embedded defaults.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
out=out/demo
mkdir -p "$out"

echo "demo: building helix (the first time takes a minute or two)"
"$cargo" build --quiet --release --package helix-cli
helix=${CARGO_TARGET_DIR:-target}/release/helix

echo "demo: planning LLaMA-2-70B on the 24 machines of the paper (4 A100, 8 L4, 12 T4)"
echo
"$helix" plan --cluster single24 --model llama-2-70b \
    -o "$out/placement.toml" --html "$out/plan.html" --svg "$out/plan.svg"
echo
echo "demo: open $out/plan.html in a browser for the drawing with all its figures"
