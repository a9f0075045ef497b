"""Writes methods.safetensors and methods.json beside a checkpoint: what method_oracle.py computes.

Reads the committed checkpoint and its expected.safetensors; neither is changed. method_draws.json
holds, for each checkpoint and case, the number that gives the order of the frames and the seed.
"""
import json
import os

import torch
from safetensors.torch import load_file, save_file

import method_oracle
from method_cases import cases_of, frame_order
from method_vision import class_attention
from zipvl_oracle import Decoder

HERE = os.path.dirname(os.path.abspath(__file__))
DRAWS = os.path.join(HERE, "method_draws.json")
STEPS = 8
# Float32 in another order of sums must not be able to turn a decision round.
LEAST = {"lead": 3e-3, "slack": 1e-3, "gap": 2e-4}
# Without the option that a case is about, the logits differ by this share or the answer differs.
SHOWS = 1e-2


class Checkpoint:
    """A tiny checkpoint with its question, ready for method_oracle.run."""

    def __init__(self, folder, w, case, pixels_and_tower):
        self.name, self.c = os.path.basename(folder), case["c"]
        with open(os.path.join(folder, "expected.json"), encoding="utf-8") as f:
            self.facts = json.load(f)
        self.expected = load_file(os.path.join(folder, "expected.safetensors"))
        self.decoder = Decoder(w, case["c"], case["theta"])
        prompt = self.expected["prompt_ids"]
        first = self.facts["prefix_tokens"]
        embed = w["model.embed_tokens.weight"]
        self.text = embed[prompt[:first]], embed[prompt[first + self.facts["visual_tokens"]:]]
        v, frames = case["v"], self.expected["frames"]
        pixels, tower = pixels_and_tower(frames.numpy())
        self.attention = class_attention(tower, pixels, v["image"] // v["patch"])
        self.tokens = self.expected["visual_tokens"].view(len(frames), -1, self.c["hidden"])

    def run(self, options, repeats, number, steps=STEPS):
        order = frame_order(self.facts["frames"], repeats, number)
        video = self.tokens[order].flatten(0, 1), self.tokens.shape[1], self.attention[order]
        return method_oracle.run(
            self.decoder, options | {"seed": number}, self.text, video, steps,
            self.facts["tokenizer_count"])

    def check_oracle(self):
        """The oracle without a method is the stock model, with ZipVL it is zipvl_oracle.py."""
        out, _, _ = self.run(dict(method="full"), 1, 0)
        assert torch.allclose(out["prefill_logits"], self.expected["prefill_logits"], rtol=1e-4,
                              atol=1e-4), "full is not the stock model"
        out, _, _ = self.run(dict(method="zipvl", tau=0.9), 1, 0)
        for layer in range(self.c["layers"]):
            for kind in ("kept", "probe_rows"):
                key = f"{kind}.{layer}"
                assert out[key].tolist() == self.expected["zipvl.0.9." + key].tolist(), key
        ids = self.expected["zipvl.0.9.greedy_ids"].tolist()
        assert out["greedy_ids"].tolist() == ids[:STEPS], "zipvl decodes other tokens"


def problem(checkpoint, options, contrast, repeats, number):
    """The result of a case, and why this draw cannot be used (None if it can)."""
    out, margins, share = result = checkpoint.run(options, repeats, number)
    for kind, least in LEAST.items():
        if margins.get(kind, least) < least:
            return result, f"{kind} {margins[kind]:.1e}"
    other, _, _ = checkpoint.run(options | contrast, repeats, number)
    logits = out["prefill_logits"]
    distance = (logits - other["prefill_logits"]).abs().max() / logits.abs().max()
    if distance < SHOWS and out["greedy_ids"].tolist() == other["greedy_ids"].tolist():
        return result, f"shows nothing ({distance:.1e})"
    return result, None


def search(checkpoint, tries=200):
    """Finds a draw for every case of a checkpoint and stores it."""
    with open(DRAWS, encoding="utf-8") as f:
        draws = json.load(f)
    found = {}
    cases = enumerate(cases_of(checkpoint.name, checkpoint.c))
    for index, (key, options, contrast, repeats) in cases:
        reasons = []
        for number in range(index, index + tries):
            (_, margins, share), reason = problem(checkpoint, options, contrast, repeats, number)
            if reason is None:
                found[key] = number
                print(checkpoint.name, key, number, [round(s, 3) for s in share], flush=True)
                break
            reasons.append(reason)
        else:
            print(checkpoint.name, key, "NO DRAW", reasons[:12], flush=True)
    draws[checkpoint.name] = found
    with open(DRAWS, "w", encoding="utf-8") as f:
        json.dump(dict(sorted(draws.items())), f, indent=1)
        f.write("\n")


def write(folder, checkpoint):
    checkpoint.check_oracle()
    with open(DRAWS, encoding="utf-8") as f:
        draws = json.load(f)[checkpoint.name]
    tensors, listed = {}, []
    for key, options, contrast, repeats in cases_of(checkpoint.name, checkpoint.c):
        if key not in draws:
            continue
        number = draws[key]
        (out, margins, share), reason = problem(checkpoint, options, contrast, repeats, number)
        assert reason is None, f"{checkpoint.name} {key}: {reason}"
        tensors |= {f"{key}/{name}": t.contiguous() for name, t in out.items()}
        tensors[f"{key}/frames"] = torch.tensor(
            frame_order(checkpoint.facts["frames"], repeats, number))
        listed.append({
            "name": key, "options": options | {"seed": number},
            "kept_share": [round(s, 4) for s in share],
            "margins": {kind: float(f"{x:.2e}") for kind, x in sorted(margins.items())}})
    save_file(dict(sorted(tensors.items())), os.path.join(folder, "methods.safetensors"))
    return {"layers": checkpoint.c["layers"], "heads": checkpoint.c["heads"], "cases": listed}
