"""The embedded model in stock transformers: what the Swift engine is compared with.

    python reference_model.py VIDEO_TRACE.safetensors --question "What colour is the star?"

`CLIPVisionModel` and `Qwen2ForCausalLM` (transformers 4.46.3, float32, CPU), joined by the two-layer projector and
the average pool that LongVA puts between them. All sizes come from the model directory's config.json. The tokenizer,
the prompt, the stop rule and the repetition penalty are written here from LongVA's description, not taken from the
trainer, so that a fault of either shows as a difference.

Needs torch, transformers, tiktoken, safetensors, numpy.
"""
import argparse
import base64
import glob
import json
import os
import unicodedata
from dataclasses import dataclass

import tiktoken
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModel, DynamicCache, Qwen2Config, Qwen2ForCausalLM

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model")
TOWER = "model.vision_tower.vision_tower."
PROJECTOR = "model.mm_projector."
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
INSTRUCTION = "Answer with the option's letter from the given choices directly."


def read_json(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return json.load(file)


def lettered(question, choices):
    """The question, for multiple choice with a lettered line for each answer and the instruction."""
    if not choices:
        return question
    return "\n".join([question, *(f"{chr(65 + i)}. {text}" for i, text in enumerate(choices)), INSTRUCTION])


class Tokenizer:
    """Byte-level BPE over the ranks of the one *.tiktoken file, with the chat tokens of added_tokens.json."""

    def __init__(self, folder):
        [path] = glob.glob(os.path.join(folder, "*.tiktoken"))
        with open(path, "rb") as file:
            rows = [line.split() for line in file if line.strip()]
        ranks = {base64.b64decode(token): int(rank) for token, rank in rows}
        self.specials = read_json(folder, "added_tokens.json")
        self.encoding = tiktoken.Encoding("embedded", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
        # Larger ids are padding rows of the table and never an answer.
        self.count = max([len(ranks), *(i + 1 for i in self.specials.values())])

    def encode(self, text):
        return self.encoding.encode_ordinary(unicodedata.normalize("NFC", text))

    def decode(self, ids):
        control = set(self.specials.values())
        pieces = (self.encoding.decode_single_token_bytes(i) for i in ids if i not in control)
        return b"".join(pieces).decode("utf-8", errors="replace")

    def prompt(self, question):
        """Ids before and after the visual tokens: ChatML, tokenised separately on either side."""
        start, end = self.specials["<|im_start|>"], [self.specials["<|im_end|>"], *self.encode("\n")]
        prefix = [start, *self.encode("system\nYou are a helpful assistant."), *end, start, *self.encode("user\n")]
        return prefix, [*self.encode("\n" + question), *end, start, *self.encode("assistant\n")]


@dataclass
class Answer:
    text: str
    ids: list[int]            # without the end token
    logits: torch.Tensor      # of the first token, [vocabulary]
    prompt_tokens: int


class ReferenceModel:
    """frames and a question to an answer, in float32 on the CPU.

    attention: what transformers calls `attn_implementation`, "eager" or "sdpa".
    vision_batch: frames that go through the tower together; 0 is all of them.
    """

    def __init__(self, folder=MODEL, attention="eager", vision_batch=8):
        config = read_json(folder, "config.json")
        files = sorted(glob.glob(os.path.join(folder, "*.safetensors")))
        weights = {name: tensor.float() for file in files for name, tensor in load_file(file).items()}
        self.tokenizer = Tokenizer(folder)
        self.vision_batch = vision_batch
        self.select_layer = config["mm_vision_select_layer"]
        self.stride = config["mm_spatial_pool_stride"]
        self.tower = self._tower(config["vision_config"], weights, attention)
        self.projector = [weights[PROJECTOR + name] for name in ("0.weight", "0.bias", "2.weight", "2.bias")]
        self.decoder = self._decoder(config, weights, attention)
        self.side = config["vision_config"]["image_size"]
        self.grid = self.side // config["vision_config"]["patch_size"]
        self._read_generation(folder)

    @staticmethod
    def _tower(config, weights, attention):
        tower = CLIPVisionModel(CLIPVisionConfig(**config, attn_implementation=attention)).eval()
        state = {name[len(TOWER):]: tensor for name, tensor in weights.items()
                 if name.startswith(TOWER) and not name.endswith("position_ids")}
        tower.load_state_dict(state, strict=True)
        return tower

    @staticmethod
    def _decoder(config, weights, attention):
        rows, hidden = weights["model.embed_tokens.weight"].shape
        head_dim = config.get("head_dim", hidden // config["num_attention_heads"])
        if head_dim * config["num_attention_heads"] != hidden:
            raise ValueError(f"head_dim {head_dim}: stock Qwen2 needs hidden_size / num_attention_heads")
        tied = config["tie_word_embeddings"]
        same = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "rms_norm_eps", "rope_theta", "hidden_act", "max_position_embeddings")
        decoder = Qwen2ForCausalLM(Qwen2Config(
            **{key: config[key] for key in same}, vocab_size=rows, tie_word_embeddings=tied,
            attn_implementation=attention)).eval()
        state = {name: tensor for name, tensor in weights.items()
                 if name.startswith(("model.embed_tokens", "model.layers", "model.norm", "lm_head"))
                 and not name.endswith("inv_freq")}
        if tied:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        decoder.load_state_dict(state, strict=True)
        return decoder

    def _read_generation(self, folder):
        generation = read_json(folder, "generation_config.json")
        listed = generation.get("eos_token_id", [])
        self.ends = {self.tokenizer.specials[name] for name in ("<|im_end|>", "<|endoftext|>")}
        self.ends |= set(listed if isinstance(listed, list) else [listed])
        self.penalty = generation.get("repetition_penalty", 1.0)

    @torch.inference_mode()
    def features(self, frames):
        """uint8 [N, S, S, 3] to the tower's selected hidden state without the class token, [N, P, width]."""
        mean, deviation = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(DEVIATION).view(3, 1, 1)
        parts = []
        for batch in torch.as_tensor(frames).split(self.vision_batch or len(frames)):
            pixels = (batch.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
            states = self.tower(pixels, output_hidden_states=True).hidden_states
            parts.append(states[self.select_layer][:, 1:])
        return torch.cat(parts)

    @torch.inference_mode()
    def visual_tokens(self, features):
        """[N, P, width] to [N * (grid / stride)^2, hidden]: projector, then pool, row-major in each frame."""
        w0, b0, w2, b2 = self.projector
        projected = F.linear(F.gelu(F.linear(features, w0, b0)), w2, b2)
        cells = projected.view(len(features), self.grid, self.grid, -1).permute(0, 3, 1, 2)
        return F.avg_pool2d(cells, self.stride).permute(0, 2, 3, 1).flatten(0, 2)

    @torch.inference_mode()
    def prefill(self, visual, question):
        """First-token logits [vocabulary], the key/value cache and the prompt's length."""
        prefix, suffix = self.tokenizer.prompt(question)
        embed = lambda ids: self.decoder.model.embed_tokens(torch.tensor(ids))
        prompt = torch.cat((embed(prefix), visual, embed(suffix)))[None]
        # Logits of the last position only, as the engine computes them.
        step = self.decoder(inputs_embeds=prompt, past_key_values=DynamicCache(), use_cache=True, num_logits_to_keep=1)
        return step.logits[0, -1], step.past_key_values, prompt.shape[1]

    @torch.inference_mode()
    def generate(self, logits, cache, max_new_tokens=64):
        """Greedy ids. Padding ids are never chosen, the penalty is on what was generated, never on the prompt."""
        ids = []
        while True:
            scores = logits[:self.tokenizer.count].clone()
            for token in set(ids):
                scores[token] = scores[token] / self.penalty if scores[token] > 0 else scores[token] * self.penalty
            token = int(scores.argmax())
            if token in self.ends:
                return ids
            ids.append(token)
            if len(ids) >= max_new_tokens:
                return ids
            step = self.decoder(input_ids=torch.tensor([[token]]), past_key_values=cache, use_cache=True)
            logits, cache = step.logits[0, -1], step.past_key_values

    def answer(self, frames, question, choices=None, max_new_tokens=64):
        """frames: uint8 [N, S, S, 3] at the tower's side S."""
        visual = self.visual_tokens(self.features(frames))
        logits, cache, length = self.prefill(visual, lettered(question, choices))
        ids = self.generate(logits, cache, max_new_tokens)
        return Answer(self.tokenizer.decode(ids).strip(), ids, logits, length)


def main():
    parser = argparse.ArgumentParser(description="Answers a question about the frames of a trace.")
    parser.add_argument("trace", help="what `zipvl-batch ask VIDEO --trace FILE` wrote")
    parser.add_argument("--question", required=True)
    parser.add_argument("--choice", action="append")
    parser.add_argument("--model", default=MODEL)
    arguments = parser.parse_args()
    frames = load_file(arguments.trace)["frames"]
    print(ReferenceModel(arguments.model).answer(frames, arguments.question, arguments.choice).text)


if __name__ == "__main__":
    main()
