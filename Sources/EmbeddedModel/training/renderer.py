"""Scenes to pixels, with NumPy alone. Shapes and glyphs are signed distance fields from assets.npz."""
import os

import numpy as np

from vocabulary import DIRECTIONS, GLYPHS, MAX_LAYERS, PLACES, RGB, SHAPES, SIDE

ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "assets.npz")
LUMA = np.array([0.3, 0.59, 0.11], np.float32)


def place_layers(R, scenes, frames):
    """Layers and backgrounds of each frame.

    layers [frames, MAX_LAYERS, 9]: index in the atlas (-1: nothing), centre x y, half extents x y, angle, RGB.
    backgrounds [frames, 9]: texture, offset x y, RGB where it is dark, RGB where it is light.
    """
    layers = np.zeros((frames, MAX_LAYERS, 9), np.float32)
    layers[:, :, 0] = -1
    layers[:, :, 3:5] = 1
    backgrounds = np.zeros((frames, 9), np.float32)
    for scene in scenes:
        span = slice(scene.start, scene.start + scene.length)
        tick = np.arange(scene.length, dtype=np.float32)
        backgrounds[span, 0] = scene.texture
        backgrounds[span, 1] = scene.origin[0] + tick * scene.pan[0]
        backgrounds[span, 2] = scene.origin[1] + tick * scene.pan[1]
        backgrounds[span, 3:6], backgrounds[span, 6:9] = scene.dark, scene.light
        for row, thing in enumerate(scene.things):
            shade = RGB[thing.color] * R.uniform(0.88, 1.06)
            color = np.clip(shade + np.array([R.uniform(-0.04, 0.04) for _ in range(3)], np.float32), 0, 1)
            if thing.is_card:
                place_card(R, layers[span], thing, color)
            else:
                place_object(R, layers[span, row], thing, color, tick)
    return layers, backgrounds


def place_object(R, layer, thing, color, tick):
    x, y = PLACES[thing.place]
    x, y = x + R.uniform(-6, 6), y + R.uniform(-6, 6)
    xs, ys = np.full(len(tick), x, np.float32), np.full(len(tick), y, np.float32)
    if thing.motion:
        dx, dy = DIRECTIONS[thing.motion]
        way = R.uniform(0.75, 1) * min(64.0, 20.0 * (len(tick) - 1))     # pixels from first to last frame
        phase = tick / (len(tick) - 1) - 0.5
        if dx:
            xs = SIDE / 2 + R.uniform(-3, 3) + dx * way * phase
        else:
            ys = SIDE / 2 + R.uniform(-3, 3) + dy * way * phase
    layer[:, 0], layer[:, 1], layer[:, 2] = thing.shape, xs, ys
    layer[:, 3] = layer[:, 4] = thing.size
    layer[:, 5], layer[:, 6:9] = thing.angle, color


def place_card(R, layers, thing, color):
    x, y, zoom = SIDE / 2 + R.uniform(-8, 8), SIDE / 2 + R.uniform(-18, 18), R.uniform(0.92, 1.05)
    layers[:, 0] = np.array([SHAPES.index("square"), x, y, 46 * zoom, 24 * zoom, 0, *color], np.float32)
    ink = 0.05 if color @ LUMA > 0.42 else 0.95
    for i, glyph in enumerate(thing.text):
        index = len(SHAPES) + thing.font * len(GLYPHS) + GLYPHS.index(glyph)
        layers[:, 1 + i] = np.array([index, x + (i - 1) * 25 * zoom, y, 15 * zoom, 15 * zoom, thing.angle,
                                     ink, ink, ink], np.float32)


def camera(R):
    """What a camera adds, one draw per clip: gain, offset, noise (standard deviation), blurred or not."""
    return R.uniform(0.85, 1.15), R.uniform(-0.04, 0.08), R.uniform(0, 0.05), R.random() < 0.35


class Renderer:
    def __init__(self, path=ASSETS):
        with np.load(path) as assets:
            self.atlas = assets["atlas"].astype(np.float32)              # [8 shapes + 14 fonts x 36 glyphs, S, S]
            self.textures = assets["tex"].astype(np.float32) / 255       # [96, SIDE, SIDE]

    def draw(self, layers, background):
        """One frame, layers [MAX_LAYERS, 9] over background [9], as RGB [SIDE, SIDE, 3] before the camera."""
        grid = np.arange(SIDE, dtype=np.float32)
        x = ((grid + background[1]).astype(np.int64) % SIDE)[None, :]
        y = ((grid + background[2]).astype(np.int64) % SIDE)[:, None]
        texture = self.textures[int(background[0])][y, x][:, :, None]
        image = background[3:6] * (1 - texture) + background[6:9] * texture
        size = self.atlas.shape[-1]
        for index, cx, cy, sx, sy, angle, *rgb in layers:
            if index < 0:
                continue
            dx, dy = grid[None, :] + np.float32(0.5) - cx, grid[:, None] + np.float32(0.5) - cy
            u = (np.cos(angle) * dx + np.sin(angle) * dy) / sx
            v = (np.cos(angle) * dy - np.sin(angle) * dx) / sy
            column = ((u + 1) * (size / 2)).astype(np.int64).clip(0, size - 1)
            line = ((v + 1) * (size / 2)).astype(np.int64).clip(0, size - 1)
            distance = self.atlas[int(index)][line, column]
            alpha = (0.5 + distance * min(sx, sy)).clip(0, 1)
            alpha = np.where((abs(u) <= 1) & (abs(v) <= 1), alpha, 0)[:, :, None]
            image = image * (1 - alpha) + np.array(rgb, np.float32) * alpha
        return image.astype(np.float32)

    def clip(self, layers, backgrounds, gain, offset, noise, blurred, rng):
        """All frames as a camera would have them, uint8 [frames, SIDE, SIDE, 3]; `rng` is a numpy Generator."""
        frames = np.stack([self.draw(l, b) for l, b in zip(layers, backgrounds)])
        frames = (frames - 0.3) * gain + 0.3 + offset
        if blurred:
            frames = box_blur(frames)
        frames = frames + rng.standard_normal(frames.shape, np.float32) * noise
        return (frames.clip(0, 1) * 255).round().astype(np.uint8)


def box_blur(frames):
    """Mean of the 3 x 3 neighbours that lie inside the frame."""
    total, seen = np.zeros_like(frames), np.zeros((SIDE, SIDE, 1), np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            to = slice(max(0, -dy), SIDE - max(0, dy)), slice(max(0, -dx), SIDE - max(0, dx))
            of = slice(max(0, dy), SIDE + min(0, dy)), slice(max(0, dx), SIDE + min(0, dx))
            total[:, to[0], to[1]] += frames[:, of[0], of[1]]
            seen[to] += 1
    return total / seen
