#!/usr/bin/env python3
"""Scores a model on drawn clips, without video files: what one looks at while training. The test set is another matter
(render_evaluation.py).

    python3 score.py DIR/model [--frames 8,32,64] [--questions 2000] [--split plain|wordings|pairs|codes|fonts|textures]

Exact match of the whole answer and its end, with the answer's own tokens as the context of the next (equal to greedy
decoding as long as all are right). Prints one JSON line a length.
"""
import argparse
import json
import multiprocessing
import os

import torch

import export
from batches import MAX_QUESTIONS, clip_batch
from losses import Learner
from questions import TYPES
from scenes import Held

FRAMES_A_BATCH = 2048


def batch(arguments):
    """Seeds that no training draws from."""
    number, frames, tokens, split, budget = arguments
    held = Held(**{split: True}) if split in ("pairs", "codes", "fonts", "textures") else Held()
    return clip_batch(f"dev/{split}/{frames}/{number}", frames, max(1, budget // frames), tokens, 0.35, held,
                      held_wordings=split == "wordings")


@torch.no_grad()
def count_right(learner, arrays, totals, device):
    """Adds [right, asked] of every kind to totals; kinds by letter end in _mcq. Returns questions asked."""
    data = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    visual = learner.model.vision(learner.pixels(data), learner.dtype)
    logits, labels, places, _ = learner.answer(data, visual)
    rows = torch.arange(places.shape[0], device=device)[:, None].expand_as(places)[places]
    questions = rows * MAX_QUESTIONS + data["segments"].long()[places]
    wrong = torch.zeros(places.shape[0] * MAX_QUESTIONS, device=device)
    wrong.index_add_(0, questions, (logits.argmax(-1) != labels).float())
    asked = 0
    for kind, misses in zip(data["kinds"].flatten().tolist(), wrong.tolist()):
        if kind >= 0:
            asked += 1
            total = totals.setdefault(TYPES[kind % 100] + ("_mcq" if kind >= 100 else ""), [0, 0])
            total[0] += misses == 0
            total[1] += 1
    return asked


def score(learner, pool, frames, split, questions, device):
    totals, asked = {}, 0
    jobs = ((n, frames, learner.model.shape.tokens, split, FRAMES_A_BATCH if device.type == "cuda" else 128)
            for n in range(10_000))
    for arrays in pool.imap(batch, jobs):
        asked += count_right(learner, arrays, totals, device)
        if asked >= questions:
            return totals


def summary(totals):
    def percent(kinds):
        right, asked = (sum(totals[kind][i] for kind in kinds) for i in (0, 1))
        return round(100 * right / max(asked, 1), 2)

    letters = [kind for kind in totals if kind.endswith("_mcq")]
    return {"all": percent(totals), "free": percent([kind for kind in totals if kind not in letters]),
            "letters": percent(letters), "questions": sum(asked for _, asked in totals.values()),
            "kinds": {kind: [round(100 * right / asked, 1), asked] for kind, (right, asked) in sorted(totals.items())}}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model")
    options.add_argument("--frames", default="8,32,64")
    options.add_argument("--questions", type=int, default=2000)
    options.add_argument("--split", default="plain")
    options.add_argument("--workers", type=int, default=min(14, max(1, (os.cpu_count() or 2) - 1)))
    options = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    learner = Learner(export.load(options.model)).to(device).eval()
    for split in options.split.split(","):
        for frames in map(int, options.frames.split(",")):
            # A pool a length: what it has made ahead of need goes with it.
            with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
                totals = score(learner, pool, frames, split, options.questions, device)
            print(json.dumps({"frames": frames, "split": split, **summary(totals)}), flush=True)


if __name__ == "__main__":
    main()
