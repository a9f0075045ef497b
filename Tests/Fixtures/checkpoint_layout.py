"""Names, shapes and order of the tensors in a LongVA checkpoint, and the two JSON files with them.

The order is that of the model's state dict: embeddings, decoder layers, final norm, vision tower,
projector, output head. Shards are cut in that order, so a layer may straddle two files.
"""
VISION = "model.vision_tower.vision_tower.vision_model."
PROJECTOR = "model.mm_projector."


def decoder_shapes(c):
    """c: hidden, intermediate, layers, heads, kv_heads, head_dim, vocab."""
    d, ff = c["hidden"], c["intermediate"]
    q, kv = c["heads"] * c["head_dim"], c["kv_heads"] * c["head_dim"]
    yield "model.embed_tokens.weight", (c["vocab"], d)
    for i in range(c["layers"]):
        p = f"model.layers.{i}."
        for name, rows in (("q", q), ("k", kv), ("v", kv)):
            yield f"{p}self_attn.{name}_proj.weight", (rows, d)
            yield f"{p}self_attn.{name}_proj.bias", (rows,)
        yield p + "self_attn.o_proj.weight", (d, q)
        yield p + "mlp.gate_proj.weight", (ff, d)
        yield p + "mlp.up_proj.weight", (ff, d)
        yield p + "mlp.down_proj.weight", (d, ff)
        yield p + "input_layernorm.weight", (d,)
        yield p + "post_attention_layernorm.weight", (d,)
    yield "model.norm.weight", (d,)


def vision_shapes(v):
    """v: hidden, intermediate, layers, image, patch. Names below `vision_model.`."""
    d, ff, p = v["hidden"], v["intermediate"], v["patch"]
    yield "embeddings.class_embedding", (d,)
    yield "embeddings.patch_embedding.weight", (d, 3, p, p)
    yield "embeddings.position_embedding.weight", ((v["image"] // p) ** 2 + 1, d)
    yield from _norm("pre_layrnorm", d)
    for j in range(v["layers"]):
        e = f"encoder.layers.{j}."
        for name in ("k", "v", "q", "out"):
            yield from _linear(f"{e}self_attn.{name}_proj", d, d)
        yield from _norm(e + "layer_norm1", d)
        yield from _linear(e + "mlp.fc1", ff, d)
        yield from _linear(e + "mlp.fc2", d, ff)
        yield from _norm(e + "layer_norm2", d)
    yield from _norm("post_layernorm", d)


def longva_shapes(c, v, tied=False):
    """Every tensor of the checkpoint as (name, shape), in state-dict order."""
    yield from decoder_shapes(c)
    for name, shape in vision_shapes(v):
        yield VISION + name, shape
    yield from _linear(PROJECTOR + "0", c["hidden"], v["hidden"])
    yield from _linear(PROJECTOR + "2", c["hidden"], c["hidden"])
    if not tied:
        yield "lm_head.weight", (c["vocab"], c["hidden"])


def _linear(name, rows, columns):
    yield name + ".weight", (rows, columns)
    yield name + ".bias", (rows,)


def _norm(name, width):
    yield name + ".weight", (width,)
    yield name + ".bias", (width,)


FULL_DECODER = dict(hidden=3584, intermediate=18944, layers=28, heads=28, kv_heads=4, head_dim=128,
                    vocab=152064)
FULL_VISION = dict(hidden=1024, intermediate=4096, layers=24, image=336, patch=14)
# The first tensor of shards 2, 3 and 4 of the published LongVA-7B.
FULL_SHARD_STARTS = ("model.layers.8.mlp.gate_proj.weight", "model.layers.18.mlp.down_proj.weight",
                     "lm_head.weight")


def config_json(c, v, *, model_type, dtype, rope_theta, tied, ids, with_head_dim, with_vision):
    """config.json with every key that the published one is known to have, nulls included."""
    grid = [[336 * a, 336 * b] for a in range(1, 50) for b in range(1, 50) if 1 < a * b <= 49]
    config = {
        "_name_or_path": "LongVa/Qwen2-7B-Instruct-extend-step_1000",
        "architectures": ["LlavaQwenForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "hidden_act": "silu",
        "hidden_size": c["hidden"],
        "image_aspect_ratio": "anyres",
        "image_crop_resolution": None,
        "image_grid_pinpoints": grid[:200],
        "image_split_resolution": None,
        "initializer_range": 0.02,
        "intermediate_size": c["intermediate"],
        "max_position_embeddings": 224000,
        "max_window_layers": 28,
        "mm_hidden_size": v["hidden"],
        "mm_patch_merge_type": "unires",
        "mm_projector_lr": None,
        "mm_projector_type": "mlp2x_gelu",
        "mm_resampler_type": None,
        "mm_spatial_pool_mode": "average",
        "mm_spatial_pool_stride": 2,
        "mm_tunable_parts": "mm_vision_tower,mm_mlp_adapter,mm_language_model",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_vision_tower_lr": 2e-06,
        "model_type": model_type,
        "num_attention_heads": c["heads"],
        "num_hidden_layers": c["layers"],
        "num_key_value_heads": c["kv_heads"],
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": rope_theta,
        "sliding_window": 131072,
        "tie_word_embeddings": tied,
        "tokenizer_model_max_length": 224000,
        "tokenizer_padding_side": "right",
        "torch_dtype": dtype,
        "transformers_version": "4.40.0.dev0",
        "use_cache": True,
        "use_mm_proj": True,
        "use_sliding_window": False,
        "vision_tower_pretrained": None,
        "vocab_size": c["vocab"],
    }
    if with_head_dim:
        config["head_dim"] = c["head_dim"]
    if with_vision:
        config["vision_config"] = {
            "hidden_size": v["hidden"], "intermediate_size": v["intermediate"],
            "num_hidden_layers": v["layers"], "num_attention_heads": v["heads"],
            "image_size": v["image"], "patch_size": v["patch"],
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05,
        }
    return config


def generation_config_json(ids, rope_theta):
    return {
        "_attn_implementation": "flash_attention_2",
        "bos_token_id": ids["<|endoftext|>"],
        "do_sample": True,
        "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
        "pad_token_id": ids["<|endoftext|>"],
        "repetition_penalty": 1.05,
        "rope_theta": rope_theta,
        "temperature": 0.7,
        "top_k": 20,
        "top_p": 0.8,
        "transformers_version": "4.40.0.dev0",
    }
