"""Which rows a method scores and keeps: the rules of every prefill method, on one sequence.

Rows are 0 ... n - 1 of what is still in the sequence; text is a list of n booleans. A rule notes in
`Margins` how far each of its decisions is from going the other way.
"""
import math

import torch

from zipvl_oracle import GOLDEN, SplitMix64

RECENT_ALWAYS_KEPT = 64
RANDOM_CHOICE_STREAM = 1 << 32    # apart, so that layers draw independently


class Margins(dict):
    """The smallest distance of any decision from its opposite, by kind."""

    def note(self, kind, value):
        self[kind] = min(self.get(kind, float("inf")), float(value))

    def note_gap(self, values, ranking, count, scale=None):
        """The distance between the last value that was taken and the first left out, relative to
        the former or to `scale`."""
        if 0 < count < len(ranking):
            last, first = float(values[ranking[count - 1]]), float(values[ranking[count]])
            self.note("gap", (last - first) / float(scale or last) if last != first else 0)


def rounded(x):
    """To the nearest whole number, halves away from zero (x is positive)."""
    return math.floor(x + 0.5)


def ranking(values):
    """Indices by falling value; ties go to the lower index."""
    values = [float(x) for x in values]
    return sorted(range(len(values)), key=lambda j: (-values[j], j))


def draw(count, bound, generator):
    """The front of a Fisher-Yates shuffle of 0 ... bound - 1."""
    items = list(range(bound))
    for i in range(count):
        j = i + ((generator.next() * (bound - i)) >> 64)
        items[i], items[j] = items[j], items[i]
    return items[:count]


def generator(seed, stream):
    return SplitMix64(seed + GOLDEN * (stream + 1))


def probe_rows(options, text, layer):
    """Ascending rows whose queries score the others."""
    n = len(text)
    recent, random = options["probes"]
    last = list(range(max(0, n - recent), n))
    if options["probeRule"] == "question":
        last = [j for j in range(text.index(False), n) if text[j]][-recent:]
    pool = last[0]
    m, source = min(random, pool), generator(options["seed"], layer)
    if options["probeRule"] == "stratified":
        edges = [i * pool // m for i in range(m + 1)] if m else []
        first = [a + ((source.next() * (b - a)) >> 64) for a, b in zip(edges, edges[1:])]
    else:
        first = sorted(draw(m, pool, source))
    return first + last


def probe_scores(q, k, rows):
    """q, k [H, n, d]: attention that the probe rows pay to each row, per head [H, n]."""
    score = (q[:, rows] @ k.transpose(1, 2)) * q.shape[-1] ** -0.5
    future = torch.arange(k.shape[1])[None, :] > torch.tensor(rows)[:, None]
    return score.masked_fill(future, float("-inf")).softmax(-1).sum(1)


def normalised(a, rows, norm):
    """a [..., n] divided by the number of rows that see each column."""
    n = a.shape[-1]
    columns = torch.arange(n)
    if norm == "zipcache":
        return a / (n - columns)
    return a / (torch.tensor(rows)[:, None] >= columns[None]).sum(0).clamp(min=1)


def forced_rows(text):
    n = len(text)
    return [j for j in range(n) if text[j] or j >= n - RECENT_ALWAYS_KEPT]


def zipvl_choice(options, text, layer, a, rows, margins):
    """T of ZipVL. a [n]: mean over heads of the probe scores."""
    n, forced = len(text), forced_rows(text)
    values = normalised(a, rows, options["norm"])
    order = ranking(values)
    along = ranking(a) if options["pRule"] == "raw" else order
    running = a[along].double().cumsum(0)
    threshold = options["tau"] * float(a.double().sum())
    margins.note("slack", (running - threshold).abs().min())
    p = min(int((running < threshold).sum()) + 1, n)
    if options["select"] == "random":
        chosen = draw(p, n, generator(options["seed"], RANDOM_CHOICE_STREAM * (layer + 1)))
    else:
        chosen = order[:p]
        margins.note_gap(values, order, p)
    chosen = set(chosen) | set(forced)
    bucket = options["selectBucket"]
    wanted = min(n, -(-len(chosen) // bucket) * bucket)
    return fill_up(chosen, order, wanted, values, margins)


def best_with_forced(ratio, text, values, margins):
    """Forced rows and the best of the others, round(ratio n) in all."""
    chosen = set(forced_rows(text))
    wanted = max(len(chosen), rounded(ratio * len(text)))
    return fill_up(chosen, ranking(values), wanted, values, margins)


def fill_up(chosen, order, wanted, values, margins):
    others = [j for j in order if j not in chosen]
    more = wanted - len(chosen)
    if more:
        margins.note_gap(values, others, more)
    return sorted(chosen | set(others[:more]))


def fastv_choice(drop, text, q, k, margins):
    """Rows that stay: text and the visual rows that the last row attends most."""
    score = (q[:, -1:] @ k.transpose(1, 2)) * q.shape[-1] ** -0.5
    last = score.softmax(-1)[:, 0].mean(0)
    visual = [j for j in range(len(text)) if not text[j]]
    order = ranking(last[visual])
    count = rounded(len(visual) * (1 - drop))
    margins.note_gap(last[visual], order, count)
    best = {visual[i] for i in order[:count]}
    return [j for j in range(len(text)) if text[j] or j in best]
