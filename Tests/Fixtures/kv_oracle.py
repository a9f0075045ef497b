"""The four-bit / two-bit cache of one layer, written a second time in numpy, sharing no code with the engine:
codes are packed one by one by a plain loop.

Rules: keys [heads, T, d] have one grid per head, channel and group, over the group's tokens; values are
divided by c = sqrt(largest magnitude over all T), stored in 16 bits, and have one grid per token over
all channels of the heads that are quantised together. A grid of b bits is (zero, step), 16 bits each:
zero is the smallest value rounded down, step is (largest - zero) / (2^b - 1) rounded up and at least
2^-24, codes are round((x - zero) / step), halves to even. Sixteen bits are float16 if all values are
below 60000 in magnitude, else bfloat16. Rounded down: the nearest one if it is not above x, else the
nearest to x - |x| s - 2^-24 with s = 2^-10 (float16) or 2^-7 (bfloat16). Codes are packed in the order
[head, token, channel], the first in the lowest bits.

    python kv_oracle.py [OUTPUT]     writes kv_cases.safetensors beside this file
"""
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

F = np.float32
TINY = F(2.0 ** -24)


def bfloat16(x):
    """Nearest bfloat16, halves to even, as float32."""
    bits = np.asarray(x, F).view(np.uint32).astype(np.uint64)
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return kept.astype(np.uint32).view(F)


def nearest(x, half):
    return np.asarray(x, F).astype(np.float16).astype(F) if half else bfloat16(x)


def down(x, half):
    near = nearest(x, half)
    spacing = F(2.0 ** -10 if half else 2.0 ** -7)
    return np.where(near <= x, near, nearest(x - (np.abs(x) * spacing + TINY), half))


def quantise(x, axes, bits):
    """x float32, not empty: zero, step, codes (all float32 arrays)."""
    half = bool(np.abs(x).max() < 60000)
    zero = down(x.min(axes, keepdims=True), half)
    levels = F(2 ** bits - 1)
    step = np.maximum(-down(-((x.max(axes, keepdims=True) - zero) / levels), half), TINY)
    codes = np.clip(np.rint((x - zero) / step), F(0), levels)
    return zero, step, codes


def pack(codes, bits):
    flat = [int(v) for v in codes.reshape(-1)]
    packed = []
    for start in range(0, len(flat), 8 // bits):
        byte = 0
        for place, code in enumerate(flat[start:start + 8 // bits]):
            byte |= code << (bits * place)
        packed.append(byte)
    return np.array(packed, np.uint8)


def map_bytes(indices):
    """The smallest of: first and count (no gaps), 32-bit numbers, a bitmap with its first number."""
    if not indices or indices[-1] - indices[0] + 1 == len(indices):
        return 8
    return min(4 * len(indices), 4 + -(-(indices[-1] - indices[0] + 1) // 8))


def compress(keys, values, salient):
    """keys, values float32 [heads, T, d] quantised together; salient ascending.

    Returns tensors (codes, zero points, steps, c and both read back) and the bytes stored."""
    tokens = keys.shape[1]
    root = np.sqrt(np.abs(values).max(1, keepdims=True))
    half = bool(root.max() < 60000)
    c = np.maximum(nearest(root, half), TINY)
    even = values / c
    back_k, back_v = np.empty_like(keys), np.empty_like(values)
    bound_k, bound_v = np.zeros_like(keys), np.zeros_like(values)
    out, stored = {"c": c}, 2 * c.size + map_bytes(salient)
    others = [t for t in range(tokens) if t not in set(salient)]
    for bits, group in ((4, salient), (2, others)):
        if not group:
            continue
        for name, x, axes, back, bound in (("keys", keys, (1,), back_k, bound_k),
                                           ("values", even, (0, 2), back_v, bound_v)):
            zero, step, codes = quantise(x[:, group], axes, bits)
            packed = pack(codes, bits)
            out[f"{name}.{bits}.codes"] = packed
            out[f"{name}.{bits}.zero"], out[f"{name}.{bits}.step"] = zero, step
            stored += packed.size + 2 * (zero.size + step.size)
            scale = c if name == "values" else F(1)
            back[:, group] = (codes * step + zero) * scale
            bound[:, group] = step / 2 * scale
    for name, x, back, bound in (("keys", keys, back_k, bound_k), ("values", values, back_v, bound_v)):
        # float32 arithmetic of numbers of this size, apart from the half step
        assert (np.abs(back - x) <= bound * (1 + 1e-5) + 1e-6 * np.abs(x)).all(), name
        out[name + ".back"], out[name + ".bound"] = back, bound
    return out, stored


def case(rng, heads, tokens, width, salient, change=None):
    """salient: one list for all heads or one for each."""
    channel = np.exp(rng.normal(0, 1.5, (2, heads, 1, width)))          # outlier channels
    keys, values = (rng.normal(0, 1, (2, heads, tokens, width)) * channel).astype(F)
    keys += (rng.normal(0, 4, (heads, 1, width))).astype(F)
    if change:
        change(keys, values)
    out, stored, each = {"input.keys": keys, "input.values": values}, 0, heads // len(salient)
    for part, chosen in enumerate(salient):
        rows = slice(part * each, (part + 1) * each)
        tensors, count = compress(keys[rows], values[rows], chosen)
        stored += count
        out[f"salient.{part}"] = np.array(chosen, np.int64)
        out.update({f"{part}.{name}": tensor for name, tensor in tensors.items()})
    out["bytes"] = np.array([stored], np.int64)
    return out


def main(path):
    rng = np.random.default_rng(3)

    def draw(count, tokens):
        return sorted(int(t) for t in rng.permutation(tokens)[:count])

    def constant(keys, values):
        keys[:, :, 0] = F(-599.7)
        keys[0, :, 1] = F(0)
        values[:, :, 2] = F(0)
        values[:, 3] = F(0.1)

    def far(keys, values):
        keys[0, :, 1] += F(640)                    # a bias that dwarfs what tells the tokens apart
        values[1, 4, 2] = F(-300)

    def beyond_half(keys, values):
        keys[0, 5, 3] = F(1.5e5)
        values[0, 5, 3] = F(-2e5)

    cases = {
        "together": case(rng, 2, 37, 8, [draw(11, 37)]),
        "each-head": case(rng, 3, 23, 6, [draw(9, 23) for _ in range(3)]),
        "one-token-groups": case(rng, 2, 2, 4, [[1]]),
        "all-salient": case(rng, 2, 9, 5, [list(range(9))]),
        "none-salient": case(rng, 2, 9, 5, [[]]),
        "constant-channels": case(rng, 2, 16, 4, [draw(6, 16)], constant),
        "far-from-zero": case(rng, 2, 16, 4, [draw(6, 16)], far),
        "beyond-float16": case(rng, 1, 16, 8, [draw(6, 16)], beyond_half),
    }
    save_file({f"{name}/{tensor}": np.ascontiguousarray(value)
               for name, tensors in cases.items() for tensor, value in tensors.items()}, path)


if __name__ == "__main__":
    default = pathlib.Path(__file__).with_name("kv_cases.safetensors")
    main(sys.argv[1] if len(sys.argv) > 1 else str(default))
