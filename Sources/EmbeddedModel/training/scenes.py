"""A clip as a list of scenes, before a pixel is drawn. This is the ground truth every expected answer is taken from."""
import math
from dataclasses import dataclass, field

from vocabulary import (CAPITALS, CODES, COLORS, DIRECTIONS, FONTS, HELD_FONTS, HELD_PAIRS, HELD_TEXTURES, PLACES,
                        SHAPES, SIDE, TEXTURES, TRAINING_PAIRS, WORD_SET, is_held_code, is_held_pair)

PLACE_NAMES, DIRECTION_NAMES = list(PLACES), list(DIRECTIONS)


@dataclass(frozen=True)
class Held:
    """Which factors of a clip are drawn from what training never shows. None of them: a clip of the training kind."""
    pairs: bool = False             # colour and shape; four objects in five, as long as there are held-out pairs left
    codes: bool = False             # what every card says
    fonts: bool = False             # the face of every card
    textures: bool = False          # the background of every scene


@dataclass(slots=True)
class Thing:
    """A coloured shape at one of five places, still or moving; or a card with three characters."""
    color: int                      # index into COLORS
    shape: int | None = None        # index into SHAPES; None for a card
    text: str | None = None         # a card's three digits, three letters or word
    place: str | None = None        # key of PLACES; where a moving thing would stand if it stood still
    motion: str | None = None       # key of DIRECTIONS; None stands still
    size: float = 0.0               # half extent in pixels
    font: int = 0
    angle: float = 0.0              # radians

    @property
    def is_card(self):
        return self.text is not None

    @property
    def name(self):
        return f"{COLORS[self.color]} {'card' if self.text is not None else SHAPES[self.shape]}"


@dataclass(slots=True)
class Scene:
    """Frames start ..< start + length show the same things on the same background."""
    start: int
    length: int
    things: list[Thing] = field(default_factory=list)
    texture: int = 0
    dark: tuple[float, float, float] | None = None      # RGB where the texture is 0
    light: tuple[float, float, float] | None = None     # RGB where the texture is 1
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
    lengths, free, total, seen, used = [], frames - len(kinds), sum(weights), 0.0, 0
    for w in weights:
        seen += w
        upto = round(free * seen / total)
        lengths.append(1 + upto - used)
        used = upto
    return lengths


def clip_scenes(R, frames, held=Held(), card_share=0.22):
    """The scenes of a clip of `frames` distinct frames, drawn from the random.Random `R`.

    No colour-shape pair and no card colour comes twice, but for one shape and one colour that are kept for two things
    of their own, so that "which color is the star" has cause in long clips too.
    """
    kinds, weights = scene_kinds(R, frames, card_share)
    lengths = scene_lengths(R, frames, kinds, weights)
    kept_color, kept_shape = int(R.random() * 8), int(R.random() * 8)
    pairs = [p for p in TRAINING_PAIRS if p[0] != kept_color and p[1] != kept_shape]
    held_pairs = [p for p in HELD_PAIRS if p[0] != kept_color and p[1] != kept_shape] if held.pairs else []
    R.shuffle(pairs)
    R.shuffle(held_pairs)
    if R.random() < 0.4:                            # many things of one colour or shape: something to count
        axis, value = int(R.random() * 2), int(R.random() * 8)
        pairs.sort(key=lambda p: R.random() + (p[axis] == value))
    card_colors = [c for c in range(8) if c != kept_color]
    R.shuffle(card_colors)

    scenes, start = [], 0
    for kind, length in zip(kinds, lengths):
        things = []
        if kind == "card" and card_colors:
            things.append(card(R, card_colors, held))
        elif kind != "empty":                       # a card without a colour left becomes an object
            things = objects(R, length, pairs, held_pairs)
        scenes.append(Scene(start, length, things, *scenery(R, held)))
        start += length
    give_kept(R, [t for s in scenes for t in s.things if not t.is_card], kept_color, kept_shape, held)
    return scenes


def give_kept(R, shown, color, shape, held):
    """One thing gets the kept shape, another one the kept colour."""
    R.shuffle(shown)
    if shown:
        shown[0].color, shown[0].shape = pick_pair(R, [(c, shape) for c in range(8) if c != color], held)
    if len(shown) > 1:
        shown[1].color, shown[1].shape = pick_pair(R, [(color, s) for s in range(8) if s != shape], held)


def pick_pair(R, pairs, held):
    """A pair for training, or the held-out one among `pairs` if there is one and it is wanted."""
    wanted = [p for p in pairs if is_held_pair(*p)] if held.pairs else []
    return R.choice(wanted or [p for p in pairs if not is_held_pair(*p)])


def card_text(R, held=False):
    """Three digits (55 %), a word (25 %) or three random letters (20 %), from the held-out texts or from the others."""
    u = R.random()
    if u < 0.8:
        return R.choice(CODES["number" if u < 0.55 else "word", held])
    while True:
        text = "".join(R.choices(CAPITALS, k=3))
        if is_held_code(text) == held and text not in WORD_SET:
            return text


def card(R, colors, held=Held()):
    """A card of a colour that is taken from the end of `colors`."""
    font = FONTS - 1 - int(R.random() * HELD_FONTS) if held.fonts else int(R.random() * (FONTS - HELD_FONTS))
    return Thing(colors.pop(), text=card_text(R, held.codes), font=font, angle=R.uniform(-0.06, 0.06))


def objects(R, length, pairs, held_pairs):
    """One to three objects at different places; a lone one may move when its scene has three frames or more."""
    count = 1 if R.random() < 0.62 else R.choice((2, 3))
    things = []
    for place in R.sample(PLACE_NAMES, count):
        if held_pairs and (not pairs or R.random() < 0.8):
            color, shape = held_pairs.pop()
        elif pairs:
            color, shape = pairs.pop()
        else:
            continue
        motion = None
        if count == 1 and length >= 3 and R.random() < 0.6:
            motion = R.choice(DIRECTION_NAMES)
        size = R.uniform(13, 19) if count > 1 else R.uniform(13, 24)
        things.append(Thing(color, shape, place=place, motion=motion, size=size, angle=R.uniform(-0.15, 0.15)))
    return things


def scenery(R, held=Held()):
    """Texture, its two colours, origin and movement of a background, in the order of Scene's fields."""
    if held.textures:
        texture = TEXTURES - 1 - int(R.random() * HELD_TEXTURES)
    else:
        texture = int(R.random() * (TEXTURES - HELD_TEXTURES))
    origin, pan = (int(R.random() * SIDE), int(R.random() * SIDE)), (R.choice((0, 0, 1, -2)), R.choice((0, 0, 1)))
    return texture, background(R, 1.5, 0.12), background(R, 1.0, 0.15), origin, pan


def background(R, power, tint):
    """A dark grey with a little colour, so that every object stands out from it."""
    grey = R.random() ** power * 0.5
    return grey + tint * R.random(), grey + tint * R.random(), grey + tint * R.random()
