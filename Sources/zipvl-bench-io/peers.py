"""Compares `zipvl-bench-io sample` with other frame readers on the same files.

    python3 peers.py FOLDER|VIDEO... --ours .build/release/zipvl-bench-io --table
    python3 peers.py FOLDER --quick --ours ...

FOLDER is what `make_speed_videos.sh` makes. Every reader takes N frames at SIDE x SIDE, evenly spaced by
index, in a process of its own (`peer_readers.py`); a round runs all of them on a file before the next
begins, each round in another order, and the median counts. CPU is user and system time. The frames that
come back are compared with a full decode (`peer_truth.py`): a reader is correct on a file if every frame is
the one asked for. Prints JSON lines and, with `--table`, Markdown.

Neither the start of a process nor its imports count, for ours as for the others: a worker starts its sampling
child once for all its videos. The rows `ours_child_...` start a child for the one video, and there the start,
the pipe and the shared memory count; the peak memory is that child's. Of the others it is the reader's process,
libraries that it imports included.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata

import numpy as np

from peer_readers import READERS, uniform
from peer_truth import Truth

CORPUS = [
    "h264_1080_gop250_4m.mp4", "h264_1080_gop250_60m.mp4", "h264_720_gop30_5m.mp4",
    "h264_720_gop30_5m.ts", "hevc_1080_gop250_2m.mp4", "vp9_720_gop128_2m.webm",
    "av1_720_gop160_2m.mp4", "mpeg4_720_gop240_2m.avi", "bigbuckbunny.mp4", "bikes.mp4",
]
SQUASH = ["--resize", "swscale", "--geometry", "squash"]
CROP = ["--resize", "pillow", "--geometry", "crop"]
OURS = {
    "ours_squash_t1": [*SQUASH, "--threads", "1"],
    "ours_squash_t2": [*SQUASH, "--threads", "2"],
    "ours_crop_t1": [*CROP, "--threads", "1"],
    "ours_crop_t2": [*CROP, "--threads", "2"],
    "ours_child_squash_t1": [*SQUASH, "--threads", "1", "--child"],
    "ours_child_crop_t2": [*CROP, "--threads", "2", "--child"],
}
# What the first table compares with the best peers: fixed, whatever turns out the better.
OUR_CPU, OUR_WALL, OUR_CROP = "ours_squash_t1", "ours_squash_t2", "ours_crop_t1"
QUICK_FILES = ["h264_720_gop30_5m.mp4", "bigbuckbunny.mp4", "bikes.mp4"]
QUICK_PEERS = ["torchcodec_exact", "torchcodec_approx_par2", "decord2_t2", "video_reader_rs",
               "pyav_seek_auto2"]
SEQUENTIAL = ["pyav_seq_auto2", "opencv_seq", "ffmpeg_select"]


def reason_to_skip(name, total):
    if name in SEQUENTIAL and total > 20_000:
        return f"reads all {total} frames"
    if name == "pyav_seq_auto2" and total > 1000:
        return "for short clips; opencv_seq reads the same frames"
    if name == "opencv_seek" and total <= 5000:
        return "for long files; opencv_seq is quicker"
    if name == "ffmpeg_ss_par2" and total > 20_000:
        return "a process for each frame, each of which reads the whole index"
    return None


def run(command, limit):
    """The last line of output as JSON, or what went wrong."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return {"error": f"over {limit:g} s"}
    if process.returncode < 0:
        return {"error": f"died of {signal.Signals(-process.returncode).name}"}
    lines = output.decode(errors="replace").strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        return {"error": f"exit status {process.returncode} and no result"}


class Comparison:
    def __init__(self, options):
        self.options = options
        self.reader = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                    "peer_readers.py")]
        self.frames_file = os.path.join(options.scratch, "frames.npy")

    def available(self, names):
        """The readers that load; says which do not and why."""
        found = []
        for name in names:
            answer = run([*self.reader, name, "-", "1", "48", "-"], 120)
            why = answer.get("missing") or answer.get("error")
            if why:
                print(json.dumps({"peer": name, "missing": why}), flush=True)
            else:
                found.append(name)
        return found

    def once(self, name, path):
        if os.path.exists(self.frames_file):
            os.remove(self.frames_file)
        count, side = self.options.frames, self.options.side
        if name not in OURS:
            arguments = [name, path, str(count), str(side), self.frames_file]
            return run([*self.reader, *arguments], self.options.limit)
        line = run([self.options.ours, "sample", path, "--frames", str(count), "--side", str(side),
                    "--runs", "1", "--time-limit", str(int(self.options.limit)),
                    "--dump", self.frames_file, *OURS[name]], self.options.limit + 10)
        if line.get("error"):
            error = line["error"]
            if isinstance(error, dict):
                error = f"{error['code']}: {error['message']}"
            return {"error": error}
        memory = {"peak_mb": line["child_peak_bytes"] / 2**20} if line["child"] else {}
        return {"total": line["total_frames"], "cpu_s": line["cpu_ms"] / 1e3,
                "wall_s": line["wall_ms"] / 1e3, **memory, "packets_read": line["packets_read"], "frames_decoded": line["frames_decoded"],
                "frames_needed": line["frames_needed"], "shown": line["frame_index"]}

    def delivered(self, name):
        """[N, SIDE, SIDE, 3]"""
        side = self.options.side
        if name in OURS:
            return np.fromfile(self.frames_file, np.uint8).reshape(-1, side, side, 3)
        return np.load(self.frames_file)

    def check(self, name, result, truth):
        """Adds how many frames are wrong. Those of a crop show other parts of the picture: there the
        indices count that the sampler states."""
        wanted = uniform(truth.total, self.options.frames)
        if name in OURS and "crop" in OURS[name]:
            pairs = zip(result["shown"], wanted)
            result["wrong"] = sum(shown != asked for shown, asked in pairs)
        else:
            rows = result.get("rows", range(len(wanted)))
            result.update(truth.judge(self.delivered(name), rows, wanted))
        result.pop("shown", None)
        result.pop("rows", None)

    def file(self, path, names):
        truth = Truth(path, self.options.truth)
        runs = {name: [] for name in names}
        ended = {}
        for name in names:
            why = reason_to_skip(name, truth.total)
            if why and not (self.options.peers and name in self.options.peers):
                ended[name] = {"skipped": why}
        for turn in range(self.options.runs):
            start = turn * len(names) // self.options.runs
            for name in names[start:] + names[:start]:
                if name in ended:
                    continue
                result = self.once(name, path)
                if "error" in result or "missing" in result:
                    ended[name] = result
                else:
                    self.check(name, result, truth)
                    runs[name].append(result)
                told = {key: round(value, 2) if isinstance(value, float) else value
                        for key, value in result.items()}
                print(f"{os.path.basename(path)} {turn + 1} {name} {told}", file=sys.stderr)
        rows = []
        for name in names:
            row = {"file": os.path.basename(path), "peer": name, "frames": self.options.frames}
            rows.append(row | (ended[name] if name in ended else summary(runs[name])))
            print(json.dumps(rows[-1]), flush=True)
        return rows


def summary(results):
    row = {"runs": len(results), **results[0]}
    for key in [key for key in ["cpu_s", "wall_s", "peak_mb"] if key in results[0]]:
        row[key] = round(statistics.median(each[key] for each in results), 3)
    for key in ["wrong", "unclear"]:
        if key in row:
            row[key] = max(each[key] for each in results)
    return row


def headline(rows):
    """Ours against the best of the correct peers, or None if ours did not run."""
    by_name = {row["peer"]: row for row in rows if "cpu_s" in row}
    correct = [row for row in by_name.values() if row["wrong"] == 0 and row["peer"] not in OURS]
    if OUR_CPU not in by_name or OUR_WALL not in by_name:
        return None
    line = {"file": rows[0]["file"], "ours_cpu_s": by_name[OUR_CPU]["cpu_s"],
            "ours_wall_s": by_name[OUR_WALL]["wall_s"],
            "ours_wall_of_cpu": by_name[OUR_WALL]["wall_s"] / by_name[OUR_WALL]["cpu_s"],
            "ours_peak_mb": max((row["peak_mb"] for name, row in by_name.items()
                                 if name in OURS and "peak_mb" in row), default=0),
            "ours_wrong": max(row["wrong"] for name, row in by_name.items() if name in OURS),
            "frames_decoded": by_name[OUR_CPU]["frames_decoded"],
            "frames_needed": by_name[OUR_CPU]["frames_needed"]}
    for what, key, ours in [("cpu", "cpu_s", OUR_CPU), ("wall", "wall_s", OUR_WALL)]:
        best = min(correct, key=lambda row: row[key], default=None)
        if best:
            line[f"best_{what}_peer"] = best["peer"]
            line[f"best_{what}_s"] = best[key]
            line[f"{what}_ratio"] = best[key] / by_name[ours][key]
            if what == "cpu" and OUR_CROP in by_name:
                line["crop_cpu_s"] = by_name[OUR_CROP]["cpu_s"]
                line["crop_cpu_ratio"] = best[key] / by_name[OUR_CROP]["cpu_s"]
    return {key: round(value, 3) if isinstance(value, float) else value
            for key, value in line.items()}


def first_table(lines):
    print("| file | CPU s, 1 thread | best correct peer | its CPU s | ratio | at the model's crop "
          "| wall s, 2 threads | best correct peer | its wall s | ratio | decoded / needed "
          "| peak MB |")
    print("|---" * 12 + "|")
    for line in lines:
        if "cpu_ratio" not in line:
            print(f"| {line['file']} | {line['ours_cpu_s']:.2f} | none | | | "
                  f"| {line['ours_wall_s']:.2f} | none | | | {line['frames_decoded']} / "
                  f"{line['frames_needed']} | {line['ours_peak_mb']:.0f} |")
            continue
        wrong = f" ({line['ours_wrong']} wrong)" if line["ours_wrong"] else ""
        crop = (f"{line['crop_cpu_s']:.2f} ({line['crop_cpu_ratio']:.2f}x)"
                if "crop_cpu_s" in line else "")
        print(f"| {line['file']}{wrong} | {line['ours_cpu_s']:.2f} | {line['best_cpu_peer']} "
              f"| {line['best_cpu_s']:.2f} | **{line['cpu_ratio']:.2f}x** | {crop} "
              f"| {line['ours_wall_s']:.2f} | {line['best_wall_peer']} "
              f"| {line['best_wall_s']:.2f} | {line['wall_ratio']:.2f}x "
              f"| {line['frames_decoded']} / {line['frames_needed']} "
              f"| {line['ours_peak_mb']:.0f} |")


def second_table(names, files, lines):
    ours = {line["file"]: line["ours_cpu_s"] for line in lines}
    print("\nCPU s / wall s (CPU against ours); wrong = frames that are not the asked ones; unclear = "
          "nearer to another frame, but not clearly: a coarse scaler\n")
    print("| reader | " + " | ".join(rows[0]["file"] for rows in files) + " |")
    print("|---" * (len(files) + 1) + "|")
    for name in names:
        cells = []
        for rows in files:
            row = next(row for row in rows if row["peer"] == name)
            if "cpu_s" in row:
                cell = f"{row['cpu_s']:.2f} / {row['wall_s']:.2f}"
                if row["file"] in ours:
                    cell += f" ({row['cpu_s'] / ours[row['file']]:.2f}x)"
                if row["wrong"]:
                    cell += f" **{row['wrong']} wrong**"
                elif row.get("unclear"):
                    cell += f" {row['unclear']} unclear"
            else:
                cell = "–" if "skipped" in row else row["error"].split(":")[0]
            cells.append(cell)
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nPeak memory, MB\n")
    print("| reader | " + " | ".join(rows[0]["file"] for rows in files) + " |")
    print("|---" * (len(files) + 1) + "|")
    for name in names:
        found = [next(row for row in rows if row["peer"] == name) for rows in files]
        cells = [f"{row['peak_mb']:.0f}" if "peak_mb" in row else "–" for row in found]
        print(f"| {name} | " + " | ".join(cells) + " |")


def versions():
    found = {}
    for name in ["torch", "torchcodec", "av", "opencv-python-headless", "video_reader-rs", "numpy"]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    for folder in ["decord06", "decord2"]:
        place = os.path.join(sys.prefix, folder)
        for each in metadata.distributions(path=[place]):
            found[each.metadata["Name"]] = each.version
    try:
        text = subprocess.run(["ffmpeg", "-version"], stdout=subprocess.PIPE, text=True).stdout
        found["ffmpeg"] = text.split()[2]
    except (OSError, IndexError):
        pass
    return found


def paths(places, quick):
    for place in places:
        if os.path.isdir(place):
            for name in QUICK_FILES if quick else CORPUS:
                path = os.path.join(place, name)
                if os.path.exists(path):
                    yield path
                else:
                    print(json.dumps({"file": name, "missing": "not in the folder"}), flush=True)
        else:
            yield place


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("places", nargs="+", metavar="FOLDER|VIDEO")
    parser.add_argument("--ours", default=".build/release/zipvl-bench-io")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--side", type=int, default=336, help="a multiple of 48")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120, help="seconds for one call")
    parser.add_argument("--peers", help="names with commas; those named are never skipped")
    parser.add_argument("--truth", default=".cache/peer-truth", help="keeps the reference decodes")
    parser.add_argument("--truth-only", action="store_true", help="only decode the references")
    parser.add_argument("--quick", action="store_true", help="three files, five peers")
    parser.add_argument("--table", action="store_true", help="Markdown at the end")
    options = parser.parse_args()
    names = options.peers.split(",") if options.peers else (
        QUICK_PEERS if options.quick else list(READERS))
    unknown = [name for name in names if name not in READERS]
    if unknown:
        parser.error(f"--peers are {', '.join(READERS)}; found {', '.join(unknown)}")
    videos = list(paths(options.places, options.quick))
    if options.truth_only:
        for path in videos:
            print(json.dumps({"file": os.path.basename(path),
                              "total": Truth(path, options.truth).total}), flush=True)
        return
    start = time.monotonic()
    print(json.dumps({"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
                      "versions": versions()}), flush=True)
    files, lines = [], []
    with tempfile.TemporaryDirectory() as options.scratch:
        comparison = Comparison(options)
        names = [*OURS, *comparison.available(names)]
        for path in videos:
            try:
                files.append(comparison.file(path, names))
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                print(json.dumps({"file": os.path.basename(path), "error": str(error)}), flush=True)
                continue
            line = headline(files[-1])
            if line:
                lines.append(line)
                print(json.dumps(line), flush=True)
    print(json.dumps({"seconds": round(time.monotonic() - start)}), flush=True)
    if options.table and files:
        print()
        first_table(lines)
        second_table(names, files, lines)


if __name__ == "__main__":
    main()
