#!/usr/bin/env python3
"""Evaluation sets as real video files, with manifests for `zipvl-batch eval`.

    python3 render_evaluation.py --set test|dev|ci --out DIR [--frames 8,64]

writes a set of test_set.py: DIR/FRAMES/SPLIT.jsonl, and the clips that all splits of a length share. It refuses when
the plan is not the one that test_set.sha256 froze. What is there already is not rendered again.

    python3 render_evaluation.py --items 500 --frames 64 --seed 1 --out DIR

writes DIR/manifest.jsonl: questions of every kind about clips of one length, from seeds that no set uses.

Clips differ in size, shape, rate, codec and quality. A clip shows so many distinct frames, each once or several times
over; that many frames, sampled evenly by index, show every distinct one exactly once, so that a card shown for a single
one of them is seen. Nothing looks at what a model answers. Manifests are the same for the same options; the bytes of
the videos depend on ffmpeg's encoders. Needs NumPy and the ffmpeg program with libx264, libx265 and libvpx.
"""
import argparse
import collections
import hashlib
import multiprocessing
import os
import random

import numpy as np

from encoder import canvas, encode, widened
from renderer import ASSETS, Renderer, camera, place_layers
from scenes import Held
from test_set import FRAMES, GROUPS, SETS, digest, files, frozen, lines, plan, plan_split

HERE = os.path.dirname(os.path.abspath(__file__))
GREY = 128
renderer = None                                 # one a process


def pixels(clip):
    """Distinct frames [frames, rows, columns, 3] uint8 of a clip, SIDE on the shorter edge."""
    columns, rows = canvas(*clip.size)
    if clip.look == "blank":
        return np.full((clip.frames, rows, columns, 3), GREY, np.uint8)
    global renderer
    renderer = renderer or Renderer()
    R, scenes = clip.scenes()
    layers, backgrounds = place_layers(R, scenes, clip.frames)
    settings = camera(R)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(clip.seed.encode()).digest()[:8], "big"))
    frames = widened(layers, columns, rows, lambda moved: renderer.clip(moved, backgrounds, *settings, rng))
    if clip.look == "shuffled":
        turn = list(range(clip.frames))
        random.Random(clip.seed + "/shuffled").shuffle(turn)
        frames = frames[turn]
    return frames


def render(job):
    """Bytes of the file that was written."""
    clip, folder = job
    path = os.path.join(folder, clip.name)
    encode(np.repeat(pixels(clip), clip.copies, axis=0), path, clip.rate, *clip.size, clip.codec.split())
    return os.path.getsize(path)


def render_all(clips, folder, jobs):
    os.makedirs(os.path.join(folder, "clips"), exist_ok=True)
    # The longest first, so that no process is left with one at the end.
    clips = sorted(clips, key=lambda clip: -clip.frames * clip.copies * clip.size[0] * clip.size[1])
    with multiprocessing.Pool(jobs) as pool:
        return sum(pool.imap_unordered(render, [(clip, folder) for clip in clips]))


def remove(path):
    if os.path.exists(path):
        os.remove(path)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def look_of_pixels():
    """A hash of all that decides what a planned clip looks like."""
    total = hashlib.sha256()
    for path in [ASSETS, *(os.path.join(HERE, name) for name in ("renderer.py", "encoder.py", "render_evaluation.py"))]:
        with open(path, "rb") as file:
            total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def render_set(name, out, lengths, jobs):
    parts = plan(name)
    value = digest(parts)
    if frozen().get(name) != value:
        raise SystemExit(f"this is not the frozen set `{name}`: its plan has the hash {value}, test_set.sha256 has "
                         f"{frozen().get(name)}")
    stamp = f"{name} {value} {look_of_pixels()}\n"
    for part in parts:
        if lengths and part.frames not in lengths:
            continue
        folder = os.path.join(out, str(part.frames))
        stamp_path = os.path.join(folder, "stamp.txt")
        if os.path.exists(stamp_path) and open(stamp_path, encoding="utf-8").read() == stamp:
            print(f"{part.frames} frames: {len(part.clips)} clips are there")
            continue
        remove(stamp_path)
        for split in part.splits:
            remove(os.path.join(folder, f"{split}.jsonl"))      # comes back when all its clips are there
        size = render_all(part.clips, folder, jobs)
        for path, text in files([part]).items():
            write(os.path.join(out, path), text)
        write(stamp_path, stamp)
        print(f"{part.frames} frames: {len(part.clips)} clips, {size / 2**20:.1f} MiB, "
              f"{sum(map(len, part.splits.values()))} items", flush=True)
    print(f"{name}, sha256 {value}")


def render_items(items, frames, seed, out, jobs):
    clips, rows, _ = plan_split(f"evaluation/{seed}", "", "evaluation", frames, items, GROUPS, Held(), per_clip=5)
    manifest, text = os.path.join(out, "manifest.jsonl"), lines(rows)
    remove(manifest)                                            # comes back when all its clips are there
    size = render_all(clips, out, jobs)
    write(manifest, text)
    groups = collections.Counter(row["group"] for row in rows)
    print(", ".join(f"{group} {groups[group]}" for group in GROUPS))
    print(f"{len(clips)} clips, {size / 2**20:.1f} MiB, {len(rows)} items in {manifest}")
    print(f"sha256 {hashlib.sha256(text.encode()).hexdigest()}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--set", choices=SETS, help="a set of test_set.py")
    options.add_argument("--frames", help="distinct frames of a clip (default: 64); with --set: which lengths, "
                                          "separated by commas (default: all)")
    options.add_argument("--items", type=int, default=500, help="questions in all, without --set")
    options.add_argument("--seed", type=int, default=1, help="without --set")
    options.add_argument("--out", required=True, metavar="DIR")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="clips rendered at once")
    options = options.parse_args()
    try:
        lengths = [int(text) for text in options.frames.split(",")] if options.frames else []
    except ValueError:
        raise SystemExit(f"--frames {options.frames}: expected whole numbers") from None
    if options.jobs < 1 or options.items < 1:
        raise SystemExit("--items and --jobs must be 1 or more")
    if options.set:
        if not set(lengths) <= set(FRAMES):
            raise SystemExit(f"--frames {options.frames}: the sets have {FRAMES}")
        render_set(options.set, options.out, lengths, options.jobs)
    else:
        if len(lengths) > 1 or not all(2 <= frames <= 1024 for frames in lengths):
            raise SystemExit(f"--frames {options.frames}: expected one length of 2 to 1024 without --set")
        render_items(options.items, *(lengths or [64]), options.seed, options.out, options.jobs)


if __name__ == "__main__":
    main()
