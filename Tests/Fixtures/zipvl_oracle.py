"""ZipVL prefill written a second time: dense attention under masks, one prompt, float32, no cache.

An independent check of the Swift engine, so it shares no code with it and takes no short cut: every
projection is computed for every row, and what is not selected is masked.
"""
import torch
import torch.nn.functional as F

MASK64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


class SplitMix64:
    def __init__(self, state):
        self.state = state & MASK64

    def next(self):
        self.state = (self.state + GOLDEN) & MASK64
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
        return z ^ (z >> 31)


def probe_rows(n, layer, seed, recent=64, random=64):
    """Sorted random rows of [0, n - recent), then the last `recent` rows."""
    recent = min(recent, n)
    items = list(range(n - recent))
    generator = SplitMix64(seed + GOLDEN * (layer + 1))
    count = min(random, len(items))
    for i in range(count):
        j = i + ((generator.next() * (len(items) - i)) >> 64)
        items[i], items[j] = items[j], items[i]
    return sorted(items[:count]) + list(range(n - recent, n))


def select(a, rows, tau, always):
    """The kept set of one layer, and how far the choice is from going the other way.

    a: [n] summed probe attention. Returns kept [k] ascending, p, the distance of the running sum
    from its threshold, and the relative gap between the last score chosen and the first left out.
    """
    n = a.numel()
    running = a.sort(descending=True).values.cumsum(0)
    threshold = tau * a.sum()
    p = min(int((running < threshold).sum()) + 1, n)
    slack = float((running - threshold).abs().min())
    seen_by = (torch.tensor(rows)[:, None] >= torch.arange(n)[None]).sum(0)
    normalised = a / seen_by
    ranked = sorted(range(n), key=lambda j: (-float(normalised[j]), j))
    gap = float("inf")
    if p < n:
        last, first = float(normalised[ranked[p - 1]]), float(normalised[ranked[p]])
        gap = (last - first) / last
    return sorted(set(ranked[:p]) | set(always)), p, slack, gap


class Decoder:
    """The language half of a checkpoint. w: tensors as float32; c: see checkpoint_layout."""

    def __init__(self, w, c, rope_theta, eps=1e-6):
        self.w, self.c, self.eps = w, c, eps
        half = torch.arange(0, c["head_dim"], 2).float() / c["head_dim"]
        self.inverse_frequencies = 1.0 / rope_theta ** half
        self.head = w.get("lm_head.weight", w["model.embed_tokens.weight"])

    def norm(self, x, name):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.w[name]

    def rotate(self, x, positions):                       # x [heads, n, head_dim]
        angle = positions.float()[:, None] * self.inverse_frequencies
        a, b = x.chunk(2, -1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def queries_keys_values(self, x, p, positions):
        y = self.norm(x, p + "input_layernorm.weight")
        out = []
        for name, heads in (("q", "heads"), ("k", "kv_heads"), ("v", "kv_heads")):
            z = F.linear(y, self.w[f"{p}self_attn.{name}_proj.weight"],
                         self.w[f"{p}self_attn.{name}_proj.bias"])
            out.append(z.view(len(x), self.c[heads], -1).transpose(0, 1))
        group = self.c["heads"] // self.c["kv_heads"]
        q, k, v = out
        return (self.rotate(q, positions),
                self.rotate(k, positions).repeat_interleave(group, 0),
                v.repeat_interleave(group, 0))

    def feed_forward(self, x, p):
        y = self.norm(x, p + "post_attention_layernorm.weight")
        gate = F.silu(F.linear(y, self.w[p + "mlp.gate_proj.weight"]))
        up = F.linear(y, self.w[p + "mlp.up_proj.weight"])
        return x + F.linear(gate * up, self.w[p + "mlp.down_proj.weight"])

    def forward(self, x, prompt, layer_choice):
        """x [n + g, D]: prompt rows and then generated ones. Returns logits of every generated
        position, starting at the last prompt row: [g + 1, vocab].

        layer_choice(layer, q, k) gives the kept prompt indices of that layer."""
        total = len(x)
        positions = torch.arange(total)
        causal = positions[None, :] <= positions[:, None]
        for layer in range(self.c["layers"]):
            p = f"model.layers.{layer}."
            q, k, v = self.queries_keys_values(x, p, positions)
            active = torch.ones(total, dtype=torch.bool)
            active[:prompt] = False
            active[layer_choice(layer, q[:, :prompt], k[:, :prompt])] = True
            allowed = causal & active[None, :]
            score = (q @ k.transpose(1, 2)) * self.c["head_dim"] ** -0.5
            score = score.masked_fill(~allowed, torch.finfo(score.dtype).min)
            mixed = (score.softmax(-1) @ v).transpose(0, 1).reshape(total, -1)
            mixed[~active] = 0                            # an unselected row passes through
            x = x + F.linear(mixed, self.w[p + "self_attn.o_proj.weight"])
            x = self.feed_forward(x, p)
        return F.linear(self.norm(x[prompt - 1:], "model.norm.weight"), self.head)


def run(decoder, embeddings, prefix, visual, tau, seed, steps, ids):
    """embeddings [n, D]. Prefill and `steps` greedy tokens over the kept keys; ids >= `ids` masked.

    Returns named tensors and the margins: smallest top-1 lead, threshold slack, ranking gap."""
    n, layers = len(embeddings), decoder.c["layers"]
    always = [*range(prefix), *range(prefix + visual, n), *range(max(0, n - 64), n)]
    out, kept, margins = {}, {}, {"slack": float("inf"), "gap": float("inf")}

    def choose(layer, q, k):
        if layer in kept:                                 # decided once, by the prompt alone
            return kept[layer]
        rows = probe_rows(n, layer, seed)
        score = (q[:, rows] @ k.transpose(1, 2)) * decoder.c["head_dim"] ** -0.5
        hidden = torch.arange(n)[None, :] > torch.tensor(rows)[:, None]
        a = score.masked_fill(hidden, float("-inf")).softmax(-1).mean(0).sum(0)
        kept[layer], p, slack, gap = select(a, rows, tau, always)
        margins["slack"], margins["gap"] = min(margins["slack"], slack), min(margins["gap"], gap)
        out[f"probe_rows.{layer}"] = torch.tensor(rows)
        out[f"scores.{layer}"] = a
        out[f"kept.{layer}"] = torch.tensor(kept[layer])
        out.setdefault("top_p", torch.zeros(layers, dtype=torch.int64))[layer] = p
        return kept[layer]

    embed, generated, lead = decoder.w["model.embed_tokens.weight"], [], float("inf")
    for step in range(steps):
        x = torch.cat((embeddings, embed[generated])) if generated else embeddings
        logits = decoder.forward(x, n, choose)
        if step == 0:
            out["prefill_logits"] = logits[0]
        best = logits[-1, :ids].topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        generated.append(int(best.indices[0]))
    out["greedy_ids"] = torch.tensor(generated)
    margins["lead"] = lead
    margins["kept"] = [len(kept[layer]) / n for layer in range(layers)]
    return out, margins
