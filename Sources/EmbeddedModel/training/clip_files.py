"""Video files to be: how a clip of a set is drawn and encoded, settled before a pixel is there."""
import dataclasses
import os
import random

from scenes import Held, clip_scenes
from vocabulary import COLORS, SHAPES, is_held_pair

SIZES = [(224, 224), (256, 256), (336, 336), (448, 448), (480, 480),
         (320, 240), (426, 240), (640, 360), (480, 384), (240, 320), (270, 480)]
RATES = ["5", "8", "10", "12.5", "15", "24000/1001", "25", "30"]
COPIES = [1, 1, 1, 2, 3]
# Suffix of the file, ffmpeg's arguments, qualities. The clips take turns.
CODECS = [
    ("mp4", "-c:v libx264 -preset veryfast -crf {q} -movflags +faststart", (20, 24, 28)),
    ("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 6 -b:v 0 -crf {q}", (26, 31, 36)),
    ("mp4", "-c:v mpeg4 -bf 2 -q:v {q}", (3, 4, 6)),
    ("mkv", "-c:v libx264 -preset faster -profile:v main -g 30 -crf {q}", (20, 24, 28)),
    ("mp4", "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error:pools=none:frame-threads=1"
            " -crf {q}", (20, 24, 28)),
    ("webm", "-c:v libvpx -deadline realtime -cpu-used 4 -auto-alt-ref 0 -b:v 3M -crf {q}", (8, 12, 18)),
    ("mov", "-c:v libx264 -preset superfast -bf 0 -g 12 -crf {q}", (20, 24, 28)),
]


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video file to be. It shows `frames` distinct frames, each `copies` times over."""
    name: str                                   # below the folder of its length
    seed: str
    frames: int
    held: Held
    copies: int
    rate: str                                   # frames per second
    size: tuple[int, int]                       # width and height in pixels
    codec: str                                  # ffmpeg's arguments
    look: str = "plain"                         # or blank, shuffled

    def scenes(self):
        """The generator of the clip's pixels, and the scenes that it drew first."""
        R = random.Random(self.seed)
        return R, clip_scenes(R, self.frames, self.held)

    def like(self, look):
        """This clip, blank or shuffled, in a file of its own."""
        stem, suffix = os.path.splitext(self.name)
        return dataclasses.replace(self, name=f"{stem}_{look}{suffix}", look=look)


def plan_clip(seed, name, frames, held, number):
    R = random.Random(seed + "/file")
    suffix, codec, qualities = CODECS[number % len(CODECS)]
    return Clip(f"clips/{name}.{suffix}", seed, frames, held, R.choice(COPIES), R.choice(RATES), R.choice(SIZES),
                codec.format(q=R.choice(qualities)))


def shows_held_pair(clip):
    """Not all objects are of held-out pairs, and a short clip may happen to show none."""
    return any(not t.is_card and is_held_pair(t.color, t.shape) for scene in clip.scenes()[1] for t in scene.things)


def program(clip):
    """What a clip is and shows, in plain words: the truth that its answers are read off."""
    shown = [{"frames": [scene.start, scene.start + scene.length], "texture": scene.texture,
              "things": [{"color": COLORS[t.color],
                          **({"text": t.text, "font": t.font} if t.is_card else
                             {"shape": SHAPES[t.shape], "place": t.place, "motion": t.motion})}
                         for t in scene.things]}
             for scene in clip.scenes()[1]]
    return {**dataclasses.asdict(clip), "scenes": shown}
