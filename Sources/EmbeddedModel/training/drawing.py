"""renderer.py's drawing in PyTorch: the same pixels, thousands of frames at a time."""
import numpy as np
import torch
import torch.nn.functional as F

from renderer import ASSETS
from vocabulary import GLYPHS, RGB, SHAPES, SIDE

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)     # CLIP's
CELL_CLASSES = len(SHAPES) + len(GLYPHS) + len(RGB)


class Drawing(torch.nn.Module):
    def __init__(self, side=SIDE):
        """`side`: pixels of the finished frames; they are always drawn at SIDE."""
        super().__init__()
        self.side = side
        with np.load(ASSETS) as assets:
            self.register_buffer("atlas", torch.from_numpy(assets["atlas"].astype(np.float32)))
            self.register_buffer("textures", torch.from_numpy(assets["tex"].astype(np.float32) / 255))
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(DEVIATION)[:, None, None])

    def forward(self, layers, backgrounds):
        """layers [N, MAX_LAYERS, 9], backgrounds [N, 9] to RGB [N, 3, SIDE, SIDE] before the camera."""
        size = self.atlas.shape[-1]
        grid = torch.arange(SIDE, device=layers.device, dtype=torch.float32)
        x, y = grid[None, None, :], grid[None, :, None]

        def spread(values):
            return values[:, None, None]

        columns = (x + spread(backgrounds[:, 1])).long() % SIDE
        lines = (y + spread(backgrounds[:, 2])).long() % SIDE
        texture = self.textures.view(-1)[(spread(backgrounds[:, 0]).long() * SIDE + lines) * SIDE + columns]
        image = [spread(backgrounds[:, 3 + c]) * (1 - texture) + spread(backgrounds[:, 6 + c]) * texture
                 for c in range(3)]
        for layer in layers.unbind(1):
            index, cx, cy, sx, sy, angle, *rgb = layer.unbind(1)
            dx, dy = x + 0.5 - spread(cx), y + 0.5 - spread(cy)
            cos, sin = spread(angle.cos()), spread(angle.sin())
            u, v = (cos * dx + sin * dy) / spread(sx), (cos * dy - sin * dx) / spread(sy)
            column = ((u + 1) * (size / 2)).long().clamp(0, size - 1)
            line = ((v + 1) * (size / 2)).long().clamp(0, size - 1)
            distance = self.atlas.view(-1)[(spread(index.clamp(min=0)).long() * size + line) * size + column]
            alpha = (0.5 + distance * spread(torch.minimum(sx, sy))).clamp(0, 1)
            alpha = alpha * ((u.abs() <= 1) & (v.abs() <= 1) & (spread(index) >= 0))
            image = [image[c] * (1 - alpha) + spread(rgb[c]) * alpha for c in range(3)]
        return torch.stack(image, 1)

    def photograph(self, image, cameras, noise):
        """What the camera makes of it, cameras [N, 4]: 8-bit pixels, 0 to 1. `noise`: as `image`, standard normal."""
        gain, offset, deviation, blurred = (c[:, None, None, None] for c in cameras.unbind(1))
        image = (image - 0.3) * gain + 0.3 + offset
        blur = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        image = torch.where(blurred > 0, blur, image) + noise * deviation
        return (image.clamp(0, 1) * 255).round() / 255

    def prepare(self, image):
        """Pixels as the vision tower takes them: CLIP's mean and deviation, at its size."""
        if self.side != SIDE:
            image = F.interpolate(image, self.side, mode="bicubic", align_corners=False).clamp(0, 1)
        return (image - self.mean) / self.deviation


def cell_targets(layers, grid):
    """What has its centre in each of the grid x grid cells of a frame, [N, grid * grid, CELL_CLASSES] of 0 and 1.

    Shapes, glyphs, and the colours of shapes and of cards (the nearest of the eight).
    """
    count = layers.shape[0]
    index = layers[..., 0].long()
    cell = SIDE / grid
    cells = (layers[..., 2] / cell).long().clamp(0, grid - 1) * grid + (layers[..., 1] / cell).long().clamp(0, grid - 1)
    glyph = len(SHAPES) + (index - len(SHAPES)).clamp(min=0) % len(GLYPHS)
    kind = torch.where(index < len(SHAPES), index, glyph)
    palette = torch.from_numpy(RGB).to(layers.device)
    color = (layers[..., None, 6:9] - palette).square().sum(-1).argmin(-1)
    # A card is drawn as a square, but wider than high: only its colour counts. One class too many takes the rest.
    targets = torch.zeros(count, grid * grid, CELL_CLASSES + 1, device=layers.device)
    is_square = layers[..., 3] == layers[..., 4]
    none = torch.full_like(index, CELL_CLASSES)
    rows = torch.arange(count, device=layers.device)[:, None].expand_as(cells)
    shown = torch.where((index >= 0) & is_square, kind, none)
    painted = torch.where((index >= 0) & (index < len(SHAPES)), len(SHAPES) + len(GLYPHS) + color, none)
    targets[rows, cells, shown] = 1
    targets[rows, cells, painted] = 1
    return targets[..., :CELL_CLASSES]
