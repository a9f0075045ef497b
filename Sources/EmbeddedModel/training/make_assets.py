#!/usr/bin/env python3
"""Draws assets.npz: python3 make_assets.py OUT.npz     (NumPy, SciPy, Pillow and the Debian packages in FACES)

atlas [8 shapes + 14 fonts x 36 glyphs, 64, 64] float16: signed distance to the outline, positive inside, in units of
the half extent; beyond REACH it says REACH, since an edge is drawn one pixel wide. tex [96, 112, 112] uint8: plain,
gradient, clouds (twice), checker and stripes in turn.
"""
import sys
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from vocabulary import FONTS, GLYPHS, SHAPES, SIDE, TEXTURES

SIZE, SCALE = 64, 6
CANVAS = SIZE * SCALE
CAPITAL, WIDEST = 0.74, 0.82    # height of an H and width of the widest glyph, in tiles
REACH, STEPS = 0.125, 2048      # distances are rounded to 1 / STEPS: they compress far better so
FOLDER = "/usr/share/fonts/"
# Files, and the package and licence of each. The last three are held out: families that no other face is of.
FACES = [
    "truetype/dejavu/DejaVuSans-Bold.ttf",                          # fonts-dejavu-core, Bitstream Vera
    "truetype/dejavu/DejaVuSans.ttf",                               # the same
    "truetype/dejavu/DejaVuSerif-Bold.ttf",                         # the same
    "truetype/dejavu/DejaVuSansMono-Bold.ttf",                      # the same
    "truetype/open-sans/OpenSans-Regular.ttf",                      # fonts-open-sans, Apache 2.0
    "truetype/roboto/unhinted/RobotoTTF/Roboto-Bold.ttf",           # fonts-roboto-unhinted, Apache 2.0
    "truetype/lato/Lato-Regular.ttf",                               # fonts-lato, OFL 1.1
    "truetype/crosextra/Caladea-Regular.ttf",                       # fonts-crosextra-caladea, OFL 1.1
    "opentype/comic-neue/ComicNeue-Bold.otf",                       # fonts-comic-neue, OFL 1.1
    "truetype/quicksand/Quicksand-Bold.ttf",                        # fonts-quicksand, OFL 1.1
    "truetype/jetbrains-mono/JetBrainsMono-Regular.ttf",            # fonts-jetbrains-mono, Apache 2.0
    "opentype/cabin/Cabin-Bold.otf",                                # fonts-cabin, OFL 1.1
    "truetype/croscore/Tinos-Bold.ttf",                             # fonts-croscore, OFL 1.1
    "truetype/inconsolata/Inconsolata.otf",                          # fonts-inconsolata, OFL 1.0
]


def signed_distance(image):
    inside = np.asarray(image) > 127
    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    distance = distance.reshape(SIZE, SCALE, SIZE, SCALE).mean((1, 3)) / (CANVAS / 2)
    return (distance.clip(-REACH, REACH) * STEPS).round() / STEPS


def box(draw, x0, y0, x1, y1, ellipse=False, fill=255):
    """Corners in -1 ... 1."""
    corners = [CANVAS / 2 * (1 + v) for v in (x0, y0, x1, y1)]
    (draw.ellipse if ellipse else draw.rectangle)(corners, fill=fill)


def polygon(draw, points):
    draw.polygon([(CANVAS / 2 * (1 + x), CANVAS / 2 * (1 + y)) for x, y in points], fill=255)


def draw_shape(name):
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    if name == "circle":
        box(draw, -0.92, -0.92, 0.92, 0.92, ellipse=True)
    elif name == "square":
        box(draw, -0.92, -0.92, 0.92, 0.92)
    elif name == "triangle":
        polygon(draw, [(0, -0.95), (0.95, 0.85), (-0.95, 0.85)])
    elif name == "star":
        radii = [0.96, 0.4] * 5
        polygon(draw, [(r * sin(i * pi / 5), -r * cos(i * pi / 5)) for i, r in enumerate(radii)])
    elif name == "heart":
        polygon(draw, [(16 * sin(t) ** 3 / 17,
                        -(13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 17 - 0.05)
                       for t in np.linspace(0, 2 * pi, 200)])
    elif name == "ring":
        box(draw, -0.92, -0.92, 0.92, 0.92, ellipse=True)
        box(draw, -0.5, -0.5, 0.5, 0.5, ellipse=True, fill=0)
    elif name == "cross":
        box(draw, -0.95, -0.3, 0.95, 0.3)
        box(draw, -0.3, -0.95, 0.3, 0.95)
    elif name == "diamond":
        polygon(draw, [(0, -0.97), (0.68, 0), (0, 0.97), (-0.68, 0)])
    return image


def face(path):
    """The font at the size that gives its H the height CAPITAL."""
    _, top, _, bottom = ImageFont.truetype(FOLDER + path, 1000).getbbox("H")
    return ImageFont.truetype(FOLDER + path, round(1000 * CAPITAL * CANVAS / (bottom - top)))


def draw_glyph(glyph, font):
    """The glyph in the middle of the tile, squeezed if it is wider than its place on a card."""
    left, top, right, bottom = font.getbbox(glyph)
    drawn = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(drawn).text((-left, -top), glyph, font=font, fill=255)
    width, height = min(drawn.width, round(WIDEST * CANVAS)), min(drawn.height, CANVAS - 2 * SCALE)
    image = Image.new("L", (CANVAS, CANVAS))
    image.paste(drawn.resize((width, height)), ((CANVAS - width) // 2, (CANVAS - height) // 2))
    return image


def draw_texture(index, rng):
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    kind = index % 6
    if kind == 0:
        texture = np.zeros((SIDE, SIDE), np.float32)
    elif kind == 1:
        a = rng.rand() * 6.28
        texture = np.cos(a) * x + np.sin(a) * y
    elif kind in (2, 3):
        grain = rng.choice([4, 7, 14, 28])
        cells = Image.fromarray((rng.rand(grain, grain) * 255).astype(np.uint8))
        texture = np.asarray(cells.resize((SIDE, SIDE), Image.BICUBIC), np.float32)
    elif kind == 4:
        period = rng.choice([8, 14, 16, 28])
        texture = (x // period + y // period) % 2
    else:
        a = rng.rand() * 3.14
        texture = np.sin((np.cos(a) * x + np.sin(a) * y) * rng.uniform(0.15, 0.8))
    low, high = texture.min(), texture.max()
    return (texture - low) / (high - low) if high > low else texture


def main(out):
    images = [draw_shape(name) for name in SHAPES]
    assert len(FACES) == FONTS
    for path in FACES:
        font = face(path)
        images += [draw_glyph(glyph, font) for glyph in GLYPHS]
    rng = np.random.RandomState(0)
    textures = [draw_texture(i, rng) for i in range(TEXTURES)]
    np.savez_compressed(out, atlas=np.stack([signed_distance(i) for i in images]).astype(np.float16),
                        tex=(np.stack(textures) * 255).astype(np.uint8))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
