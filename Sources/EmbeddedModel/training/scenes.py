"""A clip as a list of scenes, before a pixel is drawn. This is the ground truth every expected answer is taken from."""
import math
from dataclasses import dataclass, field

import numpy as np

from vocabulary import (COLORS, DIRECTIONS, GLYPHS, HELD_PAIRS, HELD_TEXTURES, PLACES, SHAPES, TEXTURES,
                        TRAINING_PAIRS, is_held_code, is_held_pair, SIDE)


@dataclass
class Thing:
    """A coloured shape at one of five places, still or moving; or a card with three characters."""
    color: int                      # index into COLORS
    shape: int | None = None        # index into SHAPES; None for a card
    text: str | None = None         # a card's three digits or three letters
    place: str | None = None        # key of PLACES
    motion: str | None = None       # key of DIRECTIONS; None stands still
    size: float = 0.0               # half extent in pixels
    font: int = 0
    angle: float = 0.0              # radians

    @property
    def is_card(self):
        return self.text is not None

    @property
    def name(self):
        return f"{COLORS[self.color]} {'card' if self.is_card else SHAPES[self.shape]}"


@dataclass
class Scene:
    """Frames start ..< start + length show the same things on the same background."""
    start: int
    length: int
    things: list[Thing] = field(default_factory=list)
    texture: int = 0
    dark: np.ndarray | None = None  # RGB where the texture is 0
    light: np.ndarray | None = None # RGB where the texture is 1
    origin: tuple[int, int] = (0, 0)
    pan: tuple[int, int] = (0, 0)   # pixels the background moves per frame


def scene_kinds(R, frames, card_share):
    """How many scenes, and what each shows: 'object', 'card' or 'empty'."""
    high = max(1, round(1.6 * math.sqrt(frames))) if frames > 2 else frames
    low = 1 if frames < 8 else max(2, round(frames ** 0.38))
    count = R.randint(low, high)
    weights = [math.exp(R.gauss(0, 0.8)) for _ in range(count)]
    kinds = []
    for _ in range(count):
        u = R.random()
        if u < 0.08 and frames >= 8 and count > 2:
            kinds.append("empty")
        else:
            kinds.append("card" if u < 0.08 + card_share else "object")
    if "object" not in kinds and frames > 1:
        kinds[R.randrange(count)] = "object"
    if frames >= 8 and "card" not in kinds and R.random() < 0.6:
        kinds[R.randrange(count)] = "card"
    return kinds, weights


def scene_lengths(R, frames, kinds, weights):
    """Frames of each scene, `frames` in all. From 16 on half of the cards are shown for one frame: the needles."""
    needles = set()
    if frames >= 16:
        needles = {i for i, k in enumerate(kinds) if k == "card" and R.random() < 0.5}
    if len(needles) == len(kinds):
        needles = set()
    weights = [0 if i in needles else w for i, w in enumerate(weights)]
    lengths, free, seen, used = [], frames - len(kinds), 0.0, 0
    for w in weights:
        seen += w
        upto = round(free * seen / sum(weights))
        lengths.append(1 + upto - used)
        used = upto
    return lengths


def clip_scenes(R, frames, held=False, card_share=0.22):
    """The scenes of a clip of `frames` distinct frames, drawn from the random.Random `R`.

    No colour-shape pair and no card colour comes twice, but for one shape and one colour that are given to two
    things of their own, so that "how many stars" is not always 0 or 1. `held` draws from the held-out split as well.
    """
    kinds, weights = scene_kinds(R, frames, card_share)
    lengths = scene_lengths(R, frames, kinds, weights)
    kept_shape, kept_color = R.randrange(8), R.randrange(8)
    pairs = [p for p in TRAINING_PAIRS if p[0] != kept_color and p[1] != kept_shape]
    held_pairs = [p for p in HELD_PAIRS if p[0] != kept_color and p[1] != kept_shape]
    R.shuffle(pairs)
    R.shuffle(held_pairs)
    card_colors = [c for c in range(8) if c != kept_color]
    R.shuffle(card_colors)

    scenes, start = [], 0
    for kind, length in zip(kinds, lengths):
        things = []
        if kind == "card" and card_colors:
            things.append(card(R, card_colors, held))
        elif kind == "object":
            things = objects(R, length, pairs, held_pairs if held else [])
        dark, light = (background(R, low_power, tint) for low_power, tint in ((1.5, 0.12), (1.0, 0.15)))
        if held and R.random() < 0.5:
            texture = TEXTURES - 1 - R.randrange(HELD_TEXTURES)
        else:
            texture = R.randrange(TEXTURES - HELD_TEXTURES)
        scenes.append(Scene(start, length, things, texture, dark, light, (R.randrange(SIDE), R.randrange(SIDE)),
                            (R.choice((0, 0, 1, -2)), R.choice((0, 0, 1)))))
        start += length

    shown = [t for s in scenes for t in s.things if not t.is_card]
    R.shuffle(shown)
    if shown:
        colors = [c for c in range(8) if c != kept_color and (held or not is_held_pair(c, kept_shape))]
        shown[0].color, shown[0].shape = R.choice(colors), kept_shape
    if len(shown) > 1:
        shapes = [s for s in range(8) if s != kept_shape and (held or not is_held_pair(kept_color, s))]
        shown[1].color, shown[1].shape = kept_color, R.choice(shapes)
    return scenes


def card(R, colors, held):
    """A card of a colour not used before, with three digits (two times in three) or three letters."""
    while True:
        glyphs = GLYPHS[:10] if R.random() < 0.65 else GLYPHS[10:]
        text = "".join(R.choice(glyphs) for _ in range(3))
        if is_held_code(text) == held:
            break
    color = colors.pop()
    font = 3 if held and R.random() < 0.5 else R.randrange(3)
    return Thing(color, text=text, font=font, angle=R.uniform(-0.06, 0.06))


def objects(R, length, pairs, held_pairs):
    """One to three objects at different places; a lone one may move when its scene has three frames or more."""
    count = 1 if R.random() < 0.62 else R.choice((2, 3))
    things = []
    for place in R.sample(list(PLACES), count):
        if held_pairs and R.random() < 0.6:
            color, shape = held_pairs.pop()
        elif pairs:
            color, shape = pairs.pop()
        else:
            continue
        motion = None
        if count == 1 and length >= 3 and R.random() < 0.6:
            motion = R.choice(list(DIRECTIONS))
        size = R.uniform(13, 19) if count > 1 else R.uniform(13, 24)
        things.append(Thing(color, shape, place=place, motion=motion, size=size, angle=R.uniform(-0.15, 0.15)))
    return things


def background(R, power, tint):
    """A dark grey with a little colour, so that every object stands out from it."""
    return (np.array([R.random() ** power * 0.5] * 3, np.float32)
            + np.array([R.uniform(0, tint) for _ in range(3)], np.float32))
