#!/usr/bin/env bash
# 200 items of the frozen test set, end to end: rendered, answered by the embedded model, compared with the thresholds of
# jobs/embedded-thresholds.json. Needs NumPy and `make`.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/python.sh
queue=${1:-embedded-ci.db}
folder=.cache/embedded-ci
zipvl=${ZIPVL_BATCH:-.build/release/zipvl-batch}
training=Sources/EmbeddedModel/training

rm -f "$queue" "$queue"-wal "$queue"-shm
"$python" "$training/render_evaluation.py" --set ci --out "$folder"
for frames in 8 16 32; do
    "$zipvl" --queue "$queue" eval "$folder/$frames" --frames "$frames" --method full --no-cache --quiet \
        >/dev/null
done
"$python" "$training/score_test.py" "$queue" --set ci --check jobs/embedded-thresholds.json
