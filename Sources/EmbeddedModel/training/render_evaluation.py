#!/usr/bin/env python3
"""A frozen evaluation set as real video files, with a manifest for `zipvl-batch eval`.

    python3 render_evaluation.py --items 500 --frames 64 --seed 1 --out DIR --jobs 2

Writes DIR/clips/NNNN.* and DIR/manifest.jsonl, one item a line. Clips differ in size, shape, rate, codec and quality.
A clip shows --frames distinct frames, each once or several times over; that many frames, sampled evenly by index,
show every distinct one exactly once, so that a card shown for a single one of them is seen.

Each clip draws from a generator of its own, seeded with a text that holds --seed, --frames and the clip's number.
Training and the demo are seeded with whole numbers, so no stream here is one of theirs. Nothing looks at what a model
answers. The manifest is the same for the same options; the bytes of the videos depend on ffmpeg's encoders. Needs
NumPy and the ffmpeg program with libx264, libx265 and libvpx.
"""
import argparse
import collections
import hashlib
import json
import multiprocessing
import os
import random

import numpy as np

from encoder import canvas, encode, widened
from evaluation_questions import GROUPS, ask_group
from renderer import Renderer, camera, place_layers
from scenes import clip_scenes

QUESTIONS_PER_CLIP = 5
SIZES = [(224, 224), (256, 256), (336, 336), (448, 448), (480, 480),
         (320, 240), (426, 240), (640, 360), (480, 384), (240, 320), (270, 480)]
RATES = ["5", "8", "10", "12.5", "15", "24000/1001", "25", "30"]
COPIES = [1, 1, 1, 2, 3]
# Suffix of the file, ffmpeg's arguments, qualities. The clips take turns.
CODECS = [
    ("mp4", "-c:v libx264 -preset fast -crf {q} -movflags +faststart", (18, 23, 28)),
    ("webm", "-c:v libvpx-vp9 -deadline good -cpu-used 5 -b:v 0 -crf {q}", (24, 30, 36)),
    ("mp4", "-c:v mpeg4 -bf 2 -q:v {q}", (2, 3, 5)),
    ("mkv", "-c:v libx264 -preset medium -profile:v main -g 30 -crf {q}", (18, 23, 28)),
    ("mp4", "-c:v libx265 -preset veryfast -tag:v hvc1 -x265-params log-level=error:pools=none:frame-threads=1"
            " -crf {q}", (20, 24, 28)),
    ("webm", "-c:v libvpx -deadline good -cpu-used 4 -auto-alt-ref 0 -b:v 4M -crf {q}", (6, 10, 16)),
    ("mov", "-c:v libx264 -preset veryfast -bf 0 -g 12 -crf {q}", (18, 23, 28)),
]
Clip = collections.namedtuple("Clip", "name seed frames copies rate size codec")


def random_of(clip_seed):
    """The generator of a clip and the scenes that it drew first."""
    R = random.Random(clip_seed)
    while True:
        try:
            return R, clip_scenes(R, int(clip_seed.split("/")[2]))
        except IndexError:                          # no colour left for the shape that is kept back
            continue


def plan(items, frames, seed):
    """(clips, rows of the manifest). Of what a clip gives cause for, the groups asked least so far come first."""
    asked, clips, rows = collections.Counter(), [], []
    while len(rows) < items:
        number = len(clips) + 1
        if number > items + 20:
            raise SystemExit(f"clips of {frames} frames give cause for too few questions")
        clip_seed = f"evaluation/{seed}/{frames}/{number}"
        _, scenes = random_of(clip_seed)
        R = random.Random(clip_seed + "/questions")
        suffix, codec, qualities = CODECS[(number - 1) % len(CODECS)]
        name = f"clips/{number:04d}.{suffix}"
        clips.append(Clip(name, clip_seed, frames, R.choice(COPIES), R.choice(RATES), R.choice(SIZES),
                          codec.format(q=R.choice(qualities)).split()))
        turn = sorted(GROUPS, key=lambda group: (asked[group], R.random()))
        texts, wanted = set(), min(QUESTIONS_PER_CLIP, items - len(rows))
        for group in turn:
            item = ask_group(R, group, scenes, frames) if len(texts) < wanted else None
            if item is not None and item["question"] not in texts:
                texts.add(item["question"])
                asked[group] += 1
                rows.append({"video": name, **item, "custom_id": f"{number:04d}/{group}"})
    return clips, rows


def render(job):
    clip, out = job
    R, scenes = random_of(clip.seed)
    layers, backgrounds = place_layers(R, scenes, clip.frames)
    settings, renderer = camera(R), Renderer()
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(clip.seed.encode()).digest()[:8], "big"))
    pixels = widened(layers, *canvas(*clip.size),
                     lambda moved: renderer.clip(moved, backgrounds, *settings, rng))
    path = os.path.join(out, clip.name)
    encode(np.repeat(pixels, clip.copies, axis=0), path, clip.rate, *clip.size, clip.codec)
    return os.path.getsize(path)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--items", type=int, default=500, help="questions in all")
    options.add_argument("--frames", type=int, default=64, help="distinct frames of each clip, to be sampled")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", required=True, metavar="DIR")
    options.add_argument("--jobs", type=int, default=2, help="clips rendered at once")
    options = options.parse_args()
    if options.items < 1 or options.jobs < 1 or not 2 <= options.frames <= 1024:
        raise SystemExit("--items and --jobs must be 1 or more, --frames 2 to 1024")

    clips, rows = plan(options.items, options.frames, options.seed)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    os.makedirs(os.path.join(options.out, "clips"), exist_ok=True)
    manifest = os.path.join(options.out, "manifest.jsonl")
    if os.path.exists(manifest):
        os.remove(manifest)                         # it comes back when all its clips are there
    with multiprocessing.Pool(options.jobs) as pool:
        size = sum(pool.imap_unordered(render, [(clip, options.out) for clip in clips]))
    with open(manifest, "w", encoding="utf-8") as file:
        file.write(text)
    groups = collections.Counter(row["group"] for row in rows)
    print(", ".join(f"{group} {groups[group]}" for group in GROUPS))
    print(f"{len(clips)} clips, {size / 2**20:.1f} MiB, {len(rows)} items in {manifest}")
    print(f"sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
