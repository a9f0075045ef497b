#!/usr/bin/env python3
"""Checks of the generator: python3 test_generator.py     (NumPy; seconds)

Every answer is compared with the one that watched.py reads off the drawn layers.
"""
import random
import re
import string
import unittest

import numpy as np

from options import INSTRUCTION, LETTERED, LETTERS, lettered, with_choices
from questions import TYPES, ask, dressed, plain, worded
from renderer import Renderer, camera, place_layers
from scenes import Held, clip_scenes
from vocabulary import (COLORS, FONTS, GLYPHS, HELD_FONTS, HELD_TEXTURES, MAX_LAYERS, RGB, SHAPES, SIDE, TEXTURES,
                        WORD_SET, is_held_code, is_held_pair)
from watched import NAME, Watched, expected, objects_of
from wordings import HELD_WORDINGS, WORDINGS

LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128)


def drawn(seed, frames, held=Held()):
    R = random.Random(seed)
    scenes = clip_scenes(R, frames, held)
    layers, backgrounds = place_layers(R, scenes, frames)
    return R, scenes, layers, backgrounds, Watched(layers)


def clips(count, held=Held(), lengths=LENGTHS):
    for frames in lengths:
        for number in range(count):
            yield frames, *drawn(f"test/{frames}/{number}/{held}", frames, held)


def asked(R, scenes, frames):
    questions = [ask(R, kind, scenes, frames) for kind in TYPES]
    return [q for q in questions if q is not None]


class Answers(unittest.TestCase):
    def test_every_answer_is_what_the_frames_show(self):
        everything = Held(True, True, True, True)
        for held in (Held(), everything):
            for frames, R, scenes, _, _, watched in clips(25, held):
                for question in asked(R, scenes, frames):
                    with self.subTest(kind=question.kind, fields=question.fields, frames=frames):
                        self.assertEqual(question.answer, expected(question, watched))

    def test_every_kind_is_asked_often(self):
        asking = dict.fromkeys(TYPES, 0)
        for frames, R, scenes, *_ in clips(60, lengths=(16, 32, 64, 128)):
            for question in asked(R, scenes, frames):
                asking[question.kind] += 1
        for kind, times in asking.items():
            self.assertGreater(times, 0.3 * 240, kind)

    def test_answers_are_balanced(self):
        answers = {kind: [] for kind in TYPES}
        for frames, R, scenes, *_ in clips(400, lengths=(64,)):
            for question in asked(R, scenes, frames):
                answers[question.kind].append(question.answer)
        for kind, values, most in (("exist", 2, 0.58), ("direction", 5, 0.4), ("position", 5, 0.3), ("when", 3, 0.45),
                                   ("together", 3, 0.5), ("count", 7, 0.35), ("color", 8, 0.25), ("shape", 8, 0.25)):
            shares = [answers[kind].count(a) / len(answers[kind]) for a in set(answers[kind])]
            self.assertEqual(len(shares), values, kind)
            self.assertLess(max(shares), most, kind)

    def test_scenes_fill_the_clip(self):
        for frames, _, scenes, layers, backgrounds, _ in clips(25):
            self.assertEqual([s.start for s in scenes] + [frames], [0] + [s.start + s.length for s in scenes])
            self.assertGreaterEqual(min(s.length for s in scenes), 1)
            self.assertEqual((layers.shape, backgrounds.shape), ((frames, MAX_LAYERS, 9), (frames, 9)))
            names = [t.name for s in scenes for t in s.things]
            self.assertEqual(len(names), len(set(names)))


class HeldOut(unittest.TestCase):
    def factors(self, held):
        """Whether each pair, text, font and texture that is drawn is a held-out one."""
        pairs, codes, fonts, textures = [], [], [], []
        for _, _, _, _, backgrounds, watched in clips(30, held):
            pairs += [is_held_pair(COLORS.index(c), SHAPES.index(s)) for c, s in objects_of(watched)]
            codes += [is_held_code(text) for text in watched.texts.values()]
            fonts += [f >= FONTS - HELD_FONTS for fs in watched.fonts.values() for f in fs]
            textures += (backgrounds[:, 0] >= TEXTURES - HELD_TEXTURES).tolist()
        return {"pairs": pairs, "codes": codes, "fonts": fonts, "textures": textures}

    def test_training_clips_show_nothing_held_out(self):
        for factor, values in self.factors(Held()).items():
            self.assertGreater(len(values), 100)
            self.assertFalse(any(values), factor)

    def test_each_factor_is_held_out_alone(self):
        for factor in ("pairs", "codes", "fonts", "textures"):
            for other, values in self.factors(Held(**{factor: True})).items():
                if other != factor:
                    self.assertFalse(any(values), (factor, other))
                elif factor != "pairs":             # of which a long clip needs more than there are
                    self.assertTrue(all(values), factor)
        shown = [is_held_pair(COLORS.index(c), SHAPES.index(s)) for *_, watched in
                 clips(60, Held(pairs=True), (1, 2, 4, 8)) for c, s in objects_of(watched)]
        self.assertGreaterEqual(sum(shown) / len(shown), 0.6)

    def test_no_text_names_what_is_held_out_and_not_shown(self):
        for held in (Held(), Held(codes=True, fonts=True, textures=True), Held(pairs=True)):
            for frames, R, scenes, _, _, watched in clips(25, held):
                for question in asked(R, scenes, frames):
                    choices = lettered(R, question) or ([], "")
                    text = " ".join([worded(R, question), question.answer, *choices[0], *question.pool])
                    for color, kind in NAME.findall(text):
                        if kind != "card" and f"{color} {kind}" not in watched.seen:
                            self.assertFalse(is_held_pair(COLORS.index(color), SHAPES.index(kind)), text)
                    if question.kind in ("ocr", "needle") and not held.codes:
                        self.assertFalse(any(map(is_held_code, choices[0])), text)

    def test_a_tenth_of_each_sort_of_card_is_held_out(self):
        texts = {"number": [f"{n:03d}" for n in range(1000)], "word": sorted(WORD_SET),
                 "letters": [a + b + c for a in string.ascii_uppercase for b in string.ascii_uppercase
                             for c in string.ascii_uppercase]}
        self.assertGreaterEqual(len(WORD_SET), 250)
        for sort, all_of_it in texts.items():
            share = sum(map(is_held_code, all_of_it)) / len(all_of_it)
            self.assertTrue(0.07 < share < 0.14, (sort, share))

    def test_held_out_wordings_are_new_but_of_known_words(self):
        def words(text):
            return set(re.findall(r"[a-z']+", re.sub(r"\{.\}", "", text).lower()))
        known = set().union(*(words(text) for kind in TYPES for text in WORDINGS[kind]))
        trained = {text for kind in TYPES for text in WORDINGS[kind]}
        for kind in TYPES:
            self.assertGreaterEqual(len(set(WORDINGS[kind])), 15, kind)
            self.assertEqual(len(set(HELD_WORDINGS[kind])), 3, kind)
            for text in HELD_WORDINGS[kind]:
                self.assertNotIn(text, trained)
                self.assertLessEqual(words(text), known, text)


class Texts(unittest.TestCase):
    def test_wordings(self):
        for frames, R, scenes, *_ in clips(4):
            for question in asked(R, scenes, frames):
                for held, wordings in ((False, WORDINGS), (True, HELD_WORDINGS)):
                    for index in range(len(wordings[question.kind])):
                        text = plain(question, index, held)
                        self.assertNotRegex(text, r"[{}]|\ba orange\b|  ")
                text = worded(R, question)
                self.assertIn(text[1:], dressed(R, text))
                self.assertTrue(dressed(R, text, tail=False).endswith(text[1:]))

    def test_options(self):
        shapes = {}
        for near in (0, 1):
            for frames, R, scenes, *_ in clips(30):
                for question in asked(R, scenes, frames):
                    found = lettered(R, question, near)
                    if question.kind not in LETTERED:
                        self.assertIsNone(found)
                        continue
                    choices, letter = found
                    self.assertEqual(choices[LETTERS.index(letter)], question.answer)
                    self.assertEqual(len(set(choices)), len(choices))
                    shapes.setdefault(question.kind, set()).add(len(choices))
                    if question.kind in ("ocr", "needle"):
                        self.check_codes(question, choices, near)
        fewer = {"together": {3}, "when": {3}, "longer": {2}, "order": {2, 3}}
        self.assertEqual(shapes, {kind: fewer.get(kind, {4}) for kind in LETTERED})

    def check_codes(self, question, choices, near):
        for text in choices:
            sort = "number" if text.isdigit() else "word" if text in WORD_SET else "letters"
            self.assertEqual(sort, question.fields["n"])
            if text != question.answer:
                same = sum(a == b for a, b in zip(text, question.answer))
                self.assertIn(same, (1, 2) if near else (0,))

    def test_letters_are_equally_likely(self):
        question = next(q for frames, R, scenes, *_ in clips(1, lengths=(32,)) for q in asked(R, scenes, frames)
                        if q.kind == "color")
        R = random.Random(3)
        letters = [lettered(R, question)[1] for _ in range(800)]
        for letter in LETTERS:
            self.assertTrue(150 < letters.count(letter) < 250, letter)

    def test_prompt_with_choices(self):
        self.assertEqual(with_choices("What is it?", ["a cat", "a dog"]),
                         f"What is it?\nA. a cat\nB. a dog\n{INSTRUCTION}")


class Pictures(unittest.TestCase):
    def test_faces_have_all_glyphs_each_of_its_own(self):
        atlas = Renderer().atlas
        self.assertEqual(len(atlas), len(SHAPES) + FONTS * len(GLYPHS))
        tiles = atlas[len(SHAPES):].reshape(FONTS, len(GLYPHS), -1)
        for face in tiles > 0:
            self.assertTrue(((0.04 < face.mean(1)) & (face.mean(1) < 0.6)).all())
        difference = (tiles[:, :, None, ::7] > 0) != (tiles[:, None, :, ::7] > 0)
        share = difference.mean(-1) + np.eye(len(GLYPHS))
        self.assertGreater(share.min(), 0.005)
        for a in range(FONTS):
            for b in range(a):
                self.assertGreater(((tiles[a] > 0) != (tiles[b] > 0)).mean(), 0.01, (a, b))

    def test_what_is_drawn_lies_where_the_layers_say(self):
        _, _, layers, backgrounds, watched = drawn("test/picture", 8)
        renderer = Renderer()
        pixels = renderer.clip(layers, backgrounds, 1, 0, 0, False, np.random.default_rng(0))
        self.assertEqual((pixels.shape, pixels.dtype), ((8, SIDE, SIDE, 3), np.uint8))
        for frame in range(8):
            for name, when in watched.seen.items():
                if frame in when and name.split()[1] in ("circle", "square", "diamond", "star", "cross"):
                    x, y = (int(v) for v in when[frame])
                    nearest = ((RGB - pixels[frame, y, x] / 255) ** 2).sum(1).argmin()
                    self.assertEqual(COLORS[nearest], name.split()[0])
        again = renderer.clip(layers, backgrounds, *camera(random.Random(1)), np.random.default_rng(1))
        self.assertEqual(again.shape, pixels.shape)


if __name__ == "__main__":
    unittest.main()
