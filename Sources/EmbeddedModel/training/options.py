"""Multiple choice: wrong options beside the answer, and the prompt that asks for a letter."""
from questions import TYPES
from vocabulary import CAPITALS, CODES, DIGITS, WORD_SET, is_held_code, sort_of

LETTERS = "ABCD"
LETTERED = [kind for kind in TYPES if kind not in ("exist", "list")]
INSTRUCTION = "Answer with the option's letter from the given choices directly."


def lettered(R, question, near=0.5):
    """(options in a shuffled order, the letter of the right one), or None when the question is not for it.

    Four options, fewer (two at least) where the kind has fewer answers. Those of a card are all of its sort; with
    probability `near` the wrong ones share one or two characters at their places with the answer, else none.
    """
    if question.kind not in LETTERED:
        return None
    if question.kind in ("ocr", "needle"):
        wrong = wrong_codes(R, question.answer, R.random() < near)
    else:
        pool = list(dict.fromkeys(p for p in question.pool if p != question.answer))
        wrong = R.sample(pool, min(len(pool), len(LETTERS) - 1))
    if not wrong:
        return None
    choices = [*wrong, question.answer]
    R.shuffle(choices)
    return choices, LETTERS[choices.index(question.answer)]


def wrong_codes(R, answer, near):
    """Three texts of the answer's sort, held out as it is: else its being unknown would give it away."""
    sort, held = sort_of(answer), is_held_code(answer)
    if sort == "word":
        return wrong_words(R, answer, held, near)
    glyphs, wrong = DIGITS if sort == "number" else CAPITALS, []
    while len(wrong) < len(LETTERS) - 1:
        if near:
            kept = R.sample(range(3), R.choice((1, 2)))
            text = "".join(c if i in kept else other(R, glyphs, c) for i, c in enumerate(answer))
        else:
            text = "".join(other(R, glyphs, c) for c in answer)
        if is_held_code(text) == held and text not in wrong and text not in WORD_SET:
            wrong.append(text)
    return wrong


def other(R, glyphs, glyph):
    while True:
        drawn = R.choice(glyphs)
        if drawn != glyph:
            return drawn


def wrong_words(R, answer, held, near):
    """Held-out words have few neighbours of their own, so that trained ones fill up."""
    wrong = []
    for words in [CODES["word", held]] + [CODES["word", False]] * held:
        fitting = [w for w in words if w != answer and (sum(a == b for a, b in zip(w, answer)) > 0) == near]
        wrong += R.sample(fitting, min(len(fitting), len(LETTERS) - 1 - len(wrong)))
    return wrong


def with_choices(text, choices):
    """The prompt as the evaluation writes it for an item with choices."""
    return "\n".join([text, *(f"{letter}. {option}" for letter, option in zip(LETTERS, choices)), INSTRUCTION])
