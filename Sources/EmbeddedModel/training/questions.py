"""Questions about a clip, with the answer read off its scenes."""
from dataclasses import dataclass, field

from vocabulary import COLORS, DIRECTIONS, PAIRS, PLACES, SHAPES, TRAINING_PAIRS, is_held_pair, sort_of
from wordings import HELD_WORDINGS, LEADS, TAILS, WORDINGS

TYPES = ["color", "shape", "exist", "count", "together", "direction", "position", "ocr", "needle", "order", "after",
         "before", "first", "last", "when", "longer", "list"]
PARTS = ["beginning", "middle", "end"]
MOST, LISTED = 6, 4         # the highest answer to "how many", the longest list


@dataclass
class Question:
    kind: str
    fields: dict[str, str]                              # of the wordings
    answer: str
    pool: list[str] = field(default_factory=list)       # other answers of the kind; empty: not for multiple choice


def ask(R, kind, scenes, frames):
    """A Question of this kind about a clip of `frames` distinct frames, or None when the clip gives no cause for it.

    Where the kind allows, each answer that the clip can give is equally likely. No question names a held-out pair
    that the clip does not show.
    """
    found = FACTS[kind](R, scenes, frames)
    return None if found is None else Question(kind, *found)


def plain(question, index, held=False):
    """The question in its `index`-th wording (counted round and round), trained or held out, without lead or tail."""
    wordings = (HELD_WORDINGS if held else WORDINGS)[question.kind]
    text = wordings[index % len(wordings)].format(**question.fields)
    return text.replace(" a orange", " an orange")


def worded(R, question, held=False):
    return plain(question, int(R.random() * len((HELD_WORDINGS if held else WORDINGS)[question.kind])), held)


def dressed(R, text, tail=True):
    """The text with what people put before and, if `tail`, after a question: mostly nothing."""
    lead = R.choice(LEADS)
    if lead.endswith(", "):
        lead, text = ("", text) if "video" in text else (lead, text[0].lower() + text[1:])
    return lead + text + (R.choice(TAILS) if tail else "")


# What follows gives (fields, answer, pool) or None, from (R, scenes, frames).

def things(scenes, cards=False):
    return [t for s in scenes for t in s.things if t.is_card == cards]


def lit(scenes):
    """The scenes that show anything."""
    return [s for s in scenes if s.things]


def balanced(R, answers, pool=()):
    """One of `answers` [(answer, fields)], each answer equally likely however often it occurs."""
    if not answers:
        return None
    answer = R.choice(sorted({a for a, _ in answers}))
    return R.choice([f for a, f in answers if a == answer]), answer, [p for p in pool if p != answer]


def color(R, scenes, _):
    shapes = [t.shape for t in things(scenes)]
    return balanced(R, [(COLORS[t.color], {"s": SHAPES[t.shape]}) for t in things(scenes)
                        if shapes.count(t.shape) == 1], COLORS)


def shape(R, scenes, _):
    colors = [t.color for s in scenes for t in s.things]
    return balanced(R, [(SHAPES[t.shape], {"c": COLORS[t.color]}) for t in things(scenes)
                        if colors.count(t.color) == 1], SHAPES)


def exist(R, scenes, _):
    """Half of the answers are no; two thirds of those are about a colour and a shape that both occur, if possible."""
    shown = {(t.color, t.shape) for t in things(scenes)}
    if not shown:
        return None
    yes, pairs = R.random() < 0.5, sorted(shown)
    if not yes:
        pairs = [p for p in PAIRS if p not in shown and not is_held_pair(*p)]
        colors, shapes = {c for c, _ in shown}, {s for _, s in shown}
        near = [p for p in pairs if p[0] in colors and p[1] in shapes] or [
            p for p in pairs if p[0] in colors or p[1] in shapes]
        pairs = near if near and R.random() < 2 / 3 else pairs
    c, s = R.choice(pairs)
    return {"x": f"{COLORS[c]} {SHAPES[s]}"}, "Yes" if yes else "No", []


def count(R, scenes, _):
    shown = things(scenes)
    answers = [(sum(t.color == i for t in shown), f"{c} objects") for i, c in enumerate(COLORS)]
    answers += [(sum(t.shape == i for t in shown), plural(s)) for i, s in enumerate(SHAPES)]
    answers.append((len(things(scenes, cards=True)), "cards"))
    return balanced(R, [(str(n), {"y": y}) for n, y in answers if n <= MOST], [str(n) for n in range(MOST + 1)])


def plural(shape):
    return "crosses" if shape == "cross" else shape + "s"


def together(R, scenes, _):
    return balanced(R, [(str(len(s.things)), {"x": t.name}) for s in scenes for t in s.things if not t.is_card],
                    ["1", "2", "3"])


def direction(R, scenes, _):
    """Only things seen for three frames or more: a shorter stay shows no motion."""
    if not any(t.motion for t in things(scenes)):
        return None
    return balanced(R, [(t.motion or "not moving", {"x": t.name}) for s in scenes for t in s.things
                        if not t.is_card and s.length >= 3], [*DIRECTIONS, "not moving"])


def position(R, scenes, _):
    return balanced(R, [(t.place, {"x": t.name}) for t in things(scenes) if not t.motion], list(PLACES))


def read_card(R, scenes, shown):
    """The pool is what the clip's other cards say, or at least the same text backwards; options.py draws its own."""
    cards = [t for s in scenes for t in s.things if t.is_card and shown(s)]
    if not cards:
        return None
    t = R.choice(cards)
    sort = sort_of(t.text)
    others = [u.text for u in things(scenes, cards=True) if u is not t and u.text != t.text]
    return ({"c": COLORS[t.color], "k": "letters are" if sort == "letters" else f"{sort} is", "n": sort},
            t.text, others or [t.text[::-1]])


def ocr(R, scenes, frames):
    return read_card(R, scenes, lambda s: frames < 16 or s.length > 1)


def needle(R, scenes, frames):
    return read_card(R, scenes, lambda s: frames >= 16 and s.length == 1)


def names(R, scenes, *known):
    """Other things of the clip than `known`; filled up to three with things for training that it does not show."""
    pool = [t.name for s in scenes for t in s.things if t.name not in known]
    while len(pool) < 3:
        c, s = R.choice(TRAINING_PAIRS)
        name = f"{COLORS[c]} {SHAPES[s]}"
        if name not in pool and name not in known:
            pool.append(name)
    return pool


def one_of(names):
    """"the A or the B", "the A, the B or the C"."""
    return ", ".join(f"the {n}" for n in names[:-1]) + f" or the {names[-1]}"


def order(R, scenes, _):
    """Of two things, or of three one time in three, the one whose scene comes first."""
    live = lit(scenes)
    if len(live) < 2:
        return None
    chosen = R.sample(live, 3 if len(live) > 2 and R.random() < 1 / 3 else 2)
    named = [R.choice(s.things).name for s in chosen]
    answer = min(zip((s.start for s in chosen), named))[1]
    return {"o": one_of(named)}, answer, [n for n in named if n != answer]


def neighbour(step):
    """What is shown in the scene `step` scenes away, empty ones not counted, where that is one thing alone."""
    def fact(R, scenes, _):
        live = lit(scenes)
        pairs = [(live[i], live[i + step]) for i in range(len(live))
                 if 0 <= i + step < len(live) and len(live[i + step].things) == 1]
        if not pairs:
            return None
        scene, other = R.choice(pairs)
        x, answer = R.choice(scene.things).name, other.things[0].name
        return {"x": x}, answer, names(R, scenes, answer, x)
    return fact


def edge(index):
    def fact(R, scenes, _):
        live = lit(scenes)
        if len(live) < 2 or len(live[index].things) != 1:
            return None
        answer = live[index].things[0].name
        return {}, answer, names(R, scenes, answer)
    return fact


def when(R, scenes, frames):
    """Scenes whose middle lies near a third of the clip are left out: their answer would be a matter of taste."""
    if frames < 6:
        return None
    answers = []
    for s in lit(scenes):
        middle = (s.start + s.length / 2) / frames
        if min(abs(middle - 1 / 3), abs(middle - 2 / 3)) >= 0.05:
            answers += [(PARTS[int(middle * 3)], {"x": t.name}) for t in s.things]
    return balanced(R, answers, PARTS)


def longer(R, scenes, _):
    """Of two scenes the one that lasts at least twice as long as the other."""
    live = lit(scenes)
    pairs = [(a, b) for a in live for b in live if a.length >= 2 * b.length]
    if not pairs:
        return None
    a, b = R.choice(pairs)
    long, short = R.choice(a.things).name, R.choice(b.things).name
    x, z = (long, short) if R.random() < 0.5 else (short, long)
    return {"x": x, "z": z}, long, [short]


def listing(R, scenes, _):
    """The order of three named things (half of the time, where there are three scenes), or of all that are something.

    No two things of a list are of one scene, and no list is longer than LISTED.
    """
    live = lit(scenes)
    if len(live) > 2 and R.random() < 0.5:
        named = [(s.start, R.choice(s.things).name) for s in R.sample(live, 3)]
        a, b, c = (f"the {name}" for _, name in named)
        return {"p": f"{a}, {b} and {c}"}, ", ".join(name for _, name in sorted(named)), []
    groups = {}
    for i, s in enumerate(live):
        for t in s.things:
            keys = ["all cards"] if t.is_card else [f"all {COLORS[t.color]} objects", "all " + plural(SHAPES[t.shape])]
            for key in (*keys, "everything"):
                groups.setdefault(key, []).append((i, t.name))
    lists = {}
    for key, found in groups.items():
        if len({i for i, _ in found}) == len(found) <= LISTED:
            lists.setdefault(len(found), []).append(({"p": key}, ", ".join(name for _, name in found)))
    lengths = [n for n in lists if n > 1] or [n for n in lists if len(live) == 1]
    if not lengths:
        return None
    return *R.choice(lists[R.choice(lengths)]), []


FACTS = {"color": color, "shape": shape, "exist": exist, "count": count, "together": together,
         "direction": direction, "position": position, "ocr": ocr, "needle": needle, "order": order,
         "after": neighbour(1), "before": neighbour(-1), "first": edge(0), "last": edge(-1), "when": when,
         "longer": longer, "list": listing}
