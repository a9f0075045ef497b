"""Times one question about one video in the Swift engine and in PyTorch, and weighs the shipped program.

    python compare_speed.py VIDEO --question "What colour is the star?" [--frames 64] [--rounds 5] [--runs 3]

The frames are those that `zipvl-batch ask` sampled. In each round PyTorch (stock transformers, eager mode, float32:
`reference_model.py`, with both attention kernels and two batch sizes of the tower) and `zipvl-bench video` answer
`--runs` times about them, one after the other, after one answer each to warm up. A round's figure is the median of
its runs, a printed one the median over rounds, in milliseconds:

    vision    bytes of the frames to visual tokens (PyTorch's projector included)
    prefill   prompt to first-token logits
    generate  greedy decoding to the end token
    total     the three of each run together

Then `zipvl-batch ask` itself, a process each: `after_decoding_ms` is its whole wall time less the decoding, so that
start, libtorch and weights are in it; `peak_mib` adds the peaks of the program and of its sampling child.

Prints JSON lines; the last one holds the ratios and whether the targets are met (exit status 1 when not): the engine
takes no longer than the fastest PyTorch, an answer stands within 3 s after decoding, memory stays under 1 GB. It also
says how many cores other programs kept busy (`others_busy_cores`): above some 0.1 no time here means anything, and the
ratios flatter the engine, whose idle threads sleep where PyTorch's spin.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from safetensors.torch import load_file

import reference_model
from compare_engines import ENGINE

STAGES = ("vision", "prefill", "generate", "total")
MOST_SECONDS, MOST_BYTES = 3.0, 10**9


class PyTorch:
    """One way to run the reference."""

    def __init__(self, model, attention, vision_batch):
        self.name = f"pytorch {attention}, {vision_batch or 'all'} frames at a time"
        self.model = reference_model.ReferenceModel(model, attention, vision_batch)

    def run(self, frames, question):
        """Milliseconds by stage, and the answer."""
        marks = [time.perf_counter()]
        visual = self.model.visual_tokens(self.model.features(frames))
        marks.append(time.perf_counter())
        logits, cache, _ = self.model.prefill(visual, question)
        marks.append(time.perf_counter())
        text = self.model.tokenizer.decode(self.model.generate(logits, cache)).strip()
        marks.append(time.perf_counter())
        spans = [1e3 * (b - a) for a, b in zip(marks, marks[1:])]
        return dict(zip(STAGES, [*spans, sum(spans)])), text

    def round(self, frames, question, runs):
        """Medians by stage of `runs` answers after one to warm up."""
        self.run(frames, question)
        answers = [self.run(frames, question) for _ in range(runs)]
        return {stage: statistics.median(times[stage] for times, _ in answers) for stage in STAGES}, answers[-1][1]


class Engine:
    """`zipvl-bench video`, a process a round."""

    def __init__(self, program, model, frames_file, environment, method):
        self.name = f"zipvl-bench {method}"
        self.method, self.environment = method, environment
        self.command = [program, "video", "--model", model, "--frames-file", frames_file, "--max-new-tokens", "64",
                        "--tau", "" if method == "full" else "0.975"]

    def round(self, _, question, runs):
        command = [*self.command, "--question", question, "--runs", str(runs)]
        lines = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout
        [line] = [row for row in map(json.loads, lines.splitlines()) if row["method"] == self.method]
        return {stage: line[f"{stage}_ms_median"] for stage in STAGES}, line["answer"]


def peak_bytes(process, peaks):
    """Raises `peaks` {pid: bytes} to the VmHWM of a process and its children. Polled, because the program resets its
    own peak before it answers."""
    def text(path):
        try:
            with open(path, encoding="ascii") as file:
                return file.read()
        except OSError:     # it has ended meanwhile
            return ""

    # Each thread has its own list of children.
    children = " ".join(map(text, glob.glob(f"/proc/{process}/task/*/children"))).split()
    for member in [process, *map(int, children)]:
        for line in text(f"/proc/{member}/status").splitlines():
            if line.startswith("VmHWM:"):
                peaks[member] = max(peaks.get(member, 0), int(line.split()[1]) << 10)


def ask(arguments, model, environment, method, extra=()):
    """One run of the shipped program: its JSON line, wall milliseconds, and the peaks of its processes in bytes."""
    command = [arguments.engine, "ask", arguments.video, "--question", arguments.question, "--frames",
               str(arguments.frames), "--method", method, "--model", model, "--device", "cpu", "--json", *extra]
    peaks, start = {}, time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            peak_bytes(process.pid, peaks)
            time.sleep(0.005)
        wall = 1e3 * (time.perf_counter() - start)
        told = process.stdout.read()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}")
    return json.loads(told.splitlines()[-1]), wall, peaks


class OtherWork:
    """How many cores other programs kept busy since it was made."""

    def __init__(self):
        self.start, self.busy = time.perf_counter(), self._busy()

    @staticmethod
    def _busy():
        """Core seconds of the whole machine less those of this program and of what it started and waited for."""
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, interrupt, soft, steal = map(int, file.readline().split()[1:9])
        ticks = user + nice + system + interrupt + soft + steal
        return ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])

    def cores(self):
        return (self._busy() - self.busy) / (time.perf_counter() - self.start)


def measure_ask(arguments, model, environment, method):
    answers = [ask(arguments, model, environment, method) for _ in range(arguments.rounds)]
    median = statistics.median
    return {
        "benchmark": "ask", "method": method, "runs": len(answers), "frames": answers[0][0]["frames_used"],
        "answer": answers[0][0]["answer"], "wall_ms_median": median(wall for _, wall, _ in answers),
        **{f"{stage}_ms_median": median(told[f"{stage}_ms"] for told, _, _ in answers) for stage in STAGES[:3]},
        "decode_ms_median": median(told["decode_video_ms"] for told, _, _ in answers),
        "after_decoding_ms_median": median(wall - told["decode_video_ms"] for told, wall, _ in answers),
        "after_decoding_ms_max": max(wall - told["decode_video_ms"] for told, wall, _ in answers),
        "peak_mib": max(sum(peaks.values()) for _, _, peaks in answers) / 2**20,
        "largest_process_mib": max(max(peaks.values()) for _, _, peaks in answers) / 2**20,
    }


def alternate(contestants, frames, question, rounds, runs):
    """Every contestant in every round. One JSON line each."""
    found = {one.name: [] for one in contestants}
    answers = {}
    for number in range(rounds):
        # Every other round backwards: nobody always comes after the same neighbour.
        for one in contestants if number % 2 == 0 else contestants[::-1]:
            times, answers[one.name] = one.round(frames, question, runs)
            found[one.name].append(times)
    for one in contestants:
        medians = {f"{s}_ms_median": statistics.median(times[s] for times in found[one.name]) for s in STAGES}
        totals = [times["total"] for times in found[one.name]]
        yield {"benchmark": "answer", "engine": one.name, "answer": answers[one.name], "frames": len(frames),
               "rounds": rounds, "runs": runs, **medians, "total_ms_min": min(totals), "total_ms_max": max(totals)}


def ratios(lines):
    """The engine's medians over those of the PyTorch with the smallest total, both from this run."""
    ours = next(line for line in lines if line["engine"] == "zipvl-bench full")
    peer = min((line for line in lines if line["engine"].startswith("pytorch")), key=lambda l: l["total_ms_median"])
    return peer["engine"], {stage: ours[f"{stage}_ms_median"] / peer[f"{stage}_ms_median"] for stage in STAGES}


def main():
    parser = argparse.ArgumentParser(description="Times the Swift engine beside PyTorch.")
    parser.add_argument("video")
    parser.add_argument("--question", required=True)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3, help="answers of each contestant in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=reference_model.MODEL)
    parser.add_argument("--engine", default=ENGINE, help="zipvl-batch; zipvl-bench is looked for beside it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = os.path.abspath(arguments.model)
    bench = os.path.join(os.path.dirname(os.path.abspath(arguments.engine)), "zipvl-bench")
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory() as folder:
        trace, raw = os.path.join(folder, "trace.safetensors"), os.path.join(folder, "frames.rgb")
        ask(arguments, model, environment, "full", ["--trace", trace])
        frames = load_file(trace)["frames"]
        frames.numpy().tofile(raw)
        others = OtherWork()
        contestants = [PyTorch(model, attention, batch) for attention in ("eager", "sdpa") for batch in (8, 0)]
        contestants += [Engine(bench, model, raw, environment, method) for method in ("full", "zipvl")]
        lines = list(alternate(contestants, frames, arguments.question, arguments.rounds, arguments.runs))
    for line in lines:
        print(json.dumps(line))
    asks = [measure_ask(arguments, model, environment, method) for method in ("full", "zipvl")]
    for line in asks:
        print(json.dumps(line))
    peer, ratio = ratios(lines)
    met = {
        "not_slower_than_pytorch": ratio["total"] <= 1,
        "answer_within_3_s": max(line["after_decoding_ms_median"] for line in asks) < 1e3 * MOST_SECONDS,
        "memory_under_1_gb": max(line["peak_mib"] for line in asks) * 2**20 < MOST_BYTES,
    }
    print(json.dumps({"peer": peer, **{f"{stage}_ratio": value for stage, value in ratio.items()}, "threads":
                      arguments.threads, "torch": torch.__version__, "others_busy_cores": others.cores(), **met}))
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
