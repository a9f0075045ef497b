#!/usr/bin/env python3
"""Writes a checkpoint of LongVA-7B's layout with random bf16 weights: 16 GB in four shards, to measure loading.

    make_checkpoint.py FOLDER --tokenizer FOLDER [--layers N]

The tokenizer's files are copied from a model directory. Needs torch and safetensors.
"""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

HIDDEN, FEED_FORWARD, HEADS, KEY_VALUE_HEADS, WIDTH, VOCABULARY = 3584, 18944, 28, 4, 128, 152064
VISION_WIDTH, VISION_FEED_FORWARD, VISION_LAYERS, PATCH, SIDE = 1024, 4096, 24, 14, 336


def decoder_layer(index):
    """Shapes of one decoder layer's tensors."""
    name = f"model.layers.{index}."
    keys = KEY_VALUE_HEADS * WIDTH
    return {
        name + "input_layernorm.weight": [HIDDEN], name + "post_attention_layernorm.weight": [HIDDEN],
        name + "self_attn.q_proj.weight": [HIDDEN, HIDDEN], name + "self_attn.q_proj.bias": [HIDDEN],
        name + "self_attn.k_proj.weight": [keys, HIDDEN], name + "self_attn.k_proj.bias": [keys],
        name + "self_attn.v_proj.weight": [keys, HIDDEN], name + "self_attn.v_proj.bias": [keys],
        name + "self_attn.o_proj.weight": [HIDDEN, HIDDEN],
        name + "mlp.gate_proj.weight": [FEED_FORWARD, HIDDEN], name + "mlp.up_proj.weight": [FEED_FORWARD, HIDDEN],
        name + "mlp.down_proj.weight": [HIDDEN, FEED_FORWARD],
    }


def vision_tower():
    """Shapes of the tower's tensors."""
    prefix = "model.vision_tower.vision_tower.vision_model."
    width = VISION_WIDTH
    shapes = {
        prefix + "embeddings.class_embedding": [width],
        prefix + "embeddings.patch_embedding.weight": [width, 3, PATCH, PATCH],
        prefix + "embeddings.position_embedding.weight": [(SIDE // PATCH) ** 2 + 1, width],
    }
    for norm in ("pre_layrnorm", "post_layernorm"):
        shapes |= {prefix + norm + ".weight": [width], prefix + norm + ".bias": [width]}
    for layer in range(VISION_LAYERS):
        name = f"{prefix}encoder.layers.{layer}."
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {name + norm + ".weight": [width], name + norm + ".bias": [width]}
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= {name + f"self_attn.{part}.weight": [width, width], name + f"self_attn.{part}.bias": [width]}
        shapes |= {
            name + "mlp.fc1.weight": [VISION_FEED_FORWARD, width], name + "mlp.fc1.bias": [VISION_FEED_FORWARD],
            name + "mlp.fc2.weight": [width, VISION_FEED_FORWARD], name + "mlp.fc2.bias": [width],
        }
    return shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--layers", type=int, default=28)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"

    shards = [{
        "model.embed_tokens.weight": [VOCABULARY, HIDDEN], "lm_head.weight": [VOCABULARY, HIDDEN],
        "model.norm.weight": [HIDDEN],
        "model.mm_projector.0.weight": [HIDDEN, VISION_WIDTH], "model.mm_projector.0.bias": [HIDDEN],
        "model.mm_projector.2.weight": [HIDDEN, HIDDEN], "model.mm_projector.2.bias": [HIDDEN],
    } | vision_tower(), {}, {}, {}]
    for layer in range(options.layers):
        shards[1 + 3 * layer // options.layers] |= decoder_layer(layer)
    places = {}
    for index, shapes in enumerate(shards):
        name = f"model-{index + 1:05}-of-{len(shards):05}.safetensors"
        tensors = {key: torch.randn(shape, device=device, dtype=torch.bfloat16).mul_(0.02).cpu()
                   for key, shape in shapes.items()}
        save_file(tensors, options.folder / name)
        places |= dict.fromkeys(shapes, name)
    (options.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (options.folder / "config.json").write_text(json.dumps({
        "architectures": ["LlavaQwenForCausalLM"], "model_type": "llava_qwen", "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD, "num_hidden_layers": options.layers, "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS, "vocab_size": VOCABULARY, "rms_norm_eps": 1e-6, "rope_theta": 1e9,
        "hidden_act": "silu", "tie_word_embeddings": False, "mm_vision_tower": "random", "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_spatial_pool_mode": "average",
        "mm_spatial_pool_stride": 2, "mm_hidden_size": VISION_WIDTH,
        "vision_config": {
            "hidden_size": VISION_WIDTH, "intermediate_size": VISION_FEED_FORWARD,
            "num_hidden_layers": VISION_LAYERS, "num_attention_heads": 16, "image_size": SIDE, "patch_size": PATCH,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
    }))
    for file in options.tokenizer.iterdir():
        if file.suffix != ".safetensors" and file.name not in ("config.json", "model.safetensors.index.json"):
            shutil.copy(file, options.folder / file.name)


if __name__ == "__main__":
    main()
