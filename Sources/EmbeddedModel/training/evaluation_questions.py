"""What the evaluation asks beyond questions.py: neighbours in time, durations, and multiple choice."""
from questions import FACTS, WORDINGS, lit, things
from vocabulary import COLORS, SHAPES

# Wordings that the model was trained on, as those of questions.py.
HARDER = {
    "after": ["What appears right after the {x}?", "What comes next after the {x}?",
              "What is shown directly after the {x}?", "What follows the {x}?",
              "Which thing appears right after the {x}?", "After the {x}, what comes next?"],
    "before": ["What appears right before the {x}?", "What comes just before the {x}?",
               "What is shown directly before the {x}?", "What precedes the {x}?",
               "Which thing appears right before the {x}?", "Before the {x}, what was shown?"],
    "longer": ["Which is shown longer, the {x} or the {z}?", "What stays on screen longer, the {x} or the {z}?",
               "Which is visible for more time, the {x} or the {z}?",
               "Which of the two is shown for longer, the {x} or the {z}?",
               "The {x} or the {z}: which is shown longer?", "What is visible longer, the {x} or the {z}?"],
}
# The kinds that the model can answer by letter; between codes, places or directions it cannot choose (model card).
LETTERED = ["color", "shape", "count", "first", "last"]
GROUPS = sorted([*WORDINGS, *HARDER, *(kind + "_mcq" for kind in LETTERED)])
LETTERS = "ABCD"


def neighbour(step):
    """What is shown in the scene `step` scenes away, where that is one thing alone."""
    def fact(R, scenes, _):
        live = lit(scenes)
        pairs = [(live[i], live[i + step]) for i in range(len(live))
                 if 0 <= i + step < len(live) and len(live[i + step].things) == 1]
        if not pairs:
            return None
        scene, other = R.choice(pairs)
        return {"x": R.choice(scene.things).name}, other.things[0].name
    return fact


def longer(R, scenes, _):
    """Of two scenes the one that lasts at least twice as long as the other."""
    live = lit(scenes)
    pairs = [(a, b) for a in live for b in live if a.length >= 2 * b.length]
    if not pairs:
        return None
    a, b = R.choice(pairs)
    names = R.choice(a.things).name, R.choice(b.things).name
    x, z = names if R.random() < 0.5 else names[::-1]
    return {"x": x, "z": z}, names[0]


ALL_FACTS = {**FACTS, "after": neighbour(1), "before": neighbour(-1), "longer": longer}
ALL_WORDINGS = {**WORDINGS, **HARDER}


def options(kind, scenes):
    """What the wrong options of a multiple choice question are drawn from."""
    if kind == "color":
        return COLORS
    if kind == "shape":
        return SHAPES
    if kind == "count":
        return [str(n) for n in range(7)]
    return sorted({t.name for cards in (False, True) for t in things(scenes, cards)})


def ask_group(R, group, scenes, frames):
    """{"question", "choices" (multiple choice only), "expected", "group"}, or None when the clip gives no cause."""
    kind = group.removesuffix("_mcq")
    if kind == "exist" and not things(scenes):
        return None
    found = ALL_FACTS[kind](R, scenes, frames)
    if found is None:
        return None
    fields, answer = found
    item = {"question": R.choice(ALL_WORDINGS[kind]).format(**fields).replace(" a orange", " an orange")}
    if group != kind:
        wrong = [option for option in options(kind, scenes) if option != answer]
        if len(wrong) < len(LETTERS) - 1:
            return None
        choices = R.sample(wrong, len(LETTERS) - 1) + [answer]
        R.shuffle(choices)
        item["choices"], answer = choices, LETTERS[choices.index(answer)]
    return {**item, "expected": answer, "group": group}
