"""Answers read off the drawn layers, frame by frame, as someone would who only sees the video: checks questions.py."""
import re

import numpy as np

from questions import plural
from vocabulary import COLORS, DIRECTIONS, GLYPHS, PLACES, RGB, SHAPES, WORD_SET

NAME = re.compile(rf"\b({'|'.join(COLORS)}) ({'|'.join([*SHAPES, 'card'])})\b")


class Watched:
    """What layers [frames, MAX_LAYERS, 9] show: for each thing by name its frames, centres in pixels, text and font."""

    def __init__(self, layers):
        self.frames = len(layers)
        self.seen = {}              # name: {frame: (x, y)}
        self.texts, self.fonts = {}, {}
        for frame, rows in enumerate(layers):
            rows = rows[rows[:, 0] >= 0]
            glyphs = rows[rows[:, 0] >= len(SHAPES)]
            for row in rows[rows[:, 0] < len(SHAPES)]:
                color = COLORS[int(((RGB - row[6:9]) ** 2).sum(1).argmin())]
                if row[3] == row[4]:
                    name = f"{color} {SHAPES[int(row[0])]}"
                else:
                    name = f"{color} card"
                    font, _ = divmod(glyphs[:, 0].astype(int) - len(SHAPES), len(GLYPHS))
                    self.fonts[name] = set(font.tolist())
                    glyphs = glyphs[glyphs[:, 1].argsort()]
                    self.texts[name] = "".join(GLYPHS[(int(g) - len(SHAPES)) % len(GLYPHS)] for g in glyphs[:, 0])
                self.seen.setdefault(name, {})[frame] = float(row[1]), float(row[2])

    def at(self, frame):
        return {name for name, when in self.seen.items() if frame in when}

    def lit(self):
        return [f for f in range(self.frames) if self.at(f)]

    def start(self, name):
        return min(self.seen[name])

    def matching(self, text):
        """Names that "red objects", "stars", "cards" or "everything" stands for."""
        def fits(name):
            color, kind = name.split()
            return text in ("everything", f"{color} objects" if kind != "card" else "cards", plural(kind))
        return [name for name in self.seen if fits(name)]


def objects_of(watched):
    return [name.split() for name in watched.seen if not name.endswith("card")]


def moved(watched, name):
    """The direction of a thing's way, "not moving", or None where it is seen too shortly to say."""
    way = [watched.seen[name][f] for f in sorted(watched.seen[name])]
    if len(way) < 3:
        return None
    dx, dy = way[-1][0] - way[0][0], way[-1][1] - way[0][1]
    if max(abs(dx), abs(dy)) < 8:
        return "not moving"
    return max(DIRECTIONS, key=lambda d: DIRECTIONS[d][0] * dx + DIRECTIONS[d][1] * dy)


def expected(question, watched):
    """The answer as seen. An AssertionError where the video does not settle the question."""
    kind, fields, seen = question.kind, question.fields, watched.seen
    x = fields.get("x")
    if kind == "color":
        color, = [c for c, s in objects_of(watched) if s == fields["s"]]
        return color
    if kind == "shape":
        kinds, = [name.split()[1] for name in seen if name.split()[0] == fields["c"]]
        return kinds
    if kind == "exist":
        return "Yes" if x in seen else "No"
    if kind == "count":
        return str(len(watched.matching(fields["y"])))
    if kind == "together":
        counts = {len(watched.at(f)) for f in seen[x]}
        assert len(counts) == 1
        return str(counts.pop())
    if kind == "direction":
        return moved(watched, x)
    if kind == "position":
        assert moved(watched, x) in (None, "not moving")
        return min(PLACES, key=lambda p: np.hypot(*np.subtract(PLACES[p], seen[x][watched.start(x)])))
    if kind in ("ocr", "needle"):
        name = fields["c"] + " card"
        assert (watched.frames >= 16 and len(seen[name]) == 1) == (kind == "needle")
        text = watched.texts[name]
        sort = "number" if text.isdigit() else "word" if text in WORD_SET else "letters"
        assert fields["k"].split()[0] == fields["n"] == sort
        return text
    if kind == "order":
        named = [" ".join(m) for m in NAME.findall(fields["o"])]
        assert len({watched.start(n) for n in named}) == len(named) in (2, 3)
        return min(named, key=watched.start)
    if kind in ("after", "before"):
        lit = watched.lit()
        near = min(f for f in lit if f > max(seen[x])) if kind == "after" else max(f for f in lit if f < min(seen[x]))
        name, = watched.at(near)
        return name
    if kind in ("first", "last"):
        name, = watched.at(watched.lit()[0 if kind == "first" else -1])
        return name
    if kind == "when":
        middle = (min(seen[x]) + max(seen[x]) + 1) / 2 / watched.frames
        assert min(abs(middle - 1 / 3), abs(middle - 2 / 3)) > 0.049
        return "beginning" if middle < 1 / 3 else "middle" if middle < 2 / 3 else "end"
    if kind == "longer":
        times = sorted((len(seen[n]), n) for n in (x, fields["z"]))
        assert times[1][0] >= 2 * times[0][0]
        return times[1][1]
    assert kind == "list"
    named = [" ".join(m) for m in NAME.findall(fields["p"])] or watched.matching(fields["p"].removeprefix("all "))
    assert len({watched.start(n) for n in named}) == len(named) and 1 <= len(named) <= 4
    return ", ".join(sorted(named, key=watched.start))
