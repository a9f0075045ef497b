"""The embedded model for training: LongVA's layout (CLIP ViT, two-layer projector, 2 x 2 pooling, Qwen2) in PyTorch.

Module names are those of LongVA's checkpoints, so that `state_dict` needs no renaming (export.py). One visual prefix
serves many questions: each packed question attends to prefix, clip and itself and restarts at the same position, which
gives exactly what separate prompts would give, at a tenth of the cost.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from tokenizer import VOCABULARY


@dataclass(frozen=True)
class Shape:
    image: int = 112
    patch: int = 14
    vision_width: int = 256
    vision_feed_forward: int = 1024
    vision_layers: int = 6          # that are used; export.py writes one more, which LongVA's select_layer -2 skips
    vision_heads: int = 4
    width: int = 384
    feed_forward: int = 1024
    layers: int = 8
    heads: int = 6
    key_value_heads: int = 2
    head_width: int = 64
    rope_theta: float = 1e6
    epsilon: float = 1e-6
    vocabulary: int = VOCABULARY

    @property
    def patches(self):
        """Along one side."""
        return self.image // self.patch

    @property
    def tokens(self):
        """Visual tokens a frame."""
        return (self.patches // 2) ** 2


def linear(x, module):
    """Weights stay float32 and are used in x's type."""
    return F.linear(x, module.weight.to(x.dtype), None if module.bias is None else module.bias.to(x.dtype))


def layer_norm(x, module):
    return F.layer_norm(x.float(), module.normalized_shape, module.weight, module.bias, module.eps).to(x.dtype)


class Group(nn.Module):
    """Named submodules and nothing else."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


class VisionLayer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, self.heads = shape.vision_width, shape.vision_heads
        self.self_attn = Group(**{name: nn.Linear(width, width) for name in ("k_proj", "v_proj", "q_proj", "out_proj")})
        self.layer_norm1 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = Group(fc1=nn.Linear(width, shape.vision_feed_forward), fc2=nn.Linear(shape.vision_feed_forward, width))
        self.layer_norm2 = nn.LayerNorm(width, eps=1e-5)

    def forward(self, x):
        count, length, width = x.shape
        normed, attn = layer_norm(x, self.layer_norm1), self.self_attn

        def heads(projection):
            return linear(normed, projection).view(count, length, self.heads, width // self.heads).transpose(1, 2)

        out = F.scaled_dot_product_attention(heads(attn.q_proj), heads(attn.k_proj), heads(attn.v_proj))
        x = x + linear(out.transpose(1, 2).reshape(count, length, width), attn.out_proj)
        hidden = linear(layer_norm(x, self.layer_norm2), self.mlp.fc1)
        return x + linear(hidden * torch.sigmoid(1.702 * hidden), self.mlp.fc2)


class VisionEmbeddings(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width = shape.vision_width
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.1)
        self.patch_embedding = nn.Conv2d(3, width, shape.patch, shape.patch, bias=False)
        self.position_embedding = nn.Embedding(shape.patches ** 2 + 1, width)


class RMSNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        wide = x.float()
        return (self.weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon))).to(x.dtype)


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


class DecoderLayer(nn.Module):
    # Added to the logit of a hidden key; bfloat16 holds its factors.
    HIDDEN = 1e4

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        width, keys = shape.width, shape.key_value_heads * shape.head_width
        self.self_attn = Group(
            q_proj=nn.Linear(width, shape.heads * shape.head_width), k_proj=nn.Linear(width, keys),
            v_proj=nn.Linear(width, keys), o_proj=nn.Linear(shape.heads * shape.head_width, width, bias=False))
        self.mlp = Group(gate_proj=nn.Linear(width, shape.feed_forward, bias=False),
                         up_proj=nn.Linear(width, shape.feed_forward, bias=False),
                         down_proj=nn.Linear(shape.feed_forward, width, bias=False))
        self.input_layernorm = RMSNorm(width, shape.epsilon)
        self.post_attention_layernorm = RMSNorm(width, shape.epsilon)

    def forward(self, x, cos, sin, mask, shared: int, shown=None):
        """x [B, L, D]: the first `shared` tokens are causal, the rest see what `mask` [B, 1, L - shared, L] says.

        shown [B, L] in x's type: 0 hides a token from this layer as ZipVL does, its key from all and attention from it.
        """
        shape, attn = self.shape, self.self_attn
        count, length, _ = x.shape
        normed = self.input_layernorm(x)

        def heads(projection, number):
            return linear(normed, projection).view(count, length, number, shape.head_width).transpose(1, 2)

        queries = rotate(heads(attn.q_proj, shape.heads), cos, sin)
        keys = rotate(heads(attn.k_proj, shape.key_value_heads), cos, sin)
        values = heads(attn.v_proj, shape.key_value_heads)
        if shown is not None:
            # One more dimension whose product is a bias of the key: the fused kernels take no other one.
            bias = (shown - 1)[:, None, :, None].expand(-1, shape.key_value_heads, -1, 1) * self.HIDDEN
            queries = F.pad(F.pad(queries, (0, 1), value=shape.head_width ** 0.5), (0, 7))
            keys, values = F.pad(torch.cat((keys, bias), -1), (0, 7)), F.pad(values, (0, 8))
        repeats, scale = shape.heads // shape.key_value_heads, shape.head_width ** -0.5
        keys, values = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
        video = F.scaled_dot_product_attention(queries[:, :, :shared], keys[:, :, :shared], values[:, :, :shared],
                                               is_causal=True, scale=scale)
        text = F.scaled_dot_product_attention(queries[:, :, shared:], keys, values, attn_mask=mask, scale=scale)
        out = torch.cat((video, text), 2)
        if shown is not None:
            out = out[..., :shape.head_width] * shown[:, None, :, None]
        x = x + linear(out.transpose(1, 2).reshape(count, length, -1), attn.o_proj)
        normed = self.post_attention_layernorm(x)
        return x + linear(F.silu(linear(normed, self.mlp.gate_proj)) * linear(normed, self.mlp.up_proj),
                          self.mlp.down_proj)


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width, shape.epsilon)
        encoder = Group(layers=nn.ModuleList(VisionLayer(shape) for _ in range(shape.vision_layers)))
        vision = Group(embeddings=VisionEmbeddings(shape), pre_layrnorm=nn.LayerNorm(shape.vision_width, eps=1e-5),
                       encoder=encoder)
        self.vision_tower = Group(vision_tower=Group(vision_model=vision))
        self.mm_projector = nn.ModuleDict(
            {"0": nn.Linear(shape.vision_width, shape.width), "2": nn.Linear(shape.width, shape.width)})


class LongVA(nn.Module):
    def __init__(self, shape=Shape()):
        super().__init__()
        self.shape, self.model = shape, Decoder(shape)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() >= 2:
                nn.init.normal_(parameter, std=self.deviation(name, parameter))

    def deviation(self, name, parameter):
        """Of the random start: 1 / sqrt(inputs), and less for what is added to a residual stream."""
        if "embed_tokens" in name:
            return 0.02
        if "position_embedding" in name:
            return 0.1
        deviation = 1 / math.sqrt(parameter[0].numel())
        if any(part in name for part in ("o_proj", "down_proj", "out_proj", "fc2")):
            depth = self.shape.vision_layers if "vision_tower" in name else self.shape.layers
            deviation /= math.sqrt(2 * depth)
        return deviation

    def vision(self, pixels, dtype):
        """pixels [N, 3, S, S] to visual tokens [N, tokens, D]."""
        shape, tower = self.shape, self.model.vision_tower.vision_tower.vision_model
        embeddings, side, patch = tower.embeddings, shape.patches, shape.patch
        count = pixels.shape[0]
        patches = pixels.to(dtype).view(count, 3, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5)
        x = F.linear(patches.reshape(count, side * side, -1), embeddings.patch_embedding.weight.flatten(1).to(dtype))
        first = embeddings.class_embedding.to(dtype).expand(count, 1, -1)
        x = torch.cat((first, x), 1) + embeddings.position_embedding.weight.to(dtype)
        x = layer_norm(x, tower.pre_layrnorm)
        for layer in tower.encoder.layers:
            x = layer(x)
        projector = self.model.mm_projector
        x = linear(F.gelu(linear(x[:, 1:], projector["0"])), projector["2"])
        return x.view(count, side // 2, 2, side // 2, 2, -1).mean((2, 4)).flatten(1, 2)

    def rope(self, positions, dtype):
        width = self.shape.head_width
        steps = torch.arange(0, width, 2, device=positions.device).float() / width
        angles = positions.float()[..., None] / self.shape.rope_theta ** steps
        angles = torch.cat((angles, angles), -1)
        return angles.cos().to(dtype)[:, None], angles.sin().to(dtype)[:, None]

    def forward(self, visual, prefix, ids, positions, segments, taps=(), shown=None):
        """Final hidden states of the text [B, R, D], and {n: what layer n gives out [B, L, D]} for n in `taps`.

        visual [B, V, D]; prefix [P]; ids, positions, segments [B, R]; shown: [layers, B, L] (DecoderLayer) or None.
        """
        count, dtype, device = visual.shape[0], visual.dtype, visual.device
        table = self.model.embed_tokens.weight
        x = torch.cat((F.embedding(prefix, table).to(dtype).expand(count, -1, -1), visual,
                       F.embedding(ids, table).to(dtype)), 1)
        shared, rows = prefix.numel() + visual.shape[1], ids.shape[1]
        cos, sin = self.rope(torch.cat((torch.arange(shared, device=device).expand(count, -1), positions), 1), dtype)
        order = torch.arange(rows, device=device)
        own = (segments[:, :, None] == segments[:, None, :]) & (order[:, None] >= order)
        everyone = torch.ones(count, rows, shared, dtype=torch.bool, device=device)
        mask, tapped = torch.cat((everyone, own), 2)[:, None], {}
        for number, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, mask, shared, None if shown is None else shown[number])
            if number in taps:
                tapped[number] = x
        return self.model.norm(x[:, shared:]), tapped

    def logits(self, hidden):
        return F.linear(hidden, self.model.embed_tokens.weight.to(hidden.dtype)).float()
