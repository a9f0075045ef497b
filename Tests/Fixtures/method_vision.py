"""Visual tokens that never enter the decoder: HiRED (arXiv 2408.10945), EVS (arXiv 2510.14624)."""
import torch
import torch.nn.functional as F

from method_rules import ranking, rounded


def class_attention(tower, pixels, grid, stride=2):
    """tower: CLIPVisionModel with eager attention. Attention of the class token in the layer whose
    output is the selected hidden state, summed over heads and over each cell: [frames, cells]."""
    layer = tower.config.num_hidden_layers - 2
    attention = tower(pixels, output_attentions=True).attentions[layer]   # [N, heads, 1+P, 1+P]
    patches = attention[:, :, 0, 1:].sum(1).view(-1, 1, grid, grid)
    return F.avg_pool2d(patches, stride).flatten(1) * stride ** 2


def evs_choice(tokens, cells, rate, margins):
    """Indices of tokens [V, D] that differ most from the same cell of the frame before."""
    frames = tokens.view(-1, cells, tokens.shape[-1])
    unlike = 1 - F.cosine_similarity(frames[1:], frames[:-1], dim=-1)
    unlike = torch.cat((torch.full((1, cells), float("inf")), unlike)).flatten()
    count = max(cells, rounded((1 - rate) * len(tokens)))
    order = ranking(unlike)
    if count > cells:
        margins.note_gap(unlike, order, count)
    return sorted(order[:count])


def hired_choice(attention, budget, candidates, margins):
    """attention [frames, cells]; candidates: indices that an earlier step left, or None."""
    frames, cells = attention.shape
    count = max(1, rounded(budget * cells))
    kept = []
    for frame in range(frames):
        there = [i for i in range(frame * cells, (frame + 1) * cells)
                 if candidates is None or i in candidates]
        values = attention.flatten()[there]
        order = ranking(values)
        margins.note_gap(values, order, count)
        kept += [there[i] for i in order[:count]]
    return sorted(kept)


def visual_choice(options, tokens, cells, attention, margins):
    """Indices of visual tokens that enter the decoder; None is all."""
    kept = None
    if options["premerge"] == "evs":
        kept = evs_choice(tokens, cells, options["premergeRate"], margins)
    if options["method"] == "hired":
        kept = hired_choice(attention, options["hiredBudget"], kept, margins)
    return kept
