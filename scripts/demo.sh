#!/usr/bin/env bash
# Builds Helix and shows its main job: a model served by several worker processes, each with a part of its layers.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
out=out/demo
mkdir -p "$out"

echo "demo: building helix (the first time takes a few minutes)"
"$cargo" build --quiet --release --package helix-cli
helix=${CARGO_TARGET_DIR:-target}/release/helix

echo "demo: helix up: plan, coordinator, four workers, OpenAI-compatible API"
echo
"$helix" up --port 0 >"$out/up.txt" 2>"$out/up.err" &
up=$!
trap 'kill "$up" 2>/dev/null || true' EXIT
until grep -q '^  worker-3' "$out/up.txt"; do
    kill -0 "$up" 2>/dev/null || { cat "$out/up.err" >&2; exit 1; }
    sleep 0.1
done
cat "$out/up.txt"
url=$(sed -n 's|.*\(http://[0-9.:]*\)/v1.*|\1|p' "$out/up.txt" | head -n 1)

# Sends a question, prints the answer as it comes.
ask() {
    printf '\n  you    %s\n  helix  ' "$1"
    curl --silent --show-error --no-buffer --max-time 60 "$url/v1/chat/completions" -H 'content-type: application/json' \
        -d "{\"messages\": [{\"role\": \"user\", \"content\": \"$1\"}], \"stream\": true, \"temperature\": 0, \"max_tokens\": 120}" |
        sed -un 's/.*"content":"\(\([^"\\]\|\\.\)*\)".*/\1/p' |
        while IFS= read -r piece; do printf '%b' "${piece//\\\"/\"}"; done
    echo
}
echo
echo "demo: a chat with it"
ask "What is 17 plus 25?"
ask "What is 48 plus 36?"
ask "What is the capital of France?"
ask "Tell me a short story."
for sum in "12 plus 34" "55 plus 27" "81 plus 9" "23 plus 64"; do
    curl --silent --max-time 60 "$url/v1/chat/completions" -H 'content-type: application/json' \
        -d "{\"messages\": [{\"role\": \"user\", \"content\": \"What is $sum?\"}], \"temperature\": 0}" >/dev/null &
    asks+=($!)
done
wait "${asks[@]}"

kill -TERM "$up"
wait "$up" || { cat "$out/up.err" >&2; exit 1; }
trap - EXIT
sed -n '/^The plan/,$p' "$out/up.txt"

echo
echo "demo: planning LLaMA-2-70B on the 24 machines of the paper (4 A100, 8 L4, 12 T4)"
echo
"$helix" plan --cluster single24 --model llama-2-70b --budget 10s \
    -o "$out/placement.toml" --html "$out/plan.html" --svg "$out/plan.svg" >"$out/plan.txt"
head -n 14 "$out/plan.txt"
echo
echo "demo: all of it in $out/plan.txt; open $out/plan.html in a browser for the drawing with its figures"
