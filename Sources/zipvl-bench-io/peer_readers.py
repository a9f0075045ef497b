"""Reads N frames of a video with one library and prints what it cost; `peers.py` starts it.

    python3 peer_readers.py NAME VIDEO N SIDE FRAMES.npy

Every reader gets one process. Its modules are loaded before the clock starts; opening the file, counting
its frames, seeking, decoding and resizing to SIDE x SIDE (the aspect ratio ignored) count. The frames
[N, SIDE, SIDE, 3] are written after the clock has stopped. Readers ask for the frames
`np.linspace(0, total - 1, N).astype(int)` of the total that they themselves report.
"""
import ctypes
import glob
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def uniform(total, count):
    return np.linspace(0, total - 1, count).astype(int).tolist()


# Each of these loads its modules and returns a function (path, count, side) -> (total, frames), where a
# frame that did not come is None.

def torchcodec(mode, decoders=1):
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    def open_video(path, side):
        # One thread for each decoder, which is the library's default.
        return VideoDecoder(path, seek_mode=mode, num_ffmpeg_threads=1, dimension_order="NHWC",
                            transforms=[Resize((side, side))])

    def read(path, count, side):
        video = open_video(path, side)
        total = len(video)
        wanted = uniform(total, count)
        if decoders == 1:
            return total, video.get_frames_at(indices=wanted).data.numpy()
        parts = [part.tolist() for part in np.array_split(wanted, decoders) if len(part)]
        videos = [video] + [None] * (len(parts) - 1)

        def one(i):
            own = videos[i] or open_video(path, side)
            return own.get_frames_at(indices=parts[i]).data.numpy()

        with ThreadPoolExecutor(len(parts)) as pool:
            return total, np.concatenate(list(pool.map(one, range(len(parts)))))
    return read


def decord(folder, threads):
    # Two distributions share the module's name: each is installed in a folder of its own.
    place = os.path.join(sys.prefix, folder)
    if not os.path.isdir(place):
        raise ImportError(f"{folder} is not installed in {place}")
    sys.path.insert(0, place)
    module = importlib.import_module("decord")

    def read(path, count, side):
        video = module.VideoReader(path, ctx=module.cpu(0), width=side, height=side,
                                   num_threads=threads)
        return len(video), video.get_batch(uniform(len(video), count)).asnumpy()
    return read


def pyav(way, threads):
    import av

    def opened(path):
        container = av.open(path)
        stream = container.streams.video[0]
        if threads > 1:
            stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        # The stream's own count, else by its duration, else by the container's.
        total = stream.frames
        if not total and stream.duration:
            total = round(stream.duration * stream.time_base * stream.average_rate)
        if not total:
            total = round(container.duration / av.time_base * float(stream.average_rate))
        return container, stream, total

    def small(frame, side):
        return frame.reformat(width=side, height=side, format="rgb24").to_ndarray()

    def seek(path, count, side):
        container, stream, total = opened(path)
        step = 1 / (stream.average_rate * stream.time_base)
        frames = []
        frame = None
        for index in uniform(total, count):
            target = (stream.start_time or 0) + index * step
            # Up to two seconds ahead it reads on.
            if frame is None or target - frame.pts > 2 / stream.time_base:
                container.seek(int(target), stream=stream)
                decoded = container.decode(stream)
                frame = next(decoded, None)
            while frame is not None and (frame.pts is None or frame.pts < target - step / 2):
                frame = next(decoded, None)
            frames.append(None if frame is None else small(frame, side))
        container.close()
        return total, frames

    def sequential(path, count, side):
        container, stream, total = opened(path)
        wanted = uniform(total, count)
        frames = []
        for index, frame in enumerate(container.decode(stream)):
            while len(frames) < count and wanted[len(frames)] == index:
                frames.append(small(frame, side))
            if len(frames) == count:
                break
        container.close()
        return total, frames
    return {"seek": seek, "sequential": sequential}[way]


def opencv(way):
    import cv2

    def small(picture, side):
        return cv2.cvtColor(cv2.resize(picture, (side, side)), cv2.COLOR_BGR2RGB)

    def opened(path):
        video = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        if not video.isOpened():
            raise RuntimeError("not opened")
        return video, int(video.get(cv2.CAP_PROP_FRAME_COUNT))

    def sequential(path, count, side):
        video, total = opened(path)
        wanted = uniform(total, count)
        frames = []
        index = 0
        while len(frames) < count and video.grab():
            if wanted[len(frames)] == index:
                good, picture = video.retrieve()
                while good and len(frames) < count and wanted[len(frames)] == index:
                    frames.append(small(picture, side))
            index += 1
        return total, frames

    def seek(path, count, side):
        video, total = opened(path)
        frames = []
        following = 0
        for index in uniform(total, count):
            if index != following:
                video.set(cv2.CAP_PROP_POS_FRAMES, index)
            following = index + 1
            good, picture = video.read()
            frames.append(small(picture, side) if good else None)
        return total, frames
    return {"seek": seek, "sequential": sequential}[way]


def video_reader():
    # The wheel's libraries do not find this one of theirs by themselves.
    for folder in sys.path:
        for library in glob.glob(os.path.join(folder, "video_reader_rs.libs", "libsharpyuv*")):
            ctypes.CDLL(library)
    module = importlib.import_module("video_reader")

    def read(path, count, side):
        video = module.PyVideoReader(path, target_width=side, target_height=side)
        total = video.get_shape()[0]
        return total, video.get_batch(uniform(total, count))
    return read


def ffmpeg(way):
    global peak_of_children
    peaks = []

    def output(command, size=None):
        """What the command prints; of frames, all that are whole."""
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            parts = []
            while part := process.stdout.read(size or -1):
                parts.append(part)
                peaks.append(peak_megabytes(process.pid))
        return [part for part in parts if len(part) == size] if size else b"".join(parts).decode()

    def facts(path):
        # A transport stream lists its streams twice.
        line = output(["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
                       "-show_entries", "stream=avg_frame_rate,nb_read_packets", "-of",
                       "csv=p=0", path]).split()[0]
        rate, total = line.strip(",").split(",")[:2]
        above, below = rate.split("/")
        return int(total), float(above) / float(below)

    def call(before, path, filters, side, count):
        return output(["ffmpeg", "-v", "error", "-nostdin", *before, "-i", path, "-map", "0:v:0",
                       "-vf", filters + f"scale={side}:{side}", "-fps_mode", "passthrough",
                       "-frames:v", str(count), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                      size=side * side * 3)

    def select(path, count, side):
        total, _ = facts(path)
        wanted = uniform(total, count)
        distinct = sorted(set(wanted))
        filters = "select='" + "+".join(f"eq(n\\,{i})" for i in distinct) + "',"
        parts = dict(zip(distinct, call([], path, filters, side, len(distinct))))
        return total, pictures(map(parts.get, wanted), side)

    def seek(path, count, side):
        total, rate = facts(path)

        def one(index):
            # A little early: what is before that time is dropped.
            before = ["-ss", f"{max(0, index - 0.25) / rate:.6f}"]
            found = call(before, path, "", side, 1)
            return found[0] if found else None

        with ThreadPoolExecutor(2) as pool:
            return total, pictures(pool.map(one, uniform(total, count)), side)

    def pictures(parts, side):
        return [part and np.frombuffer(part, np.uint8).reshape(side, side, 3) for part in parts]

    # As many of the processes as run at a time.
    peak_of_children = lambda: max(peaks, default=0) * (2 if way == "seek" else 1)
    return {"select": select, "seek": seek}[way]


READERS = {
    "torchcodec_exact": lambda: torchcodec("exact"),
    "torchcodec_approx": lambda: torchcodec("approximate"),
    "torchcodec_approx_par2": lambda: torchcodec("approximate", decoders=2),
    "decord06_t2": lambda: decord("decord06", threads=2),
    "decord2_t1": lambda: decord("decord2", threads=1),
    "decord2_t2": lambda: decord("decord2", threads=2),
    "video_reader_rs": video_reader,
    "pyav_seek_t1": lambda: pyav("seek", threads=1),
    "pyav_seek_auto2": lambda: pyav("seek", threads=2),
    "pyav_seq_auto2": lambda: pyav("sequential", threads=2),
    "opencv_seq": lambda: opencv("sequential"),
    "opencv_seek": lambda: opencv("seek"),
    "ffmpeg_select": lambda: ffmpeg("select"),
    "ffmpeg_ss_par2": lambda: ffmpeg("seek"),
}


def peak_of_children():
    """Megabytes of the processes that a reader starts, where it does."""
    return 0


def peak_megabytes(process="self"):
    """Highest resident size. Not from getrusage, whose figure a process inherits over exec."""
    try:
        with open(f"/proc/{process}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def processor_seconds():
    used = [resource.getrusage(who)
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main():
    name, path, count, side, frames_file = sys.argv[1:]
    count, side = int(count), int(side)
    try:
        read = READERS[name]()
    except (ImportError, OSError, RuntimeError) as error:
        print(json.dumps({"missing": f"{type(error).__name__}: {error}"}))
        return
    if path == "-":  # only whether the modules load
        print(json.dumps({}))
        return
    cpu, wall = processor_seconds(), time.perf_counter()
    try:
        total, frames = read(path, count, side)
    except Exception as error:  # whatever a library raises is its result
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(json.dumps({"error": text.replace(path, os.path.basename(path))[:200]}))
        return
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu
    peak = peak_megabytes() + peak_of_children()
    rows = [row for row, frame in enumerate(frames) if frame is not None]
    np.save(frames_file, np.array([frames[row] for row in rows], np.uint8)
            .reshape(-1, side, side, 3))
    print(json.dumps({"total": int(total), "cpu_s": cpu, "wall_s": wall, "peak_mb": peak,
                      "rows": rows}))


if __name__ == "__main__":
    main()
    # Some of the libraries hang or crash when their threads are taken down with the interpreter.
    sys.stdout.flush()
    os._exit(0)
