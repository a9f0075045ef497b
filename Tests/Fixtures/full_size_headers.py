"""Writes a checkpoint with the names, shapes, dtype and shards of LongVA-7B and no data in it.

    python full_size_headers.py FOLDER          four sparse files of 15.87 GB, few blocks on disk
    python full_size_headers.py --shapes FILE   the 734 names and shapes as JSON
"""
import json
import math
import os
import struct
import sys

import checkpoint_layout as layout


def shards():
    files, current = [], []
    for name, shape in layout.longva_shapes(layout.FULL_DECODER, layout.FULL_VISION):
        if name in layout.FULL_SHARD_STARTS:
            files.append(current)
            current = []
        current.append((name, shape))
    return files + [current]


def write_checkpoint(folder):
    os.makedirs(folder, exist_ok=True)
    files, weight_map, total = shards(), {}, 0
    for number, tensors in enumerate(files, 1):
        file = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in tensors:
            end = offset + 2 * math.prod(shape)
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
            weight_map[name], offset = file, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(folder, file), "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            out.truncate(8 + len(text) + offset)
        total += offset
    ids = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645}
    config = layout.config_json(
        layout.FULL_DECODER, layout.FULL_VISION, model_type="llava_qwen", dtype="bfloat16",
        rope_theta=1e9, tied=False, ids=ids, with_head_dim=False, with_vision=False)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    for name, value in (("config.json", config), ("added_tokens.json", ids),
                        ("generation_config.json", layout.generation_config_json(ids, 1e9)),
                        ("model.safetensors.index.json", index)):
        with open(os.path.join(folder, name), "w") as out:
            json.dump(value, out, indent=2, sort_keys=True)
    return len(weight_map), total


def write_shapes(path):
    rows = [f'  {{"file": {number}, "name": "{name}", "shape": {list(shape)}}}'
            for number, tensors in enumerate(shards(), 1) for name, shape in tensors]
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(rows) + "\n]\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--shapes":
        write_shapes(sys.argv[2])
    elif len(sys.argv) == 2:
        print("%d tensors, %d bytes" % write_checkpoint(sys.argv[1]))
    else:
        sys.exit(__doc__)
