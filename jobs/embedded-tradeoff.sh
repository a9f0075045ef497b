#!/usr/bin/env bash
# The README's measured trade-off, all of it: tables and figures of accuracy over FLOPs at 64 and 128 frames, the kept
# share by layer and the needle heat maps of the embedded model, written to jobs/embedded. An hour or more on two idle
# cores; killed, it goes on where it stopped. Needs NumPy and what `make` sets up.
#
#   jobs/embedded-tradeoff.sh [QUEUE.db]
#
# Smaller or larger by the environment: ITEMS_64, ITEMS_128 (questions; 0 leaves the length out), SEED (of the sets),
# OUT (folder), LENGTHS (of the needles' haystack), ZIPVL_BATCH (a program that is built already), PYTHON.
set -euo pipefail
cd "$(dirname "$0")/.."
queue=${1:-tradeoff.db}
out=${OUT:-jobs/embedded}
source jobs/python.sh
zipvl=${ZIPVL_BATCH:-.build/release/zipvl-batch}
items_64=${ITEMS_64:-500} items_128=${ITEMS_128:-100} seed=${SEED:-1}
generator=Sources/EmbeddedModel/training
model=Sources/EmbeddedModel/model
mkdir -p "$out" .cache

best=rows=keys,probe-rule=question
# The line of ZipVL's thresholds is drawn by layer, too.
taus=(zipvl:tau=0.99 zipvl:tau=0.975 zipvl:tau=0.9)
plotted_64=(
    "${taus[@]}" zipvl:rows=keys "zipvl:$best"
    fixed fastv fastv:fastv-drop=0.75 fastv:fastv-drop=0.9
    "minference:minference-config=$out/minference-64.json" qk-sparse hired:hired-budget=0.4
    full:premerge=evs,premerge-rate=0.4 full:premerge=evs,premerge-rate=0.75
    "zipvl:$best,premerge=evs,premerge-rate=0.4" "zipvl:$best,premerge=evs,premerge-rate=0.6"
)
# In the table alone: the control, and what leaves the FLOPs as they are.
others_64=(zipvl:select=random zipvl:kv=mixed full:kv=zipcache)
plotted_128=(
    "${taus[@]}" "zipvl:$best"
    fixed fastv fastv:fastv-drop=0.75 "minference:minference-config=$out/minference-128.json" qk-sparse
    hired:hired-budget=0.4 full:premerge=evs,premerge-rate=0.4 full:premerge=evs,premerge-rate=0.75
    "zipvl:$best,premerge=evs,premerge-rate=0.4"
)
others_128=()

step() { printf '\n== %s (%d s so far)\n' "$*" "$SECONDS"; }
hash_of() { cat "$@" | sha256sum | cut -c 1-12; }

# Questions about generated clips of seeds that training never saw: render FRAMES ITEMS, prints the manifest.
render() {
    local sources=(vocabulary words wordings scenes questions options renderer encoder test_set render_evaluation)
    local files=("${sources[@]/%/.py}")
    local folder
    folder=.cache/tradeoff-$1-$2-$seed-$(hash_of "${files[@]/#/$generator/}" "$generator/assets.npz")
    if [ ! -f "$folder/manifest.jsonl" ]; then
        (cd "$generator" && "$python" render_evaluation.py --items "$2" --frames "$1" --seed "$seed" \
            --out "$OLDPWD/$folder") >&2
    fi
    printf '%s\n' "$folder/manifest.jsonl"
}

# MInference's patterns of this model, searched on the demo's clips. The candidates' sizes are the paper's, made as much
# smaller as this prompt is shorter than the paper's 30,000 tokens: search FRAMES.
search() {
    local found tokens videos=(jobs/demo/videos/generated_*.mp4)
    found=.cache/minference-$1-$(hash_of "$model/SHA256SUMS").json
    if [ ! -f "$found" ]; then
        tokens=$("$zipvl" minference-search --verbose --frames "$1" --video "${videos[0]}" --out "$found.part" 2>&1 |
            sed -n 's/.*: \([0-9]*\) prompt tokens$/\1/p')
        "$zipvl" minference-search --frames "$1" "${videos[@]/#/--video=}" --out "$found.part" \
            --scale "$("$python" -c "print(30000 / $tokens)")"
        mv "$found.part" "$found"
    fi
    cp "$found" "$out/minference-$1.json"
}

# evaluate FRAMES ITEMS: the table, and both figures from the answers that then stand.
evaluate() {
    local manifest plotted="plotted_$1[@]" others="others_$1[@]"
    step "$1 frames: $2 questions"
    manifest=$(render "$1" "$2")
    search "$1"
    local run=("$zipvl" --queue "$queue" eval "$manifest" --frames "$1")
    local all=("${!plotted}" "${!others}")
    "${run[@]}" "${all[@]/#/--method=}" --out "$out/tradeoff-$1.md"
    local drawn=("${!plotted}")
    "${run[@]}" --quiet "${drawn[@]/#/--method=}" --plot "$out/tradeoff-$1.svg" >/dev/null
    "${run[@]}" --quiet "${taus[@]/#/--method=}" --plot-layers "$out/layers-$1.svg" >/dev/null
}

if [ -z "${ZIPVL_BATCH:-}" ]; then
    step build
    swift build -c release --product zipvl-batch
fi
if [ "$items_64" -gt 0 ]; then evaluate 64 "$items_64"; fi
if [ "$items_128" -gt 0 ]; then evaluate 128 "$items_128"; fi
for method in full zipvl; do
    step "needles, $method"
    "$zipvl" niah --method "$method" --lengths "${LENGTHS:-16,32,64,128}" --out "$out/niah-$method.png"
done
step "finished: $out"
