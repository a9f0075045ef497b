"""Tiny LongVA checkpoints and what the reference implementation computes from them.

    python generate.py              rewrites every folder beside this file
    python generate.py NAME...      rewrites these
    python generate.py --search     prints, for each folder, the first seed that passes the checks
    python generate.py --methods    rewrites only methods.safetensors and methods.json
    python generate.py --search-methods   finds the draws of every method's cases and stores them

Needs torch, transformers 4.46.3, numpy, pillow, safetensors, tiktoken, and .cache/qwen.tiktoken.
The reference is stock `CLIPVisionModel` + `Qwen2ForCausalLM` (float32, eager attention) joined by a
two-layer projector and a 2x2 average pool; sparse prefill is checked by zipvl_oracle.py, and every
method by method_oracle.py on the checkpoints as they lie here.
"""
import json
import os
import shutil
import sys
import unicodedata

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import (CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel, Qwen2Config,
                          Qwen2ForCausalLM)

import checkpoint_layout as layout
import method_fixtures
import tiny_tokenizers
import zipvl_oracle

HERE = os.path.dirname(os.path.abspath(__file__))
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
TAUS = (0.9, 0.96, 0.975)
GREEDY_STEPS, SPARSE_STEPS, PENALTY = 32, 16, 1.05
# Values that float32 arithmetic in another order must not be able to turn round.
LEAD, SLACK, GAP = 3e-3, 1e-3, 2e-4
# Rows of the large vision tensors that are stored: enough to find a fault, small enough to commit.
STORED_FRAMES = 4


def vision(hidden, intermediate, layers, heads, image, patch):
    return dict(hidden=hidden, intermediate=intermediate, layers=layers, heads=heads, image=image,
                patch=patch)


def decoder(hidden, intermediate, layers, heads, kv_heads, vocab):
    return dict(hidden=hidden, intermediate=intermediate, layers=layers, heads=heads,
                kv_heads=kv_heads, head_dim=hidden // heads, vocab=vocab)


CONFIGURATIONS = {
    # Multi-head attention, one file without an index, float32.
    "mha-single-file": dict(
        seed=1, dtype="float32", model_type="llava_qwen", theta=1e9, ranks=300,
        tokenizer="tiktoken", shards=0, v=vision(32, 64, 3, 2, 32, 4),
        c=decoder(48, 96, 3, 4, 4, 320), frames=13, with_vision=True,
        question="What does this video show?"),
    # Three query heads to a key head; the vision tower's geometry stands in no config file.
    "gqa3-sharded": dict(
        seed=3, dtype="bfloat16", model_type="qwen2", theta=1e9, ranks=512,
        tokenizer="tiktoken", shards=2, v=vision(64, 128, 4, 1, 32, 8),
        c=decoder(48, 80, 4, 6, 2, 576), frames=52, with_vision=False,
        question="How many people walk past the red door?"),
    # Seven to one, explicit head_dim, odd vocabulary, float16, tensors that nothing uses.
    "gqa7-extras": dict(
        seed=0, dtype="float16", model_type="qwen2", theta=1e6, ranks=310,
        tokenizer="vocab", shards=3, v=vision(48, 96, 2, 3, 32, 4),
        c=decoder(56, 112, 5, 7, 1, 331), frames=13, with_vision=True, extras=True,
        head_dim=True, question="它是什么？ Is it e\u0301?"),
    # Tied output head, tokenizer.json, a vision tower of two heads known by its shapes alone.
    "tied-choices": dict(
        seed=1, dtype="bfloat16", model_type="llava_qwen", theta=1e6, ranks=600,
        tokenizer="tokenizer", shards=2, v=vision(128, 160, 2, 2, 24, 4),
        c=decoder(64, 128, 2, 4, 2, 640), frames=26, with_vision=False, tied=True,
        head_dim=True, question="What is it?", choices=["a red car", "A dog", "3 men"]),
    # LongVA's own patch size, and a prompt shorter than the probes.
    "patch14-short": dict(
        seed=3, dtype="float32", model_type="llava_qwen", theta=1e9, ranks=600,
        tokenizer="tiktoken", shards=2, v=vision(32, 64, 3, 4, 56, 14),
        c=decoder(32, 64, 3, 2, 1, 603), frames=6, with_vision=True,
        question="Describe the scene."),
}


def random_weights(rng, case):
    """Values chosen so that activations stay of order one and attention has peaks."""
    c, v = case["c"], case["v"]
    for name, shape in layout.longva_shapes(c, v, case.get("tied", False)):
        x = rng.standard_normal(shape)
        if len(shape) == 1:
            is_norm = "norm" in name and name.endswith("weight")
            x = 1 + 0.1 * x if is_norm else 0.1 * x
        elif name in ("lm_head.weight", "model.embed_tokens.weight"):
            x *= 3.0 / np.sqrt(c["hidden"])
        elif "position_embedding" in name:
            x *= 0.5
        else:
            x /= np.sqrt(np.prod(shape[1:]))
        if name.startswith("model.layers."):
            layer = int(name.split(".")[2])
            if ".q_proj." in name or ".k_proj." in name:
                # A large query bias makes all rows agree on which keys matter, as real models do.
                x *= (8.0 if name.endswith("q_proj.bias") else 1.0)
                x *= (1.4, 2.4, 1.9, 2.7, 1.6)[layer % 5]
        yield name, x


def write_weights(folder, case, rng):
    dtype = DTYPES[case["dtype"]]
    tensors = {n: torch.from_numpy(np.ascontiguousarray(x)).float().to(dtype)
               for n, x in random_weights(rng, case)}
    if case.get("extras"):
        c, v = case["c"], case["v"]
        for i in range(c["layers"]):
            half = torch.arange(0, c["head_dim"], 2).float() / c["head_dim"]
            tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = 1 / case["theta"] ** half
        count = (v["image"] // v["patch"]) ** 2 + 1
        tensors[layout.VISION + "embeddings.position_ids"] = torch.arange(count)[None]
        tensors["model.image_newline"] = torch.zeros(c["hidden"], dtype=dtype)
    names, files = list(tensors), case["shards"]
    if not files:
        save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})
        return
    # The first cut falls inside layer 1, between gate_proj and up_proj; others share what is left.
    cuts = [names.index("model.layers.1.mlp.up_proj.weight")]
    cuts += [cuts[0] + (len(names) - cuts[0]) * k // (files - 1) for k in range(1, files)]
    weight_map, start = {}, 0
    for number, end in enumerate(cuts, 1):
        file = f"model-{number:05d}-of-{files:05d}.safetensors"
        part = {n: tensors[n] for n in names[start:end]}
        save_file(part, os.path.join(folder, file), {"format": "pt"})
        weight_map |= {n: file for n in part}
        start = end
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    write_json(folder, "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": weight_map})


def read_weights(folder):
    """The values as stored, widened to float32."""
    tensors = {}
    for file in sorted(os.listdir(folder)):
        if file.startswith("model") and file.endswith(".safetensors"):
            tensors |= load_file(os.path.join(folder, file))
    return {n: t.float() for n, t in tensors.items()}


def frames(rng, count, side):
    """[count, side, side, 3] uint8: a moving bright square on a drifting gradient, with noise."""
    y, x = np.mgrid[0:side, 0:side] / side
    out = np.empty((count, side, side, 3))
    for t in range(count):
        slope = rng.uniform(-1, 1, (2, 3))
        out[t] = 128 + 60 * (y[..., None] * slope[0] + x[..., None] * slope[1])
        top, left = rng.integers(0, side * 3 // 4, 2)
        out[t, top:top + side // 4, left:left + side // 4] = rng.uniform(0, 255, 3)
        out[t] += rng.normal(0, 12, (side, side, 3))
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def prompt_chunks(case, encoder, ids):
    question = case["question"]
    if case.get("choices"):
        lines = [f"{chr(65 + i)}. {text}" for i, text in enumerate(case["choices"])]
        instruction = "Answer with the option's letter from the given choices directly."
        question = "\n".join([question, *lines, instruction])
    e = lambda text: encoder.encode_ordinary(unicodedata.normalize("NFC", text))
    start, end = ids["<|im_start|>"], ids["<|im_end|>"]
    prefix = [start, *e("system\nYou are a helpful assistant."), end, *e("\n"), start,
              *e("user\n")]
    return prefix, [*e("\n" + question), end, *e("\n"), start, *e("assistant\n")]


def vision_tower(w, case, raw):
    """Pixels of the frames and the stock tower."""
    v = case["v"]
    processor = CLIPImageProcessor(size={"shortest_edge": v["image"]}, crop_size=v["image"])
    pixels = processor(list(raw), return_tensors="pt")["pixel_values"]
    model = CLIPVisionModel(CLIPVisionConfig(
        hidden_size=v["hidden"], intermediate_size=v["intermediate"],
        num_hidden_layers=v["layers"], num_attention_heads=v["heads"], image_size=v["image"],
        patch_size=v["patch"], hidden_act="quick_gelu", layer_norm_eps=1e-5,
        attn_implementation="eager")).eval()
    prefix = "model.vision_tower.vision_tower."
    state = {n[len(prefix):]: t for n, t in w.items()
             if n.startswith(prefix) and not n.endswith("position_ids")}
    assert not model.load_state_dict(state, strict=True).missing_keys
    return pixels, model


def vision_reference(w, case, raw):
    v = case["v"]
    pixels, model = vision_tower(w, case, raw)
    features = model(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
    p = layout.PROJECTOR
    x = F.linear(features, w[p + "0.weight"], w[p + "0.bias"])
    projected = F.linear(F.gelu(x), w[p + "2.weight"], w[p + "2.bias"])
    side = v["image"] // v["patch"]
    grid = projected.view(len(raw), side, side, -1).permute(0, 3, 1, 2)
    pooled = F.avg_pool2d(grid, 2).permute(0, 2, 3, 1).flatten(0, 2)
    return pixels, features, projected, pooled


def language_model(w, case):
    c, tied = case["c"], case.get("tied", False)
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=c["vocab"], hidden_size=c["hidden"], intermediate_size=c["intermediate"],
        num_hidden_layers=c["layers"], num_attention_heads=c["heads"],
        num_key_value_heads=c["kv_heads"], rope_theta=case["theta"], rms_norm_eps=1e-6,
        tie_word_embeddings=tied, attn_implementation="eager")).eval()
    state = {n: t for n, t in w.items()
             if n.startswith(("model.embed", "model.layers", "model.norm", "lm_head"))
             and not n.endswith("inv_freq")}
    if tied:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model


def hidden_states(model, embeddings):
    """Input embeddings and the output of every decoder layer, before the final norm."""
    states = [embeddings[0]]
    hooks = [layer.register_forward_hook(lambda _m, _i, out: states.append(out[0][0]))
             for layer in model.model.layers]
    logits = model(inputs_embeds=embeddings).logits[0, -1]
    for hook in hooks:
        hook.remove()
    return states, logits


def greedy(model, embeddings, ids, penalty, steps):
    """Greedy ids without an end, and the smallest lead of the winner at any step."""
    out, lead, cache = [], float("inf"), None
    step = model(inputs_embeds=embeddings, use_cache=True)
    for _ in range(steps):
        logits, cache = step.logits[0, -1, :ids].clone(), step.past_key_values
        for t in set(out):
            logits[t] = logits[t] / penalty if logits[t] > 0 else logits[t] * penalty
        best = logits.topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        out.append(int(best.indices[0]))
        step = model(input_ids=torch.tensor([out[-1:]]), past_key_values=cache, use_cache=True)
    stock = model.generate(
        inputs_embeds=embeddings, attention_mask=torch.ones(embeddings.shape[:2]),
        do_sample=False, max_new_tokens=steps, repetition_penalty=penalty, eos_token_id=None,
        pad_token_id=0, suppress_tokens=list(range(ids, model.config.vocab_size)) or None)
    if lead > LEAD:
        assert stock[0].tolist() == out, "generate() disagrees with the rule written here"
    return out, lead


class Rejected(Exception):
    """This seed leaves a decision to rounding."""


@torch.no_grad()
def build(folder, case, seed):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rng = np.random.Generator(np.random.PCG64(seed))
    c, v = case["c"], case["v"]
    ranks = tiny_tokenizers.qwen_ranks()[:case["ranks"]]
    ids = tiny_tokenizers.write(folder, ranks, case["tokenizer"])
    encoder, count = tiny_tokenizers.encoding(ranks), len(ranks) + 3
    write_json(folder, "config.json", layout.config_json(
        c, v, model_type=case["model_type"], dtype=case["dtype"], rope_theta=case["theta"],
        tied=case.get("tied", False), ids=ids, with_head_dim=case.get("head_dim", False),
        with_vision=case["with_vision"]))
    write_json(folder, "generation_config.json",
               layout.generation_config_json(ids, case["theta"]))
    write_weights(folder, case, rng)
    w = read_weights(folder)

    raw = frames(rng, case["frames"], v["image"])
    pixels, features, projected, visual = vision_reference(w, case, raw)
    prefix, suffix = prompt_chunks(case, encoder, ids)
    embed = w["model.embed_tokens.weight"]
    embeddings = torch.cat((embed[prefix], visual, embed[suffix]))[None]
    n = embeddings.shape[1]
    model = language_model(w, case)
    states, logits = hidden_states(model, embeddings)
    plain, lead = greedy(model, embeddings, count, 1.0, GREEDY_STEPS)
    penalised, lead_rp = greedy(model, embeddings, count, PENALTY, GREEDY_STEPS)
    if min(lead, lead_rp) < LEAD:
        raise Rejected(f"greedy lead {min(lead, lead_rp):.1e}")
    if plain == penalised or len(set(plain)) < 3:
        raise Rejected("the greedy ids say too little")

    own = zipvl_oracle.Decoder(w, c, case["theta"])
    dense = own.forward(embeddings[0], n, lambda *_: list(range(n)))[0]
    assert torch.allclose(dense, logits, rtol=1e-4, atol=1e-4), "the oracle is not Qwen2"

    kept_frames = min(STORED_FRAMES, len(raw))
    prompt = prefix + [-200] * len(visual) + suffix
    tensors = {
        "frames": torch.from_numpy(raw), "pixel_values": pixels[:kept_frames],
        "vision_features": features[:kept_frames], "projected": projected[:kept_frames],
        "visual_tokens": visual, "prompt_ids": torch.tensor(prompt), "prefill_logits": logits,
        "greedy_ids": torch.tensor(plain), "greedy_ids_rp": torch.tensor(penalised)}
    tensors |= {f"hidden.{i}": h for i, h in enumerate(states)}
    facts = {"question": case["question"], "choices": case.get("choices"), "frames": len(raw),
             "image_side": v["image"], "prompt_tokens": n, "prefix_tokens": len(prefix),
             "visual_tokens": len(visual), "tokenizer_count": count, "taus": TAUS, "seed": 0,
             "stored_frames": kept_frames, "repetition_penalty": PENALTY,
             "text": encoder.decode(encoder_ids(plain, len(ranks))), "kept_ratio": {}}
    for tau in TAUS:
        sparse, margins = zipvl_oracle.run(
            own, embeddings[0], len(prefix), len(visual), tau, 0, SPARSE_STEPS, count)
        tensors |= {f"zipvl.{tau}.{k}": t for k, t in sparse.items()}
        facts["kept_ratio"][str(tau)] = [round(r, 4) for r in margins["kept"]]
        if margins["lead"] < LEAD or margins["slack"] < SLACK or margins["gap"] < GAP:
            raise Rejected(f"tau {tau}: " + " ".join(f"{k} {margins[k]:.1e}"
                                                     for k in ("lead", "slack", "gap")))
    save_file({k: t.contiguous() for k, t in sorted(tensors.items())},
              os.path.join(folder, "expected.safetensors"))
    write_json(folder, "expected.json", facts)
    return facts


def encoder_ids(ids, ranks):
    return [i for i in ids if i < ranks]


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def search(name, case):
    for seed in range(1000):
        try:
            facts = build(os.path.join(HERE, name), case, seed)
        except Rejected as reason:
            print(f"  {name} seed {seed}: {reason}", flush=True)
            continue
        print(f"{name}: seed {seed}", facts["kept_ratio"], facts["prompt_tokens"], flush=True)
        return


@torch.no_grad()
def methods(name, case, searching):
    folder = os.path.join(HERE, name)
    w = read_weights(folder)
    checkpoint = method_fixtures.Checkpoint(
        folder, w, case, lambda raw: vision_tower(w, case, raw))
    if searching:
        method_fixtures.search(checkpoint)
        return
    facts = method_fixtures.write(folder, checkpoint)
    write_json(folder, "methods.json", facts)
    print(name, len(facts["cases"]), "cases of methods")


def main(arguments):
    torch.set_num_threads(1)
    names = [a for a in arguments if not a.startswith("--")]
    methods_only = {"--methods", "--search-methods"} & set(arguments)
    if not names:
        if not methods_only:
            tiny_tokenizers.write_fixtures(os.path.join(HERE, "tokenizers"))
        names = list(CONFIGURATIONS)
    for name in names:
        case = CONFIGURATIONS[name]
        if "--search" in arguments:
            search(name, case)
            continue
        if methods_only:
            methods(name, case, "--search-methods" in arguments)
            continue
        facts = build(os.path.join(HERE, name), case, case["seed"])
        print(name, facts["prompt_tokens"], "tokens, kept", facts["kept_ratio"])
        methods(name, case, searching=False)


if __name__ == "__main__":
    main(sys.argv[1:])
