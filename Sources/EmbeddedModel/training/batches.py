"""Training batches before a pixel is drawn: clips of one length, many questions packed behind each.

Every batch is a function of (seed, step): the same numbers on every machine and with any number of worker processes.
"""
import random

import numpy as np

import options
import questions
from renderer import camera, place_layers
from scenes import Held, clip_scenes
from tokenizer import END_OF_TEXT, answer_ids, prefix, question_ids, token_lengths
from vocabulary import MAX_LAYERS

MAX_QUESTIONS = 32
EMPTY_SCENE, SCENE_CLASSES = 31, 32         # what the scene head tells apart: ordinals of scenes, and an empty one
# How often a kind is asked. The hard ones more: the loss of the others is soon near 0.
WEIGHTS = {"color": 0.7, "shape": 0.7, "exist": 0.9, "count": 1.4, "together": 0.7, "direction": 1.0, "position": 0.9,
           "ocr": 1.2, "needle": 1.4, "order": 1.2, "after": 1.5, "before": 1.3, "first": 0.6, "last": 0.6,
           "when": 0.9, "longer": 1.2, "list": 0.9}
SPELLED = ("ocr", "needle")


def text_rows(frames, tokens_a_frame):
    """Text tokens behind a clip; prefix, clip and text together are a multiple of 8."""
    rows = {1: 96, 2: 128, 4: 160, 8: 256, 16: 320, 32: 384, 64: 512, 128: 640}[frames]
    return rows + -(len(prefix()) + tokens_a_frame * frames + rows) % 8


def option_ends(text, choices, ids):
    """Places in `ids`, of "\\n" + text, of the last token of each option."""
    ends, place = [], 1 + text.index("\nA. ")
    for choice in choices:
        place += len("\nA. ") + len(choice)
        ends.append(place)
    lengths, found, at = token_lengths(), [], 0
    for index, token in enumerate(ids):
        at += lengths[token] if token < len(lengths) else 0
        while len(found) < len(ends) and at >= ends[len(found)]:
            found.append(index)
    return found


class Packer:
    """The questions of one clip, one behind the other. Each sees prefix, clip and itself (model.py)."""

    def __init__(self, rows, start):
        """`start`: the position of a question's first token."""
        self.ids = np.full(rows, END_OF_TEXT, np.int32)
        self.labels = np.full(rows, -100, np.int32)
        self.segments = np.full(rows, -1, np.int16)
        self.positions = np.zeros(rows, np.int32)
        self.options = np.full(rows, -1, np.int8)       # at the last token of an option: 1 right, 0 wrong
        self.start, self.used, self.count = start, 0, 0

    def add(self, ids, answer, ends=(), right=None):
        """Whether there was room."""
        n = len(ids) + len(answer) - 1
        if self.used + n > len(self.ids):
            return False
        span = slice(self.used, self.used + n)
        self.ids[span] = (ids + answer)[:-1]
        self.labels[self.used + len(ids) - 1:self.used + n] = answer
        self.segments[span] = self.count
        self.positions[span] = self.start + np.arange(n)
        for index, end in enumerate(ends):
            self.options[self.used + end] = index == right
        self.used, self.count = self.used + n, self.count + 1
        return True


def ask_all(R, packer, scenes, frames, letters, held_wordings=False):
    """Fills the packer. Returns (kind, lettered) of each question."""
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    asked, texts, misses = [], set(), 0
    while packer.count < MAX_QUESTIONS and misses < 8:
        kind = R.choices(kinds, weights)[0]
        question = questions.ask(R, kind, scenes, frames)
        if question is None:
            misses += 1
            continue
        text = questions.worded(R, question, held=held_wordings)
        choice = options.lettered(R, question) if R.random() < letters else None
        if choice:
            choices, letter = choice
            text = options.with_choices(questions.dressed(R, text, tail=False), choices)
            ids, answer = question_ids(text), answer_ids(letter)
            room = text not in texts and packer.add(
                ids, answer, option_ends(text, choices, ids), "ABCD".index(letter))
        else:
            text = questions.dressed(R, text)
            room = text not in texts and packer.add(
                question_ids(text), answer_ids(question.answer, kind in SPELLED))
        if room:
            texts.add(text)
            asked.append((kind, choice is not None))
        else:
            misses += 1
    return asked


def scene_classes(scenes, frames):
    """Ordinal of each frame's scene among those that show anything."""
    classes, ordinal = np.zeros(frames, np.int16), -1
    for scene in scenes:
        ordinal += bool(scene.things)
        span = slice(scene.start, scene.start + scene.length)
        classes[span] = min(ordinal, EMPTY_SCENE - 1) if scene.things else EMPTY_SCENE
    return classes


def clip_batch(seed, frames, clips, tokens_a_frame, letters, held=Held(), held_wordings=False):
    """NumPy arrays of `clips` clips of `frames` frames.

    layers [B, T, MAX_LAYERS, 9], backgrounds [B, T, 9], cameras [B, 4] (renderer.py), scenes [B, T], and of the text
    ids, labels, segments, positions, options [B, R]; kinds [B, MAX_QUESTIONS]: index in questions.TYPES, + 100 by
    letter, -1 none.
    """
    R = random.Random(seed)
    rows = text_rows(frames, tokens_a_frame)
    start = len(prefix()) + tokens_a_frame * frames
    kinds = np.full((clips, MAX_QUESTIONS), -1, np.int16)
    packers, layers, backgrounds, scenes_of, cameras = [], [], [], [], []
    for index in range(clips):
        scenes = clip_scenes(R, frames, held)
        layer, background = place_layers(R, scenes, frames)
        packer = Packer(rows, start)
        asked = ask_all(R, packer, scenes, frames, letters, held_wordings)
        for place, (kind, lettered) in enumerate(asked):
            kinds[index, place] = questions.TYPES.index(kind) + 100 * lettered
        packers.append(packer)
        layers.append(layer)
        backgrounds.append(background)
        scenes_of.append(scene_classes(scenes, frames))
        cameras.append(camera(R))
    text = {name: np.stack([getattr(p, name) for p in packers])
            for name in ("ids", "labels", "segments", "positions", "options")}
    return {"layers": np.stack(layers), "backgrounds": np.stack(backgrounds), "scenes": np.stack(scenes_of),
            "cameras": np.array(cameras, np.float32), "kinds": kinds, **text}


def frame_batch(seed, count):
    """Single frames without questions, half of them cards: what the vision tower learns to see first."""
    R = random.Random(seed)
    layers = np.zeros((count, 1, MAX_LAYERS, 9), np.float32)
    backgrounds, cameras = np.zeros((count, 1, 9), np.float32), []
    for index in range(count):
        layers[index], backgrounds[index] = place_layers(R, clip_scenes(R, 1, card_share=0.5), 1)
        cameras.append(camera(R))
    return {"layers": layers, "backgrounds": backgrounds, "cameras": np.array(cameras, np.float32)}
