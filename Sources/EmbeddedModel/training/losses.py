"""From arrays to losses: draws the frames, runs the model, compares."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from batches import SCENE_CLASSES
from drawing import CELL_CLASSES, Drawing, cell_targets
from model import linear
from tokenizer import prefix
from vocabulary import GLYPHS, SHAPES

GLYPH_CLASSES = slice(len(SHAPES), len(SHAPES) + len(GLYPHS))
SHAPE_WEIGHT, SCENE_WEIGHT, OPTION_WEIGHT = 10.0, 0.1, 0.5


class Heads(nn.Module):
    """What training reads off inner states besides the answers. None of it is exported."""

    def __init__(self, shape, cell_classes, scene_classes):
        super().__init__()
        self.cells = nn.Linear(shape.width, cell_classes)       # of visual tokens: what is drawn there
        self.scenes = nn.Linear(shape.width, scene_classes)     # of a frame's last token: which scene it belongs to
        self.options = nn.Linear(shape.width, 1)                # of an option's last token: right or wrong
        self.scene_layer = max(0, round(shape.layers * 0.375) - 1)
        self.option_layer = max(0, round(shape.layers * 0.625) - 1)

    @property
    def taps(self):
        return self.scene_layer, self.option_layer


class Learner(nn.Module):
    """The model, the heads that only training has, and the drawing.

    hidden_share: share of the steps in which every layer hides a random part of the visual tokens, 10 to 70 %, as
    ZipVL does with those that it does not select.
    """

    def __init__(self, model, hidden_share=0.0):
        super().__init__()
        self.model, self.hidden_share = model, hidden_share
        self.heads = Heads(model.shape, CELL_CLASSES, SCENE_CLASSES)
        self.drawing = Drawing(model.shape.image)
        self.register_buffer("prefix", torch.tensor(prefix()), persistent=False)
        self.draw = self.drawing.forward

    def compile(self):
        """Layer by layer and for each length anew: one graph of everything takes minutes."""
        torch._dynamo.config.recompile_limit = 64
        self.draw = torch.compile(self.drawing.forward, dynamic=False)
        for layer in self.model.model.vision_tower.vision_tower.vision_model.encoder.layers:
            layer.compile(dynamic=False)
        for layer in self.model.model.layers:
            layer.compile(dynamic=False)

    @property
    def dtype(self):
        return torch.bfloat16 if self.prefix.is_cuda else torch.float32

    @torch.no_grad()
    def pixels(self, batch):
        """[B * T, 3, S, S]"""
        layers, backgrounds = batch["layers"].flatten(0, 1), batch["backgrounds"].flatten(0, 1)
        cameras = batch["cameras"].repeat_interleave(batch["layers"].shape[1], 0)
        image = self.draw(layers, backgrounds)
        return self.drawing.prepare(self.drawing.photograph(image, cameras, torch.randn_like(image)))

    def hidden(self, count, length, visual):
        """[layers, B, L] of 0 and 1, all 1 in most steps: which tokens each layer shows."""
        layers, first = self.model.shape.layers, len(self.prefix)
        shown = torch.ones(layers, count, length, dtype=self.dtype, device=self.prefix.device)
        if torch.rand(()).item() < self.hidden_share:
            share = 0.1 + 0.6 * torch.rand(layers, count, 1, device=shown.device)
            dropped = torch.rand(layers, count, visual, device=shown.device) < share
            shown[:, :, first:first + visual] = (~dropped).to(shown.dtype)
        return shown

    def answer(self, batch, visual):
        """Logits and labels of every answer token, where they stand [B, R], and the heads' states by layer."""
        count = batch["ids"].shape[0]
        visual = visual.view(count, -1, visual.shape[-1])
        shown = None
        if self.hidden_share and self.training:
            length = len(self.prefix) + visual.shape[1] + batch["ids"].shape[1]
            shown = self.hidden(count, length, visual.shape[1])
        hidden, taps = self.model(visual, self.prefix, batch["ids"].long(), batch["positions"].long(),
                                  batch["segments"].long(), self.heads.taps, shown)
        places = batch["labels"] >= 0
        return self.model.logits(hidden[places]), batch["labels"][places].long(), places, taps

    def cell_loss(self, layers, visual):
        """Glyphs as one choice among 36 and the rest as yes or no each: else the many zeros drown the few glyphs."""
        scores = linear(visual, self.heads.cells).float()
        targets = cell_targets(layers, self.model.shape.patches // 2)
        glyphs, glyph_targets = scores[..., GLYPH_CLASSES], targets[..., GLYPH_CLASSES]
        reading = -(glyphs.log_softmax(-1) * glyph_targets).sum() / glyph_targets.sum().clamp(min=1)
        keep = [i for i in range(CELL_CLASSES) if not GLYPH_CLASSES.start <= i < GLYPH_CLASSES.stop]
        return SHAPE_WEIGHT * F.binary_cross_entropy_with_logits(scores[..., keep], targets[..., keep]) + reading

    def scene_loss(self, batch, states):
        """states [B, L, D]: the last visual token of each frame says which scene it belongs to."""
        frames, tokens = batch["scenes"].shape[1], self.model.shape.tokens
        first = len(self.prefix)
        last = states[:, first + tokens - 1:first + tokens * frames:tokens]
        scores = linear(F.rms_norm(last, last.shape[-1:]), self.heads.scenes).float()
        return F.cross_entropy(scores.flatten(0, 1), batch["scenes"].long().flatten())

    def option_loss(self, batch, states):
        """The last token of each option says whether it is the right one."""
        rows = batch["options"].shape[1]
        places = batch["options"] >= 0
        ends = states[:, -rows:][places]
        scores = linear(F.rms_norm(ends, ends.shape[-1:]), self.heads.options).float()[:, 0]
        losses = F.binary_cross_entropy_with_logits(scores, batch["options"][places].float(), reduction="sum")
        return losses / places.sum().clamp(min=1)

    def forward(self, batch, cells):
        """(loss, what to log). `cells`: weight of the cell loss."""
        pixels = self.pixels(batch)
        visual = self.model.vision(pixels, self.dtype)
        cell = self.cell_loss(batch["layers"].flatten(0, 1), visual)
        if "ids" not in batch:
            return cells * cell, {"cells": cell}
        logits, labels, _, states = self.answer(batch, visual)
        answers = F.cross_entropy(logits, labels)
        scenes = self.scene_loss(batch, states[self.heads.scene_layer])
        options = self.option_loss(batch, states[self.heads.option_layer])
        right = (logits.argmax(-1) == labels).float().mean()
        loss = answers + cells * cell + SCENE_WEIGHT * scenes + OPTION_WEIGHT * options
        return loss, {"answers": answers, "right": right, "cells": cell, "scenes": scenes, "options": options}
