#!/usr/bin/env bash
# The README's table of methods: renders 500 questions about 100 clips of 64 frames and answers them by every method with
# the embedded model. Half an hour on two idle cores; killed, it goes on where it stopped. Needs NumPy and `make`.
#
#   jobs/embedded-eval.sh [QUEUE.db]
set -euo pipefail
cd "$(dirname "$0")/.."
queue=${1:-evaluation.db}
set_folder=.cache/evaluation
[ -f "$set_folder/manifest.jsonl" ] ||
    (cd Sources/EmbeddedModel/training &&
        python3 render_evaluation.py --items 500 --frames 64 --seed 1 --out "../../../$set_folder" --jobs 2)

question=rows=keys,probe-rule=question
methods=(
    zipvl:tau=0.99 zipvl zipvl:tau=0.9 zipvl:select=random fixed
    zipvl:rows=keys "zipvl:$question" "zipvl:tau=0.9,$question"
    fastv fastv:fastv-drop=0.75 fastv:fastv-drop=0.9
    minference:minference-config=jobs/minference-embedded-64.json qk-sparse hired:hired-budget=0.4
    full:premerge=evs,premerge-rate=0.4 full:premerge=evs,premerge-rate=0.75
    "zipvl:$question,premerge=evs,premerge-rate=0.4" "zipvl:$question,premerge=evs,premerge-rate=0.6"
    "zipvl:$question,premerge=evs,premerge-rate=0.75"
    zipvl:kv=mixed full:kv=zipcache
)
exec .build/release/zipvl-batch --queue "$queue" eval "$set_folder/manifest.jsonl" --frames 64 \
    --out "${queue%.db}.md" "${methods[@]/#/--method=}"
