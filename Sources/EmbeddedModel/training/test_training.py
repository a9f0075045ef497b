#!/usr/bin/env python3
"""python3 test_training.py       (NumPy, PyTorch, tiktoken, safetensors; half a minute on a CPU)"""
import random
import tempfile
import unittest

import numpy as np
import torch

import batches
import export
import options
import questions
import tokenizer
from drawing import Drawing, cell_targets
from feeder import Feeder, make
from losses import Learner
from model import LongVA, Shape
from optimizer import orthogonalized
from renderer import Renderer, place_layers
from scenes import clip_scenes
from vocabulary import GLYPHS, SHAPES, SIDE

TINY = Shape(vision_width=64, vision_feed_forward=96, vision_layers=2, vision_heads=2, width=96, feed_forward=128,
             layers=3, heads=3, key_value_heads=1, head_width=32)
PHASE = {"frames_a_batch": 16, "letters": 0.5, "curriculum": [[0.3, {"0": 1}], [1.0, {"4": 0.5, "8": 0.5}]]}


def tensors(arrays):
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


class Drawn(unittest.TestCase):
    def test_torch_draws_what_numpy_draws(self):
        R, renderer, drawing = random.Random(5), Renderer(), Drawing()
        for _ in range(3):
            layers, backgrounds = place_layers(R, clip_scenes(R, 8), 8)
            ours = drawing(torch.from_numpy(layers), torch.from_numpy(backgrounds)).permute(0, 2, 3, 1).numpy()
            theirs = np.stack([renderer.draw(l, b) for l, b in zip(layers, backgrounds)])
            # Rounding decides now and then which texel of an edge is read.
            self.assertLess((np.abs(ours - theirs) > 1e-3).mean(), 2e-3)

    def test_the_camera_is_the_same(self):
        renderer, drawing = Renderer(), Drawing()
        R = random.Random(6)
        layers, backgrounds = place_layers(R, clip_scenes(R, 4), 4)
        theirs = renderer.clip(layers, backgrounds, 1.1, 0.03, 0.0, True, np.random.default_rng(0))
        image = drawing(torch.from_numpy(layers), torch.from_numpy(backgrounds))
        cameras = torch.tensor([[1.1, 0.03, 0.0, 1.0]]).expand(4, 4)
        ours = drawing.photograph(image, cameras, torch.zeros_like(image)).permute(0, 2, 3, 1).numpy() * 255
        self.assertLess((np.abs(ours - theirs) > 1.01).mean(), 5e-3)

    def test_cells_name_what_is_in_them(self):
        layers = np.zeros((1, 5, 9), np.float32)
        layers[:, :, 0] = -1
        layers[0, 0] = [SHAPES.index("star"), 30, 82, 15, 15, 0, 215 / 255, 35 / 255, 35 / 255]      # a red star
        layers[0, 1] = [len(SHAPES) + 2 * len(GLYPHS) + GLYPHS.index("7"), 100, 10, 9, 9, 0, 1, 1, 1]
        layers[0, 2] = [SHAPES.index("square"), 56, 56, 46, 24, 0, 1, 1, 1]                           # a white card
        targets = cell_targets(torch.from_numpy(layers), 4)[0]
        star = (2 * 4 + 1, SHAPES.index("star"))
        red, seven = (2 * 4 + 1, len(SHAPES) + len(GLYPHS)), (3, len(SHAPES) + GLYPHS.index("7"))
        white = (2 * 4 + 2, len(SHAPES) + len(GLYPHS) + 7)
        self.assertEqual({tuple(place) for place in targets.nonzero().tolist()}, {star, red, seven, white})


class Batched(unittest.TestCase):
    def test_a_batch_is_a_function_of_its_number(self):
        """Whoever makes it: of two GPUs' feeders with two workers each, the second's."""
        feeder = Feeder(range(1, 12, 2), 12, PHASE, "t", 16, 2)
        for number, (frames, arrays) in zip(range(1, 12, 2), feeder, strict=True):
            again, others = make(number, 12, PHASE, "t", 16)
            self.assertEqual(frames, again)
            for name, array in arrays.items():
                np.testing.assert_array_equal(array, others[name])
        feeder.close()

    def test_packed_questions_read_back(self):
        arrays = batches.clip_batch("read", 16, 6, 16, 0.5)
        text = tokenizer.encoding()
        lettered = 0
        for clip in range(6):
            segments, ids = arrays["segments"][clip], arrays["ids"][clip]
            for number in range(segments.max() + 1):
                rows = segments == number
                labels = arrays["labels"][clip][rows]
                answer = labels[labels >= 0].tolist()
                self.assertEqual(answer[-1], tokenizer.END)
                question = text.decode([t for t in ids[rows].tolist()])
                self.assertTrue(question.startswith("\n"))
                self.assertIn("<|im_start|>assistant\n", question)
                self.assertEqual(arrays["positions"][clip][rows][0], len(tokenizer.prefix()) + 16 * 16)
                marks = arrays["options"][clip][rows]
                if arrays["kinds"][clip][number] >= 100:
                    lettered += 1
                    letter = text.decode(answer[:-1])
                    self.assertIn(letter, list("ABCD"))
                    self.assertEqual("ABCD"[marks[marks >= 0].tolist().index(1)], letter)
                    # A marked token ends its option: what follows is a line break.
                    for place in np.flatnonzero(marks >= 0):
                        self.assertTrue(text.decode(ids[rows].tolist()[place + 1:]).startswith("\n"))
                else:
                    self.assertTrue((marks < 0).all())
        self.assertGreater(lettered, 5)

    def test_codes_are_spelled(self):
        self.assertEqual(len(tokenizer.answer_ids("CAT", spelled=True)), 4)
        self.assertEqual(tokenizer.encoding().decode(tokenizer.answer_ids("CAT", spelled=True)[:-1]), "CAT")


class Modelled(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.learner = Learner(LongVA(TINY)).eval()

    def test_packed_questions_are_separate_prompts(self):
        data = tensors(batches.clip_batch("packed", 4, 1, TINY.tokens, 0.3))
        visual = self.learner.model.vision(self.learner.pixels(data), torch.float32)
        logits, _, places, _ = self.learner.answer(data, visual)
        at = 0
        for number in range(3):
            rows = data["segments"][0] == number
            alone = {name: data[name][:, rows] for name in ("ids", "labels", "segments", "positions")}
            ours, _, _, _ = self.learner.answer(alone, visual)
            theirs = logits[at:at + len(ours)]
            at += len(ours)
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        self.assertGreater(at, 5)

    def test_hidden_tokens_change_nothing_but_their_layer(self):
        data = tensors(batches.clip_batch("hidden", 2, 1, TINY.tokens, 0.0))
        visual = self.learner.model.vision(self.learner.pixels(data), torch.float32).view(1, -1, TINY.width)
        arguments = (visual, self.learner.prefix, data["ids"].long(), data["positions"].long(),
                     data["segments"].long())
        plain, _ = self.learner.model(*arguments)
        length = len(self.learner.prefix) + visual.shape[1] + data["ids"].shape[1]
        shown = torch.ones(TINY.layers, 1, length)
        same, _ = self.learner.model(*arguments, shown=shown)
        torch.testing.assert_close(plain, same, rtol=1e-4, atol=1e-4)
        first = len(self.learner.prefix)
        shown[:, :, first:first + visual.shape[1]] = 0
        blind, _ = self.learner.model(*arguments, shown=shown)
        # Hidden in every layer, what the tokens hold can reach no answer.
        other, _ = self.learner.model(torch.randn_like(visual), *arguments[1:], shown=shown)
        torch.testing.assert_close(blind, other, rtol=1e-4, atol=1e-4)
        self.assertGreater((plain - blind).abs().max().item(), 1e-2)

    def test_every_parameter_learns(self):
        self.learner.train()
        loss, _ = self.learner(tensors(batches.clip_batch("learn", 4, 2, TINY.tokens, 0.5)), 1.0)
        loss.backward()
        still = [name for name, p in self.learner.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        self.assertEqual([name for name in still if "k_proj.bias" not in name], [])

    def test_written_weights_come_back(self):
        with tempfile.TemporaryDirectory() as folder:
            export.export(self.learner.model, folder, torch.float32)
            again = export.load(folder)
        self.assertEqual(again.shape, TINY)
        for name, tensor in self.learner.model.state_dict().items():
            self.assertTrue(torch.equal(tensor, again.state_dict()[name]), name)

    def test_muon_steps_are_nearly_orthogonal(self):
        for size in ((2, 24, 60), (2, 60, 24)):
            update = orthogonalized(torch.randn(size)).float()
            values = torch.linalg.svdvals(update)
            self.assertGreater(values.min().item(), 0.3)
            self.assertLess(values.max().item(), 1.4)


if __name__ == "__main__":
    unittest.main()
