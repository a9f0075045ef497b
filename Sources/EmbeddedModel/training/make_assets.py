#!/usr/bin/env python3
"""Draws assets.npz: python3 make_assets.py OUT.npz     (NumPy, SciPy, Pillow, Debian's fonts-dejavu)

atlas [8 shapes + 4 fonts x 36 glyphs, 96, 96] float16: signed distance to the outline, positive inside, in units of the
half extent. tex [96, 112, 112] uint8: plain, gradient, clouds (twice), checker and stripes in turn.
"""
import sys
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt

from vocabulary import GLYPHS, SHAPES, SIDE, TEXTURES

SIZE, SCALE = 96, 4
CANVAS = SIZE * SCALE
FONTS = "/usr/share/fonts/truetype/dejavu/DejaVu{}.ttf"
FACES = ["Sans-Bold", "Sans", "Serif-Bold", "SansMono-Bold"]


def signed_distance(image):
    inside = np.asarray(image) > 127
    distance = distance_transform_edt(inside) - distance_transform_edt(~inside)
    return distance.reshape(SIZE, SCALE, SIZE, SCALE).mean((1, 3)) / (CANVAS / 2)


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


def draw_glyph(glyph, font):
    image = Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), glyph, font=font)
    draw.text(((CANVAS - right - left) / 2, (CANVAS - bottom - top) / 2), glyph, font=font, fill=255)
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
    for face in FACES:
        font = ImageFont.truetype(FONTS.format(face), 400)
        images += [draw_glyph(glyph, font) for glyph in GLYPHS]
    rng = np.random.RandomState(0)
    textures = [draw_texture(i, rng) for i in range(TEXTURES)]
    np.savez_compressed(out, atlas=np.stack([signed_distance(i) for i in images]).astype(np.float16),
                        tex=(np.stack(textures) * 255).astype(np.uint8))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
