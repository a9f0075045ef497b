"""Says which frames of a video are in front of us, by comparison with all of its frames.

The reference is a full sequential decode by the ffmpeg command line, kept as small gray pictures. A frame
is known by its nearest neighbour among the reference frames around the one that was asked for.
"""
import os
import subprocess

import numpy as np

# Side of the gray pictures. A side of frames must be a multiple of it.
SMALL = 48
# Reference frames on either side of the asked one.
WINDOW = 300
# Files made by joining copies of another, whose frames they therefore repeat.
COPIES_OF = {"h264_1080_gop250_60m.mp4": "base1080.mp4"}


def decode_small(path):
    """[T, SMALL, SMALL] of all displayed frames."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v:0",
               "-vf", f"scale={SMALL}:{SMALL}:flags=area,format=gray", "-fps_mode", "passthrough",
               "-f", "rawvideo", "-"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, SMALL, SMALL)


def count_packets(path):
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
               "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path]
    text = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return int(text.split()[0].strip(","))


def shrink(frames):
    """[N, S, S, 3] to [N, SMALL, SMALL] gray."""
    count, side = frames.shape[:2]
    if side % SMALL:
        raise ValueError(f"expected frames of a side that is a multiple of {SMALL}, found {side}")
    step = side // SMALL
    gray = frames.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return gray.reshape(count, SMALL, step, SMALL, step).mean(axis=(2, 4))


class Truth:
    def __init__(self, path, folder):
        name = os.path.basename(path)
        base = os.path.join(os.path.dirname(path), COPIES_OF.get(name, name))
        os.makedirs(folder, exist_ok=True)
        facts = os.stat(base)
        kept = os.path.join(folder, f"{os.path.basename(base)}.{facts.st_size}.npy")
        if not os.path.exists(kept):
            np.save(kept + ".part.npy", decode_small(base))
            os.replace(kept + ".part.npy", kept)
        self.frames = np.load(kept, mmap_mode="r")
        self.total = len(self.frames) if base == path else count_packets(path)

    def around(self, index):
        """The indices near one, and their pictures [.., SMALL, SMALL]."""
        near = np.arange(max(0, index - WINDOW), min(self.total, index + WINDOW + 1))
        return near, self.frames[near % len(self.frames)].astype(np.float32)

    def judge(self, frames, rows, wanted):
        """How many of the indices `wanted` are not shown, where `frames` [K, S, S, 3] are those that came
        and `rows` their places in `wanted`.

        With A the asked reference frame, B the nearest and F the one delivered, F lies between them at
        t = (|F - A| - |F - B|) / |A - B|, -1 for A and +1 for B: a scaler or a colour matrix of another
        kind shifts F, but by as much against A as against B. A frame is wrong from t = 0.5 on and
        unclear between 0 and 0.5; where A and B are the same picture it is right.
        """
        wrong, unclear, offsets = 0, 0, []
        for small, asked in zip(shrink(frames), [wanted[row] for row in rows]):
            near, pictures = self.around(asked)
            # Brightness as a whole says nothing on which frame it is.
            change = small - pictures
            change -= change.mean(axis=(1, 2), keepdims=True)
            distance = np.abs(change).mean(axis=(1, 2))
            own, best = asked - near[0], int(distance.argmin())
            if best == own:
                continue
            between = pictures[own] - pictures[best]
            between = np.abs(between - between.mean()).mean()
            if between < 0.05:
                continue
            t = (distance[own] - distance[best]) / between
            if t >= 0.5:
                wrong += 1
                offsets.append(int(near[best] - asked))
            else:
                unclear += 1
        result = {"wrong": wrong + len(wanted) - len(rows), "unclear": unclear}
        if len(rows) != len(wanted):
            result["delivered"] = len(rows)
        if offsets:
            result["offsets"] = [min(offsets), max(offsets)]
        return result
