#!/usr/bin/env bash
# The generator, the trainer and the exporter at work on a CPU: their tests, 50 steps of training, and an answer by the
# model that came out. A minute or two. Python packages go to .cache/training; PyTorch is the one that `make` set up.
set -euo pipefail
cd "$(dirname "$0")/.."
training=Sources/EmbeddedModel/training
packages=$PWD/.cache/training
if [ ! -e "$packages/done" ]; then
    # The second line is what PyTorch's Python part imports; .torch has its libraries.
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --upgrade --target "$packages" \
        -r "$training/requirements.txt" \
        typing-extensions filelock fsspec jinja2 networkx sympy
    touch "$packages/done"
fi
export PYTHONPATH=$packages:$PWD/.torch${PYTHONPATH:+:$PYTHONPATH}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for test in test_generator test_test_set test_training; do python3 "$training/$test.py"; done
python3 "$training/train.py" smoke --workers 1 --out "$out"
cp Sources/EmbeddedModel/model/{added_tokens.json,generation_config.json,qwen8192.tiktoken} "$out/model"
python3 "$training/score.py" "$out/model" --frames 4 --questions 50 --workers 1
"${ZIPVL_BATCH:-.build/release/zipvl-batch}" ask jobs/demo/videos/generated_1.mp4 --question "What is shown first?" \
    --frames 8 --model "$out/model" --json
