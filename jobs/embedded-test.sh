#!/usr/bin/env bash
# The scores of the model card: renders the frozen test set (test_set.py), answers it with the embedded model and full
# attention, prints the tables and says which thresholds are missed. Killed, it goes on where it stopped. Needs NumPy and
# `make`.
#
#   jobs/embedded-test.sh [QUEUE.db]
#
# Another set, the development one: SET=dev. Another model: MODEL=DIR.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/python.sh
name=${SET:-test}
queue=${1:-embedded-$name.db}
folder=.cache/embedded-$name
zipvl=${ZIPVL_BATCH:-.build/release/zipvl-batch}
training=Sources/EmbeddedModel/training

"$python" "$training/render_evaluation.py" --set "$name" --out "$folder"
for frames in 8 16 32 64 128; do
    for manifest in "$folder/$frames"/*.jsonl; do
        printf '%s frames, %s (%d s so far)\n' "$frames" "$(basename "$manifest" .jsonl)" "$SECONDS" >&2
        "$zipvl" --queue "$queue" eval "$manifest" --frames "$frames" --method full \
            ${MODEL:+--model "$MODEL"} >/dev/null
    done
done
check=()
[ "$name" = test ] && check=(--check jobs/embedded-thresholds.json)
"$python" "$training/score_test.py" "$queue" --set "$name" "${check[@]}"
