"""Every prefill method written a second time: dense attention under masks, one prompt, float32.

An independent check of the Swift engine. Every projection is computed for every prompt row in every
layer, also for rows that have left; what a method skips is masked. Decoding computes the whole
prompt again for each token, under the masks that the prompt alone decided.
"""
import torch
import torch.nn.functional as F

import method_rules as rules
from method_minference import visible_pairs
from method_vision import visual_choice

DEFAULTS = dict(
    method="zipvl", tau=0.975, norm="exact", pRule="raw", probes=[64, 64], probeRule="random",
    select="scores", seed=0, rows="zero", ratio=0.421, fastvLayer=2, fastvDrop=0.5,
    minference=None, hiredBudget=0.2, qkRatio=0.73, denseLayers=[], denseBelow=0, selectBucket=1,
    ffn="all", retireAfter=0, kv=None, premerge="none", premergeRate=0.5)


class LayerMasks:
    """What one layer does, in prompt positions. allowed [heads or 1, n, n]: pairs that attention
    computes; updated [n]: rows on which the feed-forward layer runs; cached [n]: keys that stay."""

    def __init__(self, n, rows):
        causal = torch.ones(n, n, dtype=torch.bool).tril()
        here = torch.zeros(n, dtype=torch.bool)
        here[rows] = True
        self.allowed = (causal & here[None, :] & here[:, None])[None]
        self.updated = here.clone()
        self.cached = here


class Prefill:
    """The decisions of one method about one prompt, made layer by layer."""

    def __init__(self, options, n, prefix, visual, kept_visual, margins):
        self.options, self.n, self.margins = options, n, margins
        self.is_text = [not prefix <= j < prefix + visual for j in range(n)]
        kept = range(visual) if kept_visual is None else kept_visual
        entering = {prefix + i for i in kept}
        self.rows = [j for j in range(n) if self.is_text[j] or j in entering]
        self.unselected = dict.fromkeys(self.rows, 0)
        self.out, self.kept_share = {}, []

    def decide(self, layer, q, k):
        """q, k [heads, n, d] of all prompt positions. Returns the layer's masks."""
        here, o = self.rows, self.options
        q, k, text = q[:, here], k[:, here], [self.is_text[j] for j in here]
        masks = LayerMasks(self.n, here)
        dense = layer in o["denseLayers"]
        share = len(here)
        if o["method"] in ("zipvl", "fixed"):
            if not dense and len(here) >= o["denseBelow"]:
                kept = self.choose(layer, q, k, text)
                self.attend_kept(kept, masks)
                share = len(kept)
            else:
                kept = here
            self.retire(layer, kept)
        elif o["method"] == "qk-sparse" and not dense:
            share = self.attend_per_head(layer, q, k, text, masks)
        elif o["method"] == "minference" and not dense:
            share = self.attend_patterns(layer, q, k, masks)
        elif o["method"] == "fastv" and layer == o["fastvLayer"] - 1:
            stay = rules.fastv_choice(o["fastvDrop"], text, q, k, self.margins)
            self.leave(layer, [here[i] for i in stay])
        if len(here) < self.n:
            self.out.setdefault(f"kept.{layer}", here)
        self.kept_share.append(share / self.n)
        return masks

    def positions(self, rows):
        return [self.rows[i] for i in rows]

    def choose(self, layer, q, k, text):
        """T of this layer as prompt positions."""
        rows = rules.probe_rows(self.options, text, layer)
        a = rules.probe_scores(q, k, rows).mean(0)
        self.out[f"probe_rows.{layer}"] = self.positions(rows)
        if self.options["method"] == "zipvl":
            kept = rules.zipvl_choice(self.options, text, layer, a, rows, self.margins)
        else:
            values = rules.normalised(a, rows, self.options["norm"])
            kept = rules.best_with_forced(self.options["ratio"], text, values, self.margins)
        self.out[f"kept.{layer}"] = self.positions(kept)
        return self.positions(kept)

    def attend_kept(self, kept, masks):
        active = torch.zeros(self.n, dtype=torch.bool)
        active[kept] = True
        masks.allowed &= active[None, None, :]
        if self.options["rows"] == "zero":
            masks.allowed &= active[None, :, None]
        if self.options["ffn"] == "kept":
            masks.updated &= active
        if self.options["kv"] != "full":
            masks.cached = active

    def retire(self, layer, kept):
        kept = set(kept)
        for j in self.rows:
            self.unselected[j] = 0 if j in kept or self.is_text[j] else self.unselected[j] + 1
        limit = self.options["retireAfter"]
        if limit:
            self.leave(layer, [j for j in self.rows if self.unselected[j] < limit])

    def leave(self, layer, remaining):
        if len(remaining) < len(self.rows):
            self.out[f"remaining.{layer}"] = remaining
        self.rows = remaining

    def attend_per_head(self, layer, q, k, text, masks):
        rows = rules.probe_rows(self.options, text, layer)
        self.out[f"probe_rows.{layer}"] = self.positions(rows)
        values = rules.normalised(rules.probe_scores(q, k, rows), rows, self.options["norm"])
        active = torch.zeros(len(q), self.n, dtype=torch.bool)
        for head in range(len(q)):
            kept = self.positions(rules.best_with_forced(
                self.options["qkRatio"], text, values[head], self.margins))
            active[head, kept] = True
            self.out[f"kept_q.{layer}.{head}"] = kept
        masks.allowed = masks.allowed & active[:, None, :] & active[:, :, None]
        return int(active.sum()) / len(q)

    def attend_patterns(self, layer, q, k, masks):
        pairs = torch.stack([
            visible_pairs(self.options["minference"][layer][str(head)], q[head], k[head],
                          self.margins) for head in range(len(q))])
        here = torch.tensor(self.rows)
        allowed = torch.zeros(len(q), self.n, self.n, dtype=torch.bool)
        allowed[:, here[:, None], here[None, :]] = pairs
        before = masks.allowed.sum()
        masks.allowed = masks.allowed & allowed
        return len(self.rows) * float(masks.allowed.sum() / (before * len(q)))


def forward(decoder, x, n, masks_of):
    """x [n + g, D]: the prompt and g generated tokens. masks_of(layer, q, k) gives a layer's masks.
    Logits of the last prompt position and of every generated one: [g + 1, vocab]."""
    total = len(x)
    positions = torch.arange(total)
    for layer in range(decoder.c["layers"]):
        p = f"model.layers.{layer}."
        q, k, v = decoder.queries_keys_values(x, p, positions)
        masks = masks_of(layer, q[:, :n], k[:, :n])
        allowed = (positions[None, :] <= positions[:, None]).repeat(len(q), 1, 1)
        allowed[:, :n, :n] = masks.allowed
        allowed[:, n:, :n] = masks.cached
        score = (q @ k.transpose(1, 2)) * decoder.c["head_dim"] ** -0.5
        attention = score.masked_fill(~allowed, float("-inf")).softmax(-1)
        attention = attention.nan_to_num(0)               # a row that sees nothing gets zero
        mixed = (attention @ v).transpose(0, 1).reshape(total, -1)
        y = x + F.linear(mixed, decoder.w[p + "self_attn.o_proj.weight"])
        updated = torch.ones(total, dtype=torch.bool)
        updated[:n] = masks.updated
        x = torch.where(updated[:, None], decoder.feed_forward(y, p), y)
    return F.linear(decoder.norm(x[n - 1:], "model.norm.weight"), decoder.head)


def run(decoder, options, prompt, video, steps, ids):
    """options: what differs from DEFAULTS. prompt: text embeddings before and after the visual
    tokens. video: visual tokens [V, D], cells, class attention [frames, cells]. Ids >= `ids` are
    masked. Returns tensors by name and the margins, with the kept share of each layer."""
    o = DEFAULTS | options
    margins = rules.Margins()
    before, after = prompt
    tokens, cells, attention = video
    kept_visual = visual_choice(o, tokens, cells, attention, margins)
    embeddings = torch.cat((before, tokens, after))
    n = len(embeddings)
    prefill = Prefill(o, n, len(before), len(tokens), kept_visual, margins)
    decided = {}

    def masks_of(layer, q, k):
        if layer not in decided:
            decided[layer] = prefill.decide(layer, q, k)
        return decided[layer]

    generated = []
    for step in range(steps):
        new = decoder.w["model.embed_tokens.weight"][generated]
        logits = forward(decoder, torch.cat((embeddings, new)), n, masks_of)
        if step == 0:
            first = logits[0]
        best = logits[-1, :ids].topk(2)
        margins.note("lead", best.values[0] - best.values[1])
        generated.append(int(best.indices[0]))
    out = prefill.out | {"greedy_ids": generated}
    if kept_visual is not None:
        out["visual_kept"] = kept_visual
    out = {name: torch.tensor(value) for name, value in out.items()}
    out["prefill_logits"] = first
    return out, margins, prefill.kept_share
