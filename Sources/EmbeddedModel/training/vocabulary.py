"""What the generated clips can show: colours, shapes, cards, places, directions, and what is held out of training."""
import numpy as np

from words import WORDS

SIDE = 112                # side of a frame in pixels
MAX_LAYERS = 5            # layers drawn over the background of a frame: three objects, or one card and its three glyphs

COLORS = ["red", "green", "blue", "yellow", "purple", "orange", "cyan", "white"]
RGB = np.array([[215, 35, 35], [35, 165, 55], [45, 80, 230], [240, 220, 45],
                [150, 55, 200], [245, 135, 25], [60, 210, 225], [240, 240, 240]], np.float32) / 255
SHAPES = ["circle", "square", "triangle", "star", "heart", "ring", "cross", "diamond"]
DIGITS, CAPITALS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GLYPHS = DIGITS + CAPITALS
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
PLACES = {"top left": (30, 30), "top right": (82, 30), "bottom left": (30, 82),
          "bottom right": (82, 82), "center": (56, 56)}

# Held out of training, so that a test can tell learning from remembering.
FONTS, HELD_FONTS = 14, 3           # the last 3 faces, each of a family of its own, are held out
TEXTURES, HELD_TEXTURES = 96, 16    # the last 16 textures are held out


def is_held_pair(color, shape):
    """One colour-shape pair of each colour and of each shape."""
    return (color + 3 * shape) % 8 == 0


def is_held_code(text):
    """About a tenth of all card texts of each sort."""
    return sum((i + 3) * ord(c) for i, c in enumerate(text)) * 7919 % 10 == 3


PAIRS = [(c, s) for c in range(8) for s in range(8)]
TRAINING_PAIRS = [p for p in PAIRS if not is_held_pair(*p)]
HELD_PAIRS = [p for p in PAIRS if is_held_pair(*p)]


def sort_of(text):
    """What a card shows: 'number', 'word' or 'letters'."""
    return "number" if text.isdigit() else "word" if text in WORD_SET else "letters"


WORD_SET = frozenset(WORDS)
NUMBERS = [f"{n:03d}" for n in range(1000)]
# Every number and word, by whether it is held out. The letters are too many to list: they are drawn until one fits.
CODES = {(sort, held): [t for t in texts if is_held_code(t) == held]
         for sort, texts in (("number", NUMBERS), ("word", WORDS)) for held in (False, True)}
