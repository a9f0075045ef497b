#!/usr/bin/env bash
# Trains the embedded model from random weights: remake.sh OUT [GPUS]       needs python3 with requirements.txt and torch
#
# With four H200s, by the clock, it does what made the committed weights: 400 s on one GPU (5,450 of 5,600 steps), then
# 1,000 s on four (11,523 of 14,000 steps of 8,192 frames). By the clock no two runs are bit-equal, and GPU sums are not
# either: the hash of what comes out differs. With other numbers of GPUs all steps are taken; one H200 should need some 70
# minutes (not tried). OUT/long/model then takes the place of ../model; run `sha256sum` there anew.
set -euo pipefail
out=$(realpath -m "${1:?where to}") gpus=${2:-1}
cd "$(dirname "$0")"
case $gpus in
    4) first=(--deadline 400) long=(--deadline 1000) ;;
    1 | 2) first=() long=(--accumulate $((4 / gpus))) ;;
    *) echo "GPUS: 1, 2 or 4" >&2; exit 2 ;;
esac
python3 train.py start "${first[@]}" --out "$out/start"
python3 -m torch.distributed.run --nproc-per-node "$gpus" train.py long --init "$out/start" "${long[@]}" --out "$out/long"
for split in plain wordings pairs codes fonts textures; do
    python3 score.py "$out/long/model" --frames 8,16,32,64,128 --questions 3000 --split "$split"
done | tee "$out/score.jsonl"
