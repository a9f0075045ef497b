"""Weights to and from LongVA's checkpoint layout: safetensors shards, their index, config.json."""
import hashlib
import json
import os

import torch
from safetensors.torch import load_file, save_file

from model import LongVA, Shape
from tokenizer import END, ORDINARY

VISION = "model.vision_tower.vision_tower.vision_model."
SHARD_BYTES = 15 << 20


def configuration(shape):
    """config.json as LongVA-7B's, with the vision tower's sizes in it: there is no second repository to ask."""
    return {
        "architectures": ["LlavaQwenForCausalLM"], "model_type": "llava_qwen", "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_width, "vocab_size": shape.vocabulary, "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.rope_theta, "hidden_act": "silu", "max_position_embeddings": 32768,
        "tie_word_embeddings": True, "bos_token_id": ORDINARY, "eos_token_id": END, "torch_dtype": "float16",
        "mm_vision_tower": "embedded", "mm_hidden_size": shape.vision_width, "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_patch_merge_type": "unires",
        "mm_spatial_pool_mode": "average", "mm_spatial_pool_stride": 2, "use_sliding_window": False,
        "tokenizer_model_max_length": 32768,
        "vision_config": {
            "hidden_size": shape.vision_width, "intermediate_size": shape.vision_feed_forward,
            "num_hidden_layers": shape.vision_layers + 1, "num_attention_heads": shape.vision_heads,
            "image_size": shape.image, "patch_size": shape.patch, "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5}}


def shape_of(config):
    vision = config["vision_config"]
    return Shape(
        image=vision["image_size"], patch=vision["patch_size"], vision_width=vision["hidden_size"],
        vision_feed_forward=vision["intermediate_size"], vision_layers=vision["num_hidden_layers"] - 1,
        vision_heads=vision["num_attention_heads"], width=config["hidden_size"],
        feed_forward=config["intermediate_size"], layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"], key_value_heads=config["num_key_value_heads"],
        head_width=config["head_dim"], rope_theta=config["rope_theta"], epsilon=config["rms_norm_eps"],
        vocabulary=config["vocab_size"])


def export(model, folder, dtype=torch.float16):
    """Returns the SHA-256 of each shard."""
    os.makedirs(folder, exist_ok=True)
    shape = model.shape
    tensors = {name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
    # Select layer -2 skips the last layer; it must be there all the same.
    first = VISION + "encoder.layers.0."
    for name in [name for name in tensors if name.startswith(first)]:
        tensors[name.replace(first, f"{VISION}encoder.layers.{shape.vision_layers}.")] = torch.zeros_like(tensors[name])
    tensors[VISION + "post_layernorm.weight"] = torch.ones(shape.vision_width, dtype=dtype)
    tensors[VISION + "post_layernorm.bias"] = torch.zeros(shape.vision_width, dtype=dtype)

    shards, size = [{}], 0
    for name, tensor in tensors.items():
        if size + tensor.nbytes > SHARD_BYTES and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    places, hashes = {}, {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, os.path.join(folder, file))
        places |= {name: file for name in shard}
        with open(os.path.join(folder, file), "rb") as stream:
            hashes[file] = hashlib.sha256(stream.read()).hexdigest()
    write(folder, "model.safetensors.index.json",
          {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": places})
    write(folder, "config.json", configuration(shape))
    return hashes


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def load(folder, device="cpu"):
    """The model of a folder that `export` wrote."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        model = LongVA(shape_of(json.load(file)))
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            tensors |= load_file(os.path.join(folder, name))
    own = model.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    if missing:
        raise SystemExit(f"{folder}: expected {len(own)} tensors, {missing[0]} and {len(missing) - 1} more are missing")
    model.load_state_dict({name: tensors[name].float() for name in own})
    return model.to(device)
