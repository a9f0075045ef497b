#!/usr/bin/env python3
"""What `zipvl-batch niah` hides and where: python3 render_niah.py OUT      (NumPy and the ffmpeg program; seconds)

Writes OUT/haystack.mp4, 256 frames of ordinary scenes without any card, and OUT/needle_N.png with OUT/needles.jsonl:
cards with a number, a word or letters, one of each colour, and the question that each of them answers. The wordings are
those that the model was trained on. Every draw comes from a seed that holds a text, so none is training's or the
demo's. Nothing looks at what a model answers.
"""
import itertools
import json
import os
import random
import sys

import numpy as np

from encoder import encode, write_png
from questions import ask, plain
from renderer import Renderer, place_layers
from scenes import Scene, card, clip_scenes, scenery
from vocabulary import COLORS

FRAMES, RATE, SIZE = 256, 10, 224
CODEC = "-c:v libx264 -preset slow -crf 26 -movflags +faststart".split()
# Gain, offset, noise, blurred: a clear picture, since noise costs most of a file's bytes.
CAMERA = (1.0, 0.0, 0.008, False)
STILL = (1.0, 0.0, 0.0, False)


def haystack(renderer):
    for attempt in itertools.count():
        R = random.Random(f"niah/haystack/{attempt}")
        scenes = clip_scenes(R, FRAMES, card_share=0)
        if not any(t.is_card for s in scenes for t in s.things):     # a card is given to most clips that drew none
            return renderer.clip(*place_layers(R, scenes, FRAMES), *CAMERA, np.random.default_rng(1))


def needle(renderer, color):
    """(frame, question, what the card says)."""
    R = random.Random(f"niah/needle/{color}")
    scene = Scene(0, 1, [card(R, [color])], *scenery(R))
    frame = renderer.clip(*place_layers(R, [scene], 1), *STILL, np.random.default_rng(1))[0]
    question = ask(R, "ocr", [scene], 1)            # of a clip of one frame: "needle" is for long ones
    return frame, plain(question, color), question.answer


def main(out):
    os.makedirs(out, exist_ok=True)
    renderer, rows = Renderer(), []
    encode(haystack(renderer), os.path.join(out, "haystack.mp4"), RATE, SIZE, SIZE, CODEC)
    for color in range(len(COLORS)):
        frame, question, text = needle(renderer, color)
        name = f"needle_{color + 1}.png"
        write_png(frame, os.path.join(out, name), SIZE)
        rows.append({"image": name, "question": question, "expected": text})
    with open(os.path.join(out, "needles.jsonl"), "w", encoding="utf-8") as manifest:
        manifest.writelines(json.dumps(row) + "\n" for row in rows)
    print(f"{len(rows)} needles and {FRAMES} frames of haystack in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
