#!/usr/bin/env python3
"""The demo's clips and questions: python3 render_demo.py OUT      (NumPy and the ffmpeg program; a few seconds)

Writes OUT/videos/generated_N.mp4 and OUT/questions.jsonl. Every draw comes from the clip's seed, so the same scenes,
questions and answers come out each time; the bytes of the mp4 depend on the version of libx264.

Nothing here looks at what a model answers. A clip's seed is the first one from 1000 N on whose scenes give cause for
every question type and hold several objects at once somewhere; the types then take turns.
"""
import itertools
import json
import os
import random
import subprocess
import sys

import numpy as np

from questions import TYPES, ask, worded
from renderer import Renderer, camera, place_layers
from scenes import clip_scenes
from vocabulary import SIDE

# Distinct frames of each clip and how often each is repeated. At most 32 distinct ones, so that 32 frames sampled
# evenly show every one of them: a needle is one distinct frame.
CLIPS = [(16, 8), (20, 6), (24, 5), (28, 5), (32, 4), (32, 5)]
QUESTIONS_PER_CLIP = 7
RATE, SIZE, CRF = 10, 448, 29


def choose_scenes(number, frames):
    """(random generator just after the draw, scenes) of clip `number`."""
    for seed in range(1000 * number, 1000 * number + 1000):
        R, probe = random.Random(seed), random.Random(0)
        scenes = clip_scenes(R, frames)
        if (any(len(s.things) > 1 for s in scenes)
                and all(ask(probe, kind, scenes, frames) is not None for kind in TYPES)):
            return R, scenes
    raise SystemExit(f"clip {number}: no seed gives cause for enough questions")


def encode(frames, copies, path):
    """H.264 in BT.601 limited range, tagged as such; each frame `copies` times, enlarged to SIZE x SIZE."""
    colors = "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range tv".split()
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
               "-s", f"{SIDE}x{SIDE}", "-r", str(RATE), "-i", "pipe:0",
               "-vf", f"scale={SIZE}:{SIZE}:flags=bicubic:out_color_matrix=bt601:out_range=tv,format=yuv420p",
               "-c:v", "libx264", "-preset", "slow", "-crf", str(CRF), "-threads", "1", *colors,
               "-bitexact", "-movflags", "+faststart", path]
    subprocess.run(command, input=np.repeat(frames, copies, axis=0).tobytes(), check=True)


def main(out):
    videos = os.path.join(out, "videos")
    os.makedirs(videos, exist_ok=True)
    renderer, turns, rows = Renderer(), itertools.cycle(TYPES), []
    for number, (frames, copies) in enumerate(CLIPS, start=1):
        R, scenes = choose_scenes(number, frames)
        layers, backgrounds = place_layers(R, scenes, frames)
        pixels = renderer.clip(layers, backgrounds, *camera(R), np.random.default_rng(number))
        name = f"generated_{number}.mp4"
        encode(pixels, copies, os.path.join(videos, name))
        for kind in itertools.islice(turns, QUESTIONS_PER_CLIP):
            question = ask(R, kind, scenes, frames)
            rows.append({"custom_id": f"generated_{number}/{kind}", "video": f"videos/{name}",
                         "question": worded(R, question), "expected": question.answer})
    with open(os.path.join(out, "questions.jsonl"), "w", encoding="utf-8") as manifest:
        manifest.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"{len(CLIPS)} clips, {len(rows)} questions in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
