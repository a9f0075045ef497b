#!/usr/bin/env python3
"""The frozen test set, planned without a pixel: its clips, and what is asked about them.

    python3 test_set.py [--freeze]

prints how many items and clips each set has and its hash, and fails when a hash is not the one of test_set.sha256;
--freeze writes that file anew. `render_evaluation.py --set test` makes the videos.

Sets: `test`; `ci`, a part of it; `dev`, a third of its size from other seeds, to look at while training. Each is
planned by length, and each length has splits:

- base       every kind of question, free-form and by letter, in wordings that training uses
- wording    the free-form questions of base, asked in wordings that training never uses
- pairs, codes, fonts, textures: clips that draw from held-out colour-shape pairs, card texts, faces, backgrounds
- blank, shuffled (64 frames): the items of base about a plain grey video, and about the clip's frames in random order

Clips draw from generators of their own, seeded with texts such as "test/base/64/12", "dev/base/64/12": nothing else is
seeded with a text that begins so. The plan needs Python's `random` alone and is the same anywhere.
"""
import collections
import dataclasses
import hashlib
import json
import os
import random
import sys

from clip_files import Clip, plan_clip, program, shows_held_pair
from options import LETTERED, lettered
from questions import TYPES, ask, plain
from scenes import Held
from wordings import HELD_WORDINGS, WORDINGS

FROZEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_set.sha256")
SETS = ["test", "dev", "ci"]
FRAMES = [8, 16, 32, 64, 128]
CONTROL_FRAMES = 64                             # the length that blank and shuffled are made at
CI_FRAMES, CI_ITEMS = [8, 16, 32], 200
QUESTIONS_PER_CLIP = 8

CARD_KINDS = ["ocr", "needle"]
OBJECT_KINDS = [kind for kind in TYPES if kind not in CARD_KINDS]


def groups_of(kinds):
    """Free-form and, where there is one, the form by letter."""
    return sorted([*kinds, *(kind + "_mcq" for kind in LETTERED if kind in kinds)])


GROUPS = groups_of(TYPES)
# Items of the test set, groups that they are spread over, what the clips hold out.
SPLITS = {
    "base": (300, GROUPS, Held()),
    "pairs": (75, groups_of(OBJECT_KINDS), Held(pairs=True)),
    "codes": (75, groups_of(CARD_KINDS), Held(codes=True)),
    "fonts": (75, groups_of(CARD_KINDS), Held(fonts=True)),
    "textures": (75, GROUPS, Held(textures=True)),
}


@dataclasses.dataclass
class Part:
    """What a set has at one length. `splits`: rows of the manifest of each split."""
    frames: int
    clips: list[Clip]
    splits: dict[str, list[dict]]


def ask_group(R, group, scenes, frames):
    """(fields of the question, row without video and custom_id, the question in a held-out wording), or None."""
    kind = group.removesuffix("_mcq")
    question = ask(R, kind, scenes, frames)
    if question is None:
        return None
    row = {"question": plain(question, R.randrange(len(WORDINGS[kind])))}
    other = plain(question, R.randrange(len(HELD_WORDINGS[kind])), held=True)
    expected = question.answer
    if group != kind:
        found = lettered(R, question)
        if found is None:
            return None
        row["choices"], expected = found
    return sorted(question.fields.items()), {**row, "expected": expected, "group": group}, other


def ask_clip(clip, groups, asked, most):
    """Up to `most` of what `ask_group` gives: (row, held-out wording). Groups asked least so far come first.

    No question comes twice; where a clip gives cause for few, it may come both free-form and by letter.
    """
    _, scenes = clip.scenes()
    R = random.Random(clip.seed + "/questions")
    found, known = [], []
    for turn in range(4):
        for group in sorted(groups, key=lambda group: (asked[group], R.random())):
            item = ask_group(R, group, scenes, clip.frames) if len(found) < most else None
            if item is None:
                continue
            fields, row, other = item
            kind = group.removesuffix("_mcq")
            same = [form for form in ((kind, fields), (kind + "_mcq", fields)) if form in known]
            if (group, fields) not in same and (turn > 0 or not same):
                known.append((group, fields))
                asked[group] += 1
                found.append((row, other))
    return found


def plan_split(seed, label, split, frames, items, groups, held, per_clip=QUESTIONS_PER_CLIP):
    """(clips, rows, the free-form rows in held-out wordings). `label` stands before a clip's number in its name."""
    asked, clips, rows, reworded = collections.Counter(), [], [], []
    for number in range(1, 2 * items + 20):
        if len(rows) == items:
            return clips, rows, reworded
        clip = plan_clip(f"{seed}/{split}/{frames}/{number}", f"{split}_{label}{number:03d}", frames, held, number - 1)
        if held.pairs and not shows_held_pair(clip):
            continue
        found, times = ask_clip(clip, groups, asked, min(per_clip, items - len(rows))), collections.Counter()
        clips += [clip] if found else []
        for row, other in found:
            times[row["group"]] += 1
            turn = f"/{times[row['group']]}" if times[row["group"]] > 1 else ""
            place = f"{frames}/{label}{number:03d}/{row['group']}{turn}"
            rows.append({"custom_id": f"{split}/{place}", "video": clip.name, **row})
            if "choices" not in row:
                reworded.append({**rows[-1], "custom_id": f"wording/{place}", "question": other})
    raise SystemExit(f"{split}: clips of {frames} frames give cause for too few questions")


def plan_part(name, frames):
    """`name`: test or dev."""
    part = Part(frames, [], {})
    label, share = {"test": ("", 1), "dev": ("dev", 3)}[name]
    for split, (items, groups, held) in SPLITS.items():
        clips, rows, reworded = plan_split(name, label, split, frames, items // share, groups, held)
        part.clips += clips
        part.splits[split] = rows
        if split == "base":
            part.splits["wording"] = reworded
        if split == "base" and frames == CONTROL_FRAMES:
            for look in ("blank", "shuffled"):
                other = {clip.name: clip.like(look) for clip in clips}
                part.clips += other.values()
                part.splits[look] = [
                    {**row, "custom_id": row["custom_id"].replace(split, look, 1), "video": other[row["video"]].name}
                    for row in rows]
    return part


def plan_ci():
    """The first items of the test set's base and the same in held-out wordings, as many at each length."""
    parts = []
    for turn, frames in enumerate(CI_FRAMES):
        most = CI_ITEMS * (turn + 1) // len(CI_FRAMES) - CI_ITEMS * turn // len(CI_FRAMES)
        whole, splits = plan_part("test", frames), {"base": [], "wording": []}
        reworded = {row["custom_id"].partition("/")[2]: row for row in whole.splits["wording"]}
        for row in whole.splits["base"]:
            twin = reworded.get(row["custom_id"].partition("/")[2])
            for split, item in (("base", row), ("wording", twin)):
                if item is not None and sum(map(len, splits.values())) < most:
                    splits[split].append(item)
        shown = {row["video"] for row in splits["base"]}
        parts.append(Part(frames, [clip for clip in whole.clips if clip.name in shown], splits))
    return parts


def plan(name):
    """The parts of a set, by length."""
    return plan_ci() if name == "ci" else [plan_part(name, frames) for frames in FRAMES]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def files(parts):
    """Name and content of every file of a set but the videos."""
    found = {}
    for part in parts:
        for split, rows in part.splits.items():
            found[f"{part.frames}/{split}.jsonl"] = lines(rows)
        found[f"{part.frames}/clips/programs.jsonl"] = lines(map(program, part.clips))
    return found


def digest(parts):
    """SHA-256 over the sorted names and contents of a set's files."""
    total = hashlib.sha256()
    for name, text in sorted(files(parts).items()):
        total.update(f"{name}\0{len(text)}\0{text}".encode())
    return total.hexdigest()


def frozen():
    """The committed hash of each set."""
    with open(FROZEN, encoding="utf-8") as file:
        return {name: value for value, name in map(str.split, file)}


def main():
    plans = {name: plan(name) for name in SETS}
    hashes = {name: digest(parts) for name, parts in plans.items()}
    for name, parts in plans.items():
        print(f"{name}: {hashes[name]}")
        for part in parts:
            counts = ", ".join(f"{split} {len(rows)}" for split, rows in part.splits.items())
            print(f"  {part.frames} frames, {len(part.clips)} clips: {counts}")
    if "--freeze" in sys.argv[1:]:
        with open(FROZEN, "w", encoding="utf-8") as file:
            file.writelines(f"{value}  {name}\n" for name, value in hashes.items())
    elif hashes != frozen():
        raise SystemExit(f"this is not the plan of {FROZEN}")


if __name__ == "__main__":
    main()
