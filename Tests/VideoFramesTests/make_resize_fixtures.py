#!/usr/bin/env python3
"""Makes Fixtures/resize.json with Pillow and Fixtures/indices.json with numpy.

The input pictures come from a formula that the tests repeat, and of the results only checksums (CRC-32) and one whole
small picture are kept. Made with Pillow 11-13 and numpy 1.26; any version gives the same files.
"""
import json
import os
import zlib

import numpy as np
from PIL import Image

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'Fixtures')

# width, height, side: shrinking, growing, one axis kept, both kept, portrait, odd, extreme.
CASES = [(640, 360, 336), (360, 640, 336), (1920, 1080, 336), (336, 336, 336), (597, 336, 336), (336, 500, 336),
         (100, 75, 336), (641, 361, 336), (337, 335, 56), (33, 1000, 56), (1000, 33, 56), (7, 5, 3), (64, 48, 12),
         (2, 2, 7), (1, 1, 4)]


def picture(width, height):
    """Gradients, an interference pattern and hard edges; [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = [(x * (7 + c) + y * (13 - c) + 50 * c ^ x * y) & 255 for c in range(3)]
    edges = ((x // 9 + y // 7) % 5 == 0)[..., None]
    return np.where(edges, 255, np.stack(planes, axis=-1)).astype(np.uint8)


def resized(width, height, side):
    short, long = min(width, height), max(width, height)
    other = int(side * long / short)
    size = (side, other) if width <= height else (other, side)
    image = np.asarray(Image.fromarray(picture(width, height)).resize(size, Image.Resampling.BICUBIC))
    top, left = (size[1] - side) // 2, (size[0] - side) // 2
    return np.ascontiguousarray(image[top:top + side, left:left + side])


cases = [{'width': w, 'height': h, 'side': s, 'crc32': zlib.crc32(resized(w, h, s).tobytes())} for w, h, s in CASES]
whole = {'width': 64, 'height': 48, 'side': 12, 'pixels': resized(64, 48, 12).flatten().tolist()}
with open(os.path.join(FOLDER, 'resize.json'), 'w') as file:
    json.dump({'cases': cases, 'whole': whole}, file)
    file.write('\n')

# total, count and the checksum of the indices as little-endian 32-bit integers.
totals = [*range(1, 400), 450, 999, 1000, 1001, 3600, 7201, 9000, 54321, 107892, 108000, 1000003]
counts = [1, 2, 3, 7, 8, 16, 31, 32, 63, 64, 65, 96, 128, 384]
rows = [[n, k, zlib.crc32(np.linspace(0, n - 1, k, dtype=int).astype('<i4').tobytes())] for n in totals for k in counts]
with open(os.path.join(FOLDER, 'indices.json'), 'w') as file:
    json.dump(rows, file, separators=(',', ':'))
    file.write('\n')
