#!/usr/bin/env python3
"""The tables of the frozen test set, from the answers that `zipvl-batch eval` stored.

    python3 score_test.py QUEUE.db [--set test|dev|ci] [--method full] [--check jobs/embedded-thresholds.json]

Reads the evaluations of the model that answered last. An item without an answer counts as wrong. --check compares with
the thresholds of the set, names each miss and exits with 1. Standard library only.

A threshold is {"split": ..., "frames": [...], "kinds": [...], "form": "free" or "letter", "each": "frames" or "group",
...}, where all but the split may be left out, and one of: "at_least", percent; "within", points that the split may lie
below base; "below", points that it must lie below base. Differences are of the same items, or for the splits with clips
of their own, of the same kinds at the same lengths.
"""
import argparse
import collections
import json
import sqlite3

from intervals import paired, unpaired, wilson

ORDER_KINDS = ["order", "after", "before", "first", "last", "when", "direction"]
SPLITS = ["base", "wording", "pairs", "codes", "fonts", "textures", "blank", "shuffled"]
SAME_ITEMS = ["wording", "blank", "shuffled"]
Item = collections.namedtuple("Item", "split frames place group right")     # place: the same in twins


def read(path, wanted, method):
    """(model and its hash, items) of a set; a twin that was asked in several runs counts once, as last answered."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        last = database.execute(
            "SELECT e.model, e.model_sha256 FROM evaluation_answers a JOIN evaluation_methods USING (method_id)"
            " JOIN evaluations e USING (evaluation_id) ORDER BY a.recorded_at_ms DESC LIMIT 1").fetchone()
        if last is None:
            raise SystemExit(f"{path}: holds no answers of an evaluation")
        rows = database.execute(
            "SELECT i.custom_id, i.group_name, coalesce(a.correct, 0) FROM evaluations e"
            " JOIN evaluation_methods m USING (evaluation_id) JOIN evaluation_items i USING (evaluation_id)"
            " LEFT JOIN evaluation_answers a ON a.method_id = m.method_id AND a.item = i.item"
            " WHERE e.model_sha256 = ? AND m.label = ? AND i.custom_id GLOB '*/*/*/*'"
            " AND m.frames = CAST(substr(i.custom_id, instr(i.custom_id, '/') + 1) AS INTEGER)"
            " ORDER BY a.recorded_at_ms", (last[1], method)).fetchall()
    items = {}
    for name, group, right in rows:
        split, frames, place = name.split("/", 2)
        if split in SPLITS and place.startswith("dev") == (wanted == "dev"):
            items[name] = Item(split, int(frames), f"{frames}/{place}", group, bool(right))
    if not items:
        raise SystemExit(f"{path}: no items of the set `{wanted}` under the method `{method}`")
    return last, list(items.values())


def kind(item):
    return item.group.removesuffix("_mcq")


def select(items, split, frames=None, kinds=None, form=None, group=None):
    return [item for item in items
            if item.split == split and (not frames or item.frames in frames) and (not kinds or kind(item) in kinds)
            and (form is None or (form == "letter") == item.group.endswith("_mcq")) and group in (None, item.group)]


def right(items):
    return sum(item.right for item in items)


def share(items):
    """"96.3 (93.5-97.9)", percent."""
    if not items:
        return ""
    low, high = wilson(right(items), len(items))
    return f"{100 * right(items) / len(items):.1f} ({100 * low:.1f}-{100 * high:.1f})"


def difference(some, items):
    """(points above base, low, high) of items of one split, or None where base has nothing to compare with."""
    if not some:
        return None
    base = select(items, "base", {item.frames for item in some})
    if some[0].split in SAME_ITEMS:
        twins = {item.place: item for item in base}
        pairs = [(item.right, twins[item.place].right) for item in some if item.place in twins]
        if not pairs:
            return None
        gained, lost = pairs.count((True, False)), pairs.count((False, True))
        found = (gained - lost) / len(pairs), *paired(gained, lost, len(pairs))
    else:
        cells = {(item.frames, item.group) for item in some}
        base = [item for item in base if (item.frames, item.group) in cells]
        if not base:
            return None
        found = (right(some) / len(some) - right(base) / len(base),
                 *unpaired(right(some), len(some), right(base), len(base)))
    return tuple(100 * value for value in found)


def points(some, items):
    """"-1.3 (-4.0..+1.5)"."""
    found = difference(some, items)
    return "{:+.1f} ({:+.1f}..{:+.1f})".format(*found) if found else ""


def table(head, rows):
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def tables(items):
    """Markdown."""
    lengths = sorted({item.frames for item in items})
    columns = [[frames] for frames in lengths] + [lengths]

    def accuracy(title, split, **filters):
        found = [select(items, split, frames, **filters) for frames in columns]
        return [[title, str(len(found[-1])), *map(share, found)]] if found[-1] else []

    def against_base(title, split, **filters):
        found = [select(items, split, frames, **filters) for frames in columns]
        return [[title, "", *(points(some, items) for some in found)]] if found[-1] else []

    head = ["frames", "items", *map(str, lengths), "all"]
    rows = accuracy("base", "base")
    rows += accuracy("- free-form", "base", form="free") + accuracy("- by letter", "base", form="letter")
    for split in SPLITS[1:]:
        for title, kinds in ((split, None), (f"{split}, kinds about order", ORDER_KINDS)):
            if (kinds is not None) == (split == "shuffled"):
                rows += accuracy(title, split, kinds=kinds) + against_base("- less base", split, kinds=kinds)
    parts = ["Right, percent (95 %), and points of difference to base.", table(head, rows)]
    names = sorted({kind(item) for item in items})
    columns = [([frames], form) for frames in lengths if frames == 64 for form in ("free", "letter")]
    columns += [(lengths, "free"), (lengths, "letter")]
    head = ["base", *(f"{'all lengths' if frames == lengths else f'{frames[0]} frames'}, "
                      f"{'free-form' if form == 'free' else 'by letter'}" for frames, form in columns)]
    rows = []
    for name in names:
        found = [select(items, "base", frames, [name], form) for frames, form in columns]
        rows.append([name, *(f"{share(some)}, {len(some)}" if some else "" for some in found)])
    return "\n\n".join([*parts, "Right by kind, percent (95 %), items.", table(head, rows)])


def misses(items, thresholds):
    """A line for each threshold that is missed."""
    found = []
    if len(items) != thresholds["items"]:
        found.append(f"{len(items)} items were asked, not {thresholds['items']}")
    for rule in thresholds["rules"]:
        some = select(items, rule["split"], rule.get("frames"), rule.get("kinds"), rule.get("form"))
        each = rule.get("each")
        cells = {(getattr(item, each) if each else None): [] for item in some}
        for item in some:
            cells[getattr(item, each) if each else None].append(item)
        title = ", ".join([rule["split"], *([f"{rule['form']} form"] if "form" in rule else []),
                           *([f"{'/'.join(map(str, rule['frames']))} frames"] if "frames" in rule else []),
                           *(["some kinds"] if "kinds" in rule else [])])
        if not cells:
            found.append(f"{title}: no items")
        for cell, members in sorted(cells.items(), key=str):
            complaint = miss(rule, members, items)
            if complaint:
                found.append(f"{title}{f', {each} {cell}' if each else ''}: {complaint}")
    return found


def miss(rule, members, items):
    """What is wrong with the items that a threshold is for, or None."""
    if "at_least" in rule:
        if 100 * right(members) < rule["at_least"] * len(members):
            return f"{share(members)} %, {right(members)} of {len(members)}; at least {rule['at_least']} %"
        return None
    found = difference(members, items)
    if found is None:
        return "base has nothing to compare with"
    text = f"{points(members, items)} points to base, {len(members)} items"
    if "within" in rule and found[0] < -rule["within"]:
        return f"{text}; at most {rule['within']} below"
    if "below" in rule and found[0] > -rule["below"]:
        return f"{text}; at least {rule['below']} below"
    return None


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("queue", metavar="QUEUE.db")
    options.add_argument("--set", choices=["test", "dev", "ci"], default="test")
    options.add_argument("--method", default="full", help="label of the method, as eval was given it")
    options.add_argument("--check", metavar="FILE", help="thresholds, JSON")
    options = options.parse_args()
    (model, value), items = read(options.queue, options.set, options.method)
    print(f"Set {options.set}, {len(items)} items, model {model} ({value[:12]}), method {options.method}.\n")
    print(tables(items))
    if options.check:
        with open(options.check, encoding="utf-8") as file:
            found = misses(items, json.load(file)[options.set])
        print("\n" + ("\n".join(["Below the thresholds:", *(f"- {line}" for line in found)])
                      if found else f"All thresholds of {options.check} are met."))
        raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
