#!/usr/bin/env python3
"""python3 test_test_set.py: the frozen test set is what was frozen, and its scores are counted right."""
import json
import unittest

import test_set
from intervals import paired, unpaired, wilson
from score_test import Item, difference, misses
from vocabulary import is_held_code, is_held_pair


def rows(parts):
    return {row["custom_id"]: row for part in parts for split in part.splits.values() for row in split}


class TestSet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plans = {name: test_set.plan(name) for name in test_set.SETS}

    def test_plans_are_the_frozen_ones(self):
        self.assertEqual({name: test_set.digest(parts) for name, parts in self.plans.items()}, test_set.frozen())

    def test_ci_is_a_part_of_the_test_set_and_dev_is_not(self):
        whole, ci, dev = (rows(self.plans[name]) for name in ("test", "ci", "dev"))
        self.assertEqual(len(ci), test_set.CI_ITEMS)
        self.assertTrue(all(whole[name] == row for name, row in ci.items()))
        self.assertFalse(whole.keys() & dev.keys())
        seeds = {name: {clip.seed for part in parts for clip in part.clips} for name, parts in self.plans.items()}
        self.assertLess(seeds["ci"], seeds["test"])
        self.assertFalse(seeds["dev"] & seeds["test"])

    def test_every_row_names_a_clip_of_its_length_and_a_right_option(self):
        for part in self.plans["test"] + self.plans["dev"]:
            names = {clip.name for clip in part.clips}
            self.assertEqual(len(names), len(part.clips))
            for row in rows([part]).values():
                self.assertIn(row["video"], names)
                self.assertEqual("choices" in row, row["group"].endswith("_mcq"))
                if "choices" in row:
                    self.assertIn(row["expected"], "ABCD"[:len(row["choices"])])
                    self.assertEqual(len(set(row["choices"])), len(row["choices"]))

    def test_twins_ask_the_same_about_the_same(self):
        for part in self.plans["test"]:
            base = {row["custom_id"].partition("/")[2]: row for row in part.splits["base"]}
            for split in ("wording", "blank", "shuffled"):
                for row in part.splits.get(split, []):
                    twin = base[row["custom_id"].partition("/")[2]]
                    same = ("expected", "group", "video" if split == "wording" else "question")
                    self.assertTrue(all(row[key] == twin[key] for key in same), row)
                    self.assertNotEqual((row["question"], row["video"]), (twin["question"], twin["video"]))

    def test_base_asks_every_kind_about_equally_often(self):
        for part in self.plans["test"]:
            groups = [row["group"] for row in part.splits["base"]]
            missing = set(test_set.GROUPS) - set(groups)
            self.assertLessEqual(missing, {"needle", "needle_mcq"} if part.frames < 16 else set())
            self.assertGreaterEqual(min(groups.count(group) for group in set(groups)), 4)
            self.assertLessEqual(max(groups.count(group) for group in set(groups)), 11)

    def test_clips_of_a_split_show_what_it_holds_out(self):
        for part in self.plans["test"]:
            for clip in part.clips:
                shown = json.dumps(test_set.program(clip)["scenes"])
                things = [t for scene in clip.scenes()[1] for t in scene.things]
                texts = {is_held_code(t.text) for t in things if t.is_card}
                self.assertIn(texts, [set(), {clip.held.codes}], shown)
                pairs = [is_held_pair(t.color, t.shape) for t in things if not t.is_card]
                self.assertEqual(any(pairs), clip.held.pairs, shown)


class TestScores(unittest.TestCase):
    def test_intervals_agree_with_published_figures(self):
        self.assertEqual([round(v, 4) for v in wilson(81, 263)], [0.2553, 0.3662])      # Newcombe 1998, table I
        self.assertEqual([round(v, 4) for v in wilson(0, 20)], [0.0, 0.1611])
        self.assertLess(unpaired(40, 50, 40, 50)[0], 0)
        self.assertLess(paired(1, 20, 100)[1], 0)

    def test_differences_are_of_the_same_items_and_misses_are_named(self):
        items = [Item("base", 64, f"64/{n:03d}/color", "color", n < 9) for n in range(10)]
        items += [Item("wording", 64, f"64/{n:03d}/color", "color", n < 3) for n in range(5)]
        items += [Item("pairs", 64, f"64/{n:03d}/color", "color", n < 3) for n in range(5)]
        self.assertEqual(round(difference(items[10:15], items)[0]), -40)                # 3 of 5 against 5 of 5
        self.assertEqual(round(difference(items[15:], items)[0]), -30)                  # 3 of 5 against 9 of 10
        rules = [{"split": "wording", "within": 41}, {"split": "wording", "within": 39},
                 {"split": "wording", "below": 39}, {"split": "base", "each": "group", "at_least": 91},
                 {"split": "fonts", "at_least": 1}]
        found = misses(items, {"items": 20, "rules": rules})
        self.assertEqual([line.split(":")[0] for line in found], ["wording", "base, group color", "fonts"])
        self.assertEqual(len(misses(items, {"items": 21, "rules": []})), 1)


if __name__ == "__main__":
    unittest.main()
