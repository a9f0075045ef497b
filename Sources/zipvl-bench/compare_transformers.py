"""LongVA-7B's shape in Hugging Face transformers and in zipvl-bench, on one machine, in turns.

    python3 compare_transformers.py --bench zipvl-bench --device cuda:0

Both run on random weights, which they make themselves. A round is: transformers, zipvl-bench, transformers again; the
table compares medians over all rounds. transformers runs eagerly in its default ways: attention `sdpa`, logits of the
last token alone, a DynamicCache. Decoding is also timed with FlashAttention-2 forced, because cuDNN, which `sdpa` picks on
recent GPUs, makes a plan for every length. Works with transformers from 4.46 to 5.
"""

import argparse
import contextlib
import inspect
import json
import statistics
import subprocess
import sys
import time

import torch
import transformers
from transformers import CLIPVisionConfig, CLIPVisionModel, DynamicCache, Qwen2Config, Qwen2ForCausalLM

SHAPES = {
    "longva-7b": {
        "text": dict(
            hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
            num_key_value_heads=4, vocab_size=152064),
        # 23 of the tower's 24 layers are used.
        "vision": dict(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16,
            image_size=336, patch_size=14),
    },
    "tiny": {
        "text": dict(
            hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=16384),
        "vision": dict(
            hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
            image_size=112, patch_size=14),
    },
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bench", required=True, help="the program zipvl-bench")
    parser.add_argument("--shape", default="longva-7b", choices=SHAPES)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--tokens", default="9256,18472", help="prompt lengths")
    parser.add_argument("--frames", default="64,128", help="frames for the vision tower; empty leaves it out")
    parser.add_argument("--batch", type=int, default=64, help="frames that go through the tower together")
    parser.add_argument("--decode", default="18472", help="contexts to decode after; empty leaves it out")
    parser.add_argument("--new-tokens", type=int, default=32, help="decoded tokens of each run")
    parser.add_argument("--ratio", default="0.421", help="share that zipvl keeps")
    parser.add_argument("--methods", default="full,zipvl,zipvl:ffn=kept,fastv")
    parser.add_argument("--weights", default="as-is", help="of zipvl-bench: as-is,fp8")
    parser.add_argument("--runs", type=int, default=3, help="measured runs in each turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bench-arguments", default="", help="further arguments of every call of zipvl-bench")
    parser.add_argument("--json", help="file that gets all figures")
    return parser.parse_args()


def numbers(text):
    return [int(part) for part in text.split(",") if part]


class Clock:
    """Milliseconds from an idle device to an idle device."""

    def __init__(self, device):
        self.device = device

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def time(self, body):
        self.wait()
        start = time.perf_counter()
        result = body()
        self.wait()
        return (time.perf_counter() - start) * 1000, result


class Peer:
    """Qwen2 and CLIP of transformers with random weights, and LongVA's projector."""

    def __init__(self, options):
        self.device = torch.device(options.device)
        self.dtype = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        self.clock = Clock(self.device)
        self.options = options
        shape = SHAPES[options.shape]
        torch.manual_seed(0)
        torch.set_default_dtype(self.dtype)
        with self.device:
            config = Qwen2Config(max_position_embeddings=1 << 18, tie_word_embeddings=False, **shape["text"])
            config._attn_implementation = "sdpa"
            self.model = Qwen2ForCausalLM(config).eval()
            vision = CLIPVisionConfig(hidden_act="quick_gelu", **shape["vision"])
            vision._attn_implementation = "sdpa"
            self.tower = CLIPVisionModel(vision).eval()
            wide, deep = vision.hidden_size, config.hidden_size
            self.projector = torch.nn.Sequential(
                torch.nn.Linear(wide, deep), torch.nn.GELU(), torch.nn.Linear(deep, deep))
        self.grid = vision.image_size // vision.patch_size
        self.side = vision.image_size
        self.hidden = config.hidden_size
        # The name changed between the versions.
        known = inspect.signature(Qwen2ForCausalLM.forward).parameters
        self.last = {"logits_to_keep" if "logits_to_keep" in known else "num_logits_to_keep": 1}

    def prefill(self, count):
        embeddings = torch.rand(1, count, self.hidden, device=self.device) * 2 - 1
        return self.model(
            inputs_embeds=embeddings, past_key_values=DynamicCache(), use_cache=True, **self.last)

    def time_prefill(self, count):
        self.reset_peak()
        milliseconds, output = self.clock.time(lambda: self.prefill(count))
        del output
        return milliseconds, self.peak()

    def time_vision(self, count):
        pixels = torch.randn(count, 3, self.side, self.side, device=self.device)

        def body():
            parts = []
            for part in pixels.split(self.options.batch):
                hidden = self.tower(pixel_values=part).last_hidden_state  # the class token first
                features = self.projector(hidden[:, 1:])
                cells = features.unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
                parts.append(torch.nn.functional.avg_pool2d(cells, 2).flatten(2).transpose(1, 2))
            return torch.cat(parts)

        return self.clock.time(body)[0]

    def time_decode(self, count, flash):
        """Milliseconds a token, greedy, after a prompt of `count` tokens."""
        output = self.prefill(count)
        cache = output.past_key_values
        token = output.logits[:, -1:].argmax(-1)

        def body():
            nonlocal token
            for _ in range(self.options.new_tokens):
                step = self.model(input_ids=token, past_key_values=cache, use_cache=True)
                token = step.logits[:, -1:].argmax(-1)
                token.item()  # what a stopping rule reads

        with flash_attention() if flash else contextlib.nullcontext():
            return self.clock.time(body)[0] / self.options.new_tokens

    def reset_peak(self):
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self):
        return torch.cuda.max_memory_allocated(self.device) / 2**30 if self.device.type == "cuda" else None

    def release(self):
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def flash_attention():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.FLASH_ATTENTION)


def measure_peer(peer, options, figures, warm):
    """Appends this turn's runs; the first ones only warm up where `warm`."""
    with torch.inference_mode():
        for count in numbers(options.tokens):
            for run in range(options.runs + warm):
                milliseconds, peak = peer.time_prefill(count)
                if run >= warm:
                    figures.setdefault(("prefill", count), []).append(milliseconds)
                    figures.setdefault(("peak", count), []).append(peak)
        for count in numbers(options.frames):
            for run in range(options.runs + warm):
                milliseconds = peer.time_vision(count)
                if run >= warm:
                    figures.setdefault(("vision", count), []).append(milliseconds)
        for count in numbers(options.decode):
            for flash in [False] + [True] * (peer.device.type == "cuda"):
                figures.setdefault(("decode", count, flash), []).append(peer.time_decode(count, flash))
    peer.release()


def run_bench(options, *command):
    words = [options.bench, *command, "--device", options.device, *options.bench_arguments.split()]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def measure_ours(options):
    common = ["--shape", options.shape, "--random"]
    lines = []
    if options.tokens:
        lines += run_bench(
            options, "prefill", *common, "--tokens", options.tokens, "--methods", options.methods,
            "--weights", options.weights, "--plant-ratio", options.ratio, "--runs", str(options.runs),
            "--no-check")
    if options.frames:
        lines += run_bench(
            options, "vision", *common, "--frames", options.frames, "--weights", options.weights,
            "--runs", str(options.runs), "--no-check")
    if options.decode:
        lines += run_bench(
            options, "decode", *common, "--contexts", options.decode, "--weights", options.weights,
            "--steps", str(options.new_tokens), "--runs", str(options.runs), "--no-plain")
    return lines


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, peer, ours, unit="ms"):
        if not peer or not ours:
            return
        self.rows.append((what, f"{peer:.1f} {unit}", f"{ours:.1f} {unit}", f"{peer / ours:.2f}"))

    def markdown(self):
        head = ("", "transformers", "zipvl-bench", "times as fast")
        lines = ["| " + " | ".join(head) + " |", "|---|---:|---:|---:|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])


def table(options, figures, lines):
    result = Table()

    def ours(value, **wanted):
        """The best median of a round's lines, so that batch sizes do not matter; over rounds the median."""
        found = [
            [line[value] for line in turn if all(line.get(key) == want for key, want in wanted.items())]
            for turn in lines]
        return median([min(values) for values in found if values])

    for count in numbers(options.tokens):
        for method in options.methods.split(","):
            for weights in options.weights.split(","):
                result.add(
                    f"prefill {count} tokens, {method}, {weights}", median(figures[("prefill", count)]),
                    ours("prefill_ms_median", benchmark="prefill", tokens=count, method=method, weights=weights))
    for count in numbers(options.frames):
        for weights in options.weights.split(","):
            result.add(
                f"vision {count} frames, {weights}", median(figures[("vision", count)]),
                ours("vision_ms_median", benchmark="vision", frames=count, weights=weights))
    for count in numbers(options.decode):
        for flash in (False, True):
            for weights in options.weights.split(","):
                result.add(
                    f"decode after {count} tokens, {weights}" + (" (transformers with FlashAttention-2)" if flash else ""),
                    median(figures.get(("decode", count, flash), [])),
                    ours("ms_per_token_median", benchmark="decode", context=count, batch=1, weights=weights),
                    "ms a token")
    return result.markdown()


def main():
    options = arguments()
    peer = Peer(options)
    figures, lines = {}, []
    for turn in range(options.rounds):
        measure_peer(peer, options, figures, warm=1)
        lines.append(measure_ours(options))
        measure_peer(peer, options, figures, warm=1)
    name = torch.cuda.get_device_name(peer.device) if peer.device.type == "cuda" else "cpu"
    print(f"{options.shape} on {name}, torch {torch.__version__}, transformers {transformers.__version__}, {peer.dtype}")
    print()
    print(table(options, figures, lines))
    for count in numbers(options.tokens):
        peak = median(figures[("peak", count)])
        if peak:
            print(f"\ntransformers, peak of allocated memory at {count} tokens: {peak:.1f} GiB", end="")
    print()
    if options.json:
        with open(options.json, "w") as file:
            peers = {" ".join(map(str, key)): values for key, values in figures.items()}
            json.dump({"transformers": peers, "zipvl_bench": lines}, file, indent=1)


if __name__ == "__main__":
    main()
