"""MInference (arXiv 2407.02490): which (query, key) pairs of one head are attended.

A pattern is a list as in the published configuration files: the kind, two sizes and the score of
the search, which nothing here reads. Of `block_sparse` the first size is the number of blocks, of
`stream_llm` the sizes are those of the first and of the most recent keys.
"""
import torch

from method_rules import ranking

ESTIMATE_ROWS, FORCED_COLUMNS, FORCED_DIAGONALS, BLOCK = 64, 30, 100, 64


def visible_pairs(pattern, q, k, margins):
    """q, k [n, d] of one head: booleans [n, n]."""
    kind, first, second = pattern[:3]
    n = len(q)
    causal = torch.ones(n, n, dtype=torch.bool).tril()
    if kind == "vertical_and_slash":
        return causal & vertical_and_slash(first, second, q, k, margins)
    if kind == "stream_llm":
        j = torch.arange(n)
        return causal & ((j[None, :] < first) | (j[:, None] - j[None, :] < second))
    assert kind == "block_sparse", kind
    return causal & block_sparse(first, q, k, margins)


def vertical_and_slash(vertical, slash, q, k, margins):
    n = len(q)
    rows = torch.arange(n)[-ESTIMATE_ROWS:]
    score = (q[rows] @ k.T) * q.shape[-1] ** -0.5
    seen = torch.arange(n)[None, :] <= rows[:, None]
    attention = score.masked_fill(~seen, float("-inf")).softmax(-1)
    columns = attention.sum(0)
    diagonals = torch.stack([attention[rows >= o, rows[rows >= o] - o].sum() for o in range(n)])
    column_set = forced_and_best(columns, FORCED_COLUMNS, vertical, margins)
    diagonal_set = forced_and_best(diagonals, FORCED_DIAGONALS, slash, margins)
    offset = (torch.arange(n)[:, None] - torch.arange(n)[None, :]).clamp(min=0)
    return column_set[None, :] | diagonal_set[offset]


def forced_and_best(values, forced, count, margins):
    """Booleans [n]: the first min(forced, count) indices and the largest others, count in all."""
    n = len(values)
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[:min(forced, count)] = True
    others = [j for j in ranking(values) if not chosen[j]]
    more = min(count, n) - int(chosen.sum())
    if more > 0:
        margins.note_gap(values, others, more)
        chosen[others[:more]] = True
    return chosen


def block_sparse(count, q, k, margins):
    n = len(q)
    block = torch.arange(n) // BLOCK
    blocks = int(block[-1]) + 1
    mean = lambda x: torch.stack([x[block == b].mean(0) for b in range(blocks)])
    score = mean(q) @ mean(k).T
    chosen = torch.eye(blocks, dtype=torch.bool)
    for row in range(blocks):
        order = ranking(score[row, :row + 1])
        margins.note_gap(score[row], order, count, scale=score.abs().max())
        chosen[row, order[:count]] = True
    return chosen[block][:, block]
