#!/usr/bin/env python3
"""Trains the embedded model by a phase of recipe.json.

    python3 train.py smoke --out DIR                                      50 steps on a CPU, a minute
    python3 train.py start --out DIR                                      seven minutes on one H200
    python3 -m torch.distributed.run --nproc-per-node 4 train.py long --init DIR --out DIR2

`remake.sh` runs what made the committed weights. Several GPUs average their gradients, and so does one with --accumulate:
four GPUs and one that accumulates four batches take the same steps on the same data.

Writes DIR/model (LongVA's layout), DIR/heads.pt (for the next phase), DIR/log.jsonl.
"""
import argparse
import json
import os
import time

import torch
import torch.distributed as distributed

import export
from feeder import Feeder
from losses import Learner
from model import LongVA, Shape
from optimizer import Muon

RECIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recipe.json")
LOG_EVERY = 100


def parse():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("phase", help="a phase of recipe.json")
    options.add_argument("--variant", help="of recipe.json; the phase's, else base")
    options.add_argument("--out", required=True, metavar="DIR")
    options.add_argument("--init", metavar="DIR", help="start from what an earlier phase wrote to DIR")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="a GPU")
    options.add_argument("--accumulate", type=int, default=1, help="batches a step")
    options.add_argument("--deadline", type=float, metavar="SECONDS",
                         help="bring the learning rate down to end by then; the data stay those of the steps")
    options.add_argument("--steps", type=int, help="instead of the recipe's")
    options.add_argument("--snapshots", type=float, metavar="SECONDS", help="write DIR/model this often")
    options.add_argument("--plain", action="store_true", help="do not compile")
    return options.parse_args()


def rate(progress, step, phase):
    """Share of the peak rates: a warm-up, then a straight decay to 0 over the phase's last part."""
    return min(1, (step + 1) / phase["warm_up"]) * min(1, max(0.003, (1 - progress) / phase["decay"]))


class Trainer:
    def __init__(self, options):
        with open(RECIPE, encoding="utf-8") as file:
            recipe = json.load(file)
        self.phase = recipe["phases"][options.phase]
        variant = recipe["variants"][options.variant or self.phase.get("variant", "base")]
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.batches = options.accumulate
        self.steps = options.steps or self.phase["steps"]
        self.options = options
        torch.manual_seed(options.seed)
        model = export.load(os.path.join(options.init, "model")) if options.init else LongVA(
            Shape(**variant.get("shape", {})))
        # Forked before anything touches a GPU.
        total = self.steps * self.batches * self.world
        self.feeder = Feeder(range(self.rank, total, self.world), total, self.phase,
                             f"train/{options.phase}/{options.seed}", model.shape.tokens, options.workers)
        self.device = torch.device("cpu")
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
            torch.set_float32_matmul_precision("high")
        if self.world > 1:
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        self.learner = Learner(model, variant.get("hidden_share", 0.0))
        if options.init and os.path.exists(os.path.join(options.init, "heads.pt")):
            self.learner.heads.load_state_dict(torch.load(os.path.join(options.init, "heads.pt"), weights_only=True))
        self.learner.to(self.device)
        if self.device.type == "cuda" and not options.plain:
            self.learner.compile()
        torch.manual_seed(options.seed * 1000 + self.rank)      # noise of the camera, its own on each GPU

        self.parameters = list(self.learner.parameters())
        matrices = [p for name, p in model.named_parameters()
                    if p.dim() == 2 and ("layers." in name or "mm_projector" in name)]
        chosen = {id(p) for p in matrices}
        self.others = [p for p in self.parameters if id(p) not in chosen]
        self.muon = Muon(matrices, self.phase["muon"])
        self.adam = torch.optim.AdamW(self.others, lr=self.phase["adam"], betas=(0.9, 0.95), weight_decay=0.0,
                                      fused=self.device.type == "cuda")
        self.average, self.updates = [p.detach().clone() for p in self.parameters], 0

    def run(self):
        begun, step, seen = time.monotonic(), 0, {}
        saved, frames, waited, lap = begun, 0, 0.0, begun
        batches, steps = iter(self.feeder), self.steps
        self.learner.train()
        while step < steps:
            elapsed = time.monotonic() - begun
            progress = step / steps
            if self.options.deadline:
                progress = max(progress, self.agreed(elapsed) / self.options.deadline)
                if progress >= 1:
                    break
            start, end = self.phase["cells"]
            cells = start + (end - start) * min(1, progress / 0.5)
            for _ in range(self.batches):
                ask = time.monotonic()
                length, arrays = next(batches)
                waited += time.monotonic() - ask
                batch = {name: torch.from_numpy(array).to(self.device, non_blocking=True)
                         for name, array in arrays.items()}
                loss, parts = self.learner(batch, cells)
                (loss / self.batches).backward()
                frames += arrays["layers"].shape[0] * arrays["layers"].shape[1] * self.world
                if step % 10 == 0:
                    mean = seen.setdefault(length, [0, {}])
                    mean[0] += 1
                    for name, part in parts.items():
                        mean[1][name] = mean[1].get(name, 0.0) + part.item()
            self.update(rate(progress, step, self.phase))
            step += 1
            if step % LOG_EVERY == 0 or step == steps or step in (5, 20):
                now = time.monotonic()
                self.log(step, now - begun, {"frames_a_second": round(frames / (now - lap)),
                                             "waited": round(waited / (now - lap), 3)}, seen)
                lap, frames, waited, seen = now, 0, 0.0, {}
                if self.options.snapshots and now - saved > self.options.snapshots:
                    saved = now
                    self.save()
        self.feeder.close()
        self.save()
        if self.rank == 0:
            print(f"{step} steps of {self.world * self.batches} x {self.phase['frames_a_batch']} frames in "
                  f"{time.monotonic() - begun:.0f} s")

    def agreed(self, elapsed):
        """All GPUs must stop at the same step."""
        if self.world == 1:
            return elapsed
        value = torch.tensor(elapsed, device=self.device)
        distributed.broadcast(value, 0)
        return value.item()

    @torch.no_grad()
    def update(self, scale):
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.world > 1:
            flat = torch.cat([p.grad.flatten() for p in self.parameters])
            distributed.all_reduce(flat)
            flat /= self.world
            parts = flat.split([p.numel() for p in self.parameters])
            torch._foreach_copy_([p.grad for p in self.parameters],
                                 [part.view_as(p) for part, p in zip(parts, self.parameters)])
        torch.nn.utils.clip_grad_norm_(self.others, 1.0)
        self.muon.step(scale)
        for group in self.adam.param_groups:
            group["lr"] = self.phase["adam"] * scale
        self.adam.step()
        for parameter in self.parameters:
            parameter.grad = None
        self.updates += 1
        keep = min(self.phase["average"], self.updates / (self.updates + 10))
        torch._foreach_lerp_(self.average, self.parameters, 1 - keep)

    def log(self, step, seconds, numbers, seen):
        if self.rank:
            return
        losses = {length: {name: round(total / count, 4) for name, total in parts.items()}
                  for length, (count, parts) in sorted(seen.items())}
        line = {"step": step, "seconds": round(seconds, 1), **numbers, "losses": losses}
        print(json.dumps(line), flush=True)
        os.makedirs(self.options.out, exist_ok=True)
        with open(os.path.join(self.options.out, "log.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @torch.no_grad()
    def save(self):
        """The running average of the weights: it answers better than the last ones."""
        if self.rank:
            return
        current = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.average)
        export.export(self.learner.model, os.path.join(self.options.out, "model"))
        torch.save(self.learner.heads.state_dict(), os.path.join(self.options.out, "heads.pt"))
        torch._foreach_copy_(self.parameters, current)


def main():
    trainer = Trainer(parse())
    trainer.run()
    if trainer.world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
