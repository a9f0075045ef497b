"""Frames to video files and pictures, through the ffmpeg program."""
import subprocess

import numpy as np

from vocabulary import SIDE


def ffmpeg(frames, rate, width, height, convert, output):
    """Frames [count, rows, columns, 3] uint8, enlarged to width x height, to what the arguments `output` say."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
               "-s", f"{frames.shape[2]}x{frames.shape[1]}", "-r", str(rate), "-i", "pipe:0",
               "-vf", f"scale={width}:{height}:flags=bicubic{convert}", "-threads", "1", *output]
    subprocess.run(command, input=np.ascontiguousarray(frames).tobytes(), check=True)


def encode(frames, path, rate, width, height, codec):
    """A video in BT.601 limited range, tagged as such where the format can say so. `codec`: ffmpeg's arguments."""
    colors = "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range tv".split()
    ffmpeg(frames, rate, width, height, ":out_color_matrix=bt601:out_range=tv,format=yuv420p",
           [*codec, *colors, "-bitexact", "-fflags", "+bitexact", path])


def write_png(frame, path, side):
    ffmpeg(frame[None], 1, side, side, ",format=rgb24",
           ["-frames:v", "1", "-c:v", "png", "-pred", "mixed", "-compression_level", "100", "-bitexact", path])


def canvas(width, height):
    """Columns and rows in the generator's pixels of a picture whose shorter edge is SIDE of them."""
    short = min(width, height)
    return round(SIDE * width / short), round(SIDE * height / short)


def widened(layers, columns, rows, draw):
    """Frames [count, rows, columns, 3] whose centre SIDE x SIDE is what `draw(layers)` gives.

    A background repeats every SIDE pixels, so the margins are the same drawing with everything on it moved.
    """
    axis, extent = (2, columns) if columns > rows else (1, rows)
    if extent == SIDE:
        return draw(layers)
    assert min(columns, rows) == SIDE and extent <= 3 * SIDE
    tiles = []
    for tile in (-1, 0, 1):
        moved = layers.copy()
        moved[:, :, 3 - axis] -= tile * SIDE         # column 1 of a layer is its x, column 2 its y
        tiles.append(draw(moved))
    left = (3 * SIDE - extent) // 2
    return np.concatenate(tiles, axis=axis).take(range(left, left + extent), axis=axis)
