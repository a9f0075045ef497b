"""Questions about a clip, with the answer read off its scenes."""
from vocabulary import COLORS, PAIRS, SHAPES, is_held_pair

# The model was trained on these wordings; another wording of the same question may well fail.
WORDINGS = {
    "color": ["What color is the {s}?", "What is the color of the {s}?", "Which color does the {s} have?",
              "Tell me the color of the {s}.", "The {s} has which color?", "Name the color of the {s}."],
    "shape": ["What shape is the {c} object?", "What is the shape of the {c} object?", "Which shape is {c}?",
              "Tell me the shape of the {c} object.", "The {c} object has which shape?",
              "Name the shape of the {c} object."],
    "exist": ["Is there a {x} in the video?", "Does a {x} appear in the video?", "Can you see a {x}?",
              "Does the video show a {x}?", "Is a {x} visible at any time?", "Does the video contain a {x}?"],
    "count": ["How many {y} appear in the video?", "How many {y} are shown in total?", "Count the {y} in the video.",
              "What is the number of {y} in the video?", "How many {y} can you see?", "Give the number of {y}."],
    "together": ["How many objects are on screen together with the {x}, including it?",
                 "How many objects are visible at the same time as the {x}, including it?",
                 "Count the objects in the scene with the {x}.",
                 "How many objects does the scene with the {x} contain?",
                 "How many things are visible in the scene of the {x}?",
                 "What is the number of objects in the scene with the {x}?"],
    "direction": ["In which direction does the {x} move?", "Which way does the {x} move?",
                  "Where is the {x} moving to?", "What is the direction of the {x}?",
                  "Which direction does the {x} go?", "Tell me the moving direction of the {x}."],
    "position": ["Where is the {x}?", "In which part of the frame is the {x}?", "What is the position of the {x}?",
                 "Where on the screen is the {x}?", "Where can the {x} be seen in the frame?",
                 "Tell me the position of the {x}."],
    "ocr": ["What {k} on the {c} card?", "Which {k} on the {c} card?", "Read the {c} card: what {k} on it?",
            "The {c} card: which {k} there?", "What {k} written on the {c} card?", "Read the text of the {c} card."],
    "order": ["Which appears first, the {x} or the {z}?", "What comes first, the {x} or the {z}?",
              "Which is shown earlier, the {x} or the {z}?", "Which of the two appears earlier, the {x} or the {z}?",
              "The {x} or the {z}: which is shown first?", "What is seen first, the {x} or the {z}?"],
    "first": ["What is the first thing shown?", "What appears first in the video?",
              "What does the video start with?", "Which object is shown first?", "Name the first thing in the video.",
              "What can be seen first?"],
    "last": ["What is the last thing shown?", "What appears last in the video?", "What does the video end with?",
             "Which object is shown last?", "Name the last thing in the video.", "What can be seen last?"],
    "when": ["When does the {x} appear: beginning, middle or end?",
             "In which part of the video is the {x} shown: beginning, middle or end?",
             "Is the {x} shown at the beginning, middle or end?",
             "At what time is the {x} visible: beginning, middle or end?",
             "Beginning, middle or end: when is the {x} shown?",
             "When can the {x} be seen: beginning, middle or end?"],
}
WORDINGS["needle"] = WORDINGS["ocr"]        # the same question about a card that is shown for one frame only
TYPES = sorted(WORDINGS)


def ask(R, kind, scenes, frames):
    """(question, answer) of this kind, or None when the clip gives no cause for it."""
    found = FACTS[kind](R, scenes, frames)
    if found is None:
        return None
    fields, answer = found
    question = R.choice(WORDINGS[kind]).format(**fields)
    return question.replace(" a orange", " an orange"), answer


def things(scenes, cards=False):
    return [t for s in scenes for t in s.things if t.is_card == cards]


def lit(scenes):
    """The scenes that show anything."""
    return [s for s in scenes if s.things]


def balanced(R, answers):
    """One of `answers` [(answer, fields)], each answer equally likely however often it occurs."""
    if not answers:
        return None
    answer = R.choice(sorted({a for a, _ in answers}))
    return R.choice([f for a, f in answers if a == answer]), answer


def color(R, scenes, _):
    shapes = [t.shape for t in things(scenes)]
    return balanced(R, [(COLORS[t.color], {"s": SHAPES[t.shape]}) for t in things(scenes)
                        if shapes.count(t.shape) == 1])


def shape(R, scenes, _):
    colors = [t.color for s in scenes for t in s.things]
    return balanced(R, [(SHAPES[t.shape], {"c": COLORS[t.color]}) for t in things(scenes)
                        if colors.count(t.color) == 1])


def exist(R, scenes, _):
    """Absent pairs are made of a colour and a shape that both occur, where there are such: the hard ones."""
    shown = {(t.color, t.shape) for t in things(scenes)}
    absent = [p for p in PAIRS if p not in shown and not is_held_pair(*p)]
    hard = [p for p in absent if p[0] in {c for c, _ in shown} and p[1] in {s for _, s in shown}]
    yes = R.random() < 0.5
    c, s = R.choice(sorted(shown) if yes else hard or absent)
    return {"x": f"{COLORS[c]} {SHAPES[s]}"}, "Yes" if yes else "No"


def count(R, scenes, _):
    shown = things(scenes)
    answers = [(sum(t.color == i for t in shown), f"{c} objects") for i, c in enumerate(COLORS)]
    answers += [(sum(t.shape == i for t in shown), "crosses" if s == "cross" else s + "s")
                for i, s in enumerate(SHAPES)]
    answers.append((len(things(scenes, cards=True)), "cards"))
    return balanced(R, [(str(n), {"y": y}) for n, y in answers if n <= 5])


def together(R, scenes, _):
    return balanced(R, [(str(len(s.things)), {"x": t.name}) for s in scenes for t in s.things if not t.is_card])


def direction(R, scenes, _):
    """Only things seen for three frames or more: a shorter stay shows no motion."""
    if not any(t.motion for t in things(scenes)):
        return None
    return balanced(R, [(t.motion or "not moving", {"x": t.name}) for s in scenes for t in s.things
                        if not t.is_card and s.length >= 3])


def position(R, scenes, _):
    return balanced(R, [(t.place, {"x": t.name}) for t in things(scenes) if not t.motion])


def read_card(R, scenes, shown):
    cards = [t for s in scenes for t in s.things if t.is_card and shown(s)]
    if not cards:
        return None
    t = R.choice(cards)
    return {"c": COLORS[t.color], "k": "number is" if t.text.isdigit() else "letters are"}, t.text


def ocr(R, scenes, frames):
    return read_card(R, scenes, lambda s: s.length > 1 or frames < 16)


def needle(R, scenes, frames):
    return read_card(R, scenes, lambda s: s.length == 1 and frames >= 16)


def order(R, scenes, _):
    if len(lit(scenes)) < 2:
        return None
    a, b = R.sample(lit(scenes), 2)
    x, z = R.choice(a.things).name, R.choice(b.things).name
    return {"x": x, "z": z}, x if a.start < b.start else z


def edge(scenes, index):
    live = lit(scenes)
    if len(live) < 2 or len(live[index].things) != 1:
        return None
    return {}, live[index].things[0].name


def first(R, scenes, _):
    return edge(scenes, 0)


def last(R, scenes, _):
    return edge(scenes, -1)


def when(R, scenes, frames):
    """Scenes whose middle lies near a third of the clip are left out: their answer would be a matter of taste."""
    answers = []
    for s in lit(scenes):
        middle = (s.start + s.length / 2) / frames
        if min(abs(middle - 1 / 3), abs(middle - 2 / 3)) >= 0.05:
            answers += [(("beginning", "middle", "end")[int(middle * 3)], {"x": t.name}) for t in s.things]
    return balanced(R, answers)


FACTS = {"color": color, "shape": shape, "exist": exist, "count": count, "together": together,
         "direction": direction, "position": position, "ocr": ocr, "needle": needle, "order": order,
         "first": first, "last": last, "when": when}
