"""Compares the Swift engine with stock transformers, question by question.

    python compare_engines.py MANIFEST --frames 64 [--items 200] [--model DIR] [--engine PATH] [--out FILE.jsonl]

Each question of the manifest goes through `zipvl-batch ask --trace` (full attention, float32): the shipped program,
with its own sampler. The trace holds the frames as the model got them, and `reference_model.py` answers about these
very frames. Compared are the prompt's ids, the answer, and three stages, each as the largest absolute difference
over the largest absolute value of the reference in that question:

    vision   the tower's features                      [N, P, width]
    visual   the visual tokens that enter the decoder  [V, hidden]
    logits   of the first answered token               [vocabulary]

Prints one JSON line a question to --out and a summary to standard output. Exit status 1 when fewer than 99 % of the
answers agree, when logits differ by more than 1e-3, or when a prompt differs.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

import reference_model

ENGINE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", ".build", "release", "zipvl-batch")
LEAST_AGREEMENT, LARGEST_DIFFERENCE = 0.99, 1e-3
PLACEHOLDER = -200      # stands for a visual token in the trace's prompt_ids
STAGES = ("vision", "visual", "logits")


def rows(manifest, items):
    """Rows of the manifest with the video's path resolved; with a limit, spread evenly over the file."""
    folder = os.path.dirname(os.path.abspath(manifest))
    with open(manifest, encoding="utf-8") as file:
        found = [json.loads(line) for line in file if line.strip()]
    if items and items < len(found):
        found = [found[i * len(found) // items] for i in range(items)]
    for row in found:
        row["video"] = os.path.join(folder, row["video"])
    return found


def ask(engine, model, row, frames, trace):
    """The engine's answer as the JSON line it prints; its tensors go to `trace`."""
    command = [engine, "ask", row["video"], "--question", row["question"], "--frames", str(frames), "--method", "full",
               "--dtype", "float32", "--device", "cpu", "--model", model, "--trace", trace, "--json"]
    for choice in row.get("choices") or []:
        command += ["--choice", choice]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def difference(found, expected):
    """Largest absolute difference over the largest absolute value of the reference."""
    if found.shape != expected.shape:
        raise SystemExit(f"the engine computed {list(found.shape)}, the reference {list(expected.shape)}")
    return float((found - expected).abs().max() / expected.abs().max())


@torch.inference_mode()
def compare(reference, row, told, trace):
    """One row of the report."""
    features = reference.features(trace["frames"])
    visual = reference.visual_tokens(features)
    question = reference_model.lettered(row["question"], row.get("choices"))
    prefix, suffix = reference.tokenizer.prompt(question)
    logits, cache, _ = reference.prefill(visual, question)
    ids = reference.generate(logits, cache)
    best = logits[:reference.tokenizer.count].topk(2).values
    return {
        "custom_id": row.get("custom_id"), "engine": told["answer"],
        "reference": reference.tokenizer.decode(ids).strip(),
        "same_ids": trace["output_ids"].tolist() == ids,
        "same_prompt": trace["prompt_ids"].tolist() == [*prefix, *[PLACEHOLDER] * len(visual), *suffix],
        "vision": difference(trace["vision_features"], features),
        "visual": difference(trace["visual_tokens"], visual),
        "logits": difference(trace["prefill_logits"], logits),
        "logits_absolute": float((trace["prefill_logits"] - logits).abs().max()),
        "largest_logit": float(logits.abs().max()), "lead": float(best[0] - best[1]),
    }


def most(report, key):
    """NaN where any of the values is one, unlike `max`."""
    return float(torch.tensor([line[key] for line in report], dtype=torch.float64).max())


def summary(report, frames):
    agreeing = sum(line["engine"] == line["reference"] for line in report)
    return {
        "items": len(report), "frames": frames, "same_answer": agreeing,
        "same_answer_pct": 100 * agreeing / len(report),
        "same_ids": sum(line["same_ids"] for line in report),
        "same_prompt": sum(line["same_prompt"] for line in report),
        "relative_to": "largest absolute value of the reference in the same question",
        **{f"{stage}_relative_max": most(report, stage) for stage in STAGES},
        "logits_absolute_max": most(report, "logits_absolute"),
        "largest_logit_min": min(line["largest_logit"] for line in report),
        "lead_min": min(line["lead"] for line in report),
    }


def main():
    parser = argparse.ArgumentParser(description="Compares the Swift engine with stock transformers.")
    parser.add_argument("manifest")
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--items", type=int, default=0, help="this many rows, spread over the manifest; 0 is all")
    parser.add_argument("--model", default=reference_model.MODEL)
    parser.add_argument("--engine", default=ENGINE)
    parser.add_argument("--threads", type=int, default=2, help="of the reference")
    parser.add_argument("--out", help="one JSON line a question")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = os.path.abspath(arguments.model)
    reference = reference_model.ReferenceModel(model)
    report = []
    with tempfile.TemporaryDirectory() as folder, open(arguments.out or os.devnull, "w", encoding="utf-8") as out:
        for row in rows(arguments.manifest, arguments.items):
            path = os.path.join(folder, "trace.safetensors")
            told = ask(arguments.engine, model, row, arguments.frames, path)
            report.append(compare(reference, row, told, load_file(path)))
            print(json.dumps(report[-1]), file=out, flush=True)
    if not report:
        raise SystemExit(f"{arguments.manifest}: no questions")
    found = summary(report, arguments.frames)
    print(json.dumps(found))
    agreement = found["same_answer"] / found["items"]
    # Written so that a NaN fails.
    passed = (agreement >= LEAST_AGREEMENT and found["logits_relative_max"] <= LARGEST_DIFFERENCE
              and found["same_prompt"] == found["items"])
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
