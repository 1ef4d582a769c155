"""A SiT with adaLN-Zero in PyTorch, as bench/training/peer.py has it, for the GPU's peer measurements."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

# width, depth, heads of the paper's models; all take 32x32x4 latents in patches of 2.
SIZES = {"S/2": (384, 12, 6), "B/2": (768, 12, 12), "L/2": (1024, 24, 16), "XL/2": (1152, 28, 16)}
PATCH, CLASSES, SIZE, CHANNELS = 2, 1000, 32, 4


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, elementwise_affine=False, eps=1e-6) for _ in range(2))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.modulation = nn.Linear(width, 6 * width)

    def forward(self, x, c):
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(F.silu(c)).unsqueeze(1).chunk(6, 2)
        batch, tokens, width = x.shape
        y = self.norm1(x) * (1 + scale_a) + shift_a
        q, k, v = self.qkv(y).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + gate_a * self.proj(attended)
        y = self.norm2(x) * (1 + scale_m) + shift_m
        return x + gate_m * self.fc2(F.gelu(self.fc1(y), approximate="tanh"))


class SiT(nn.Module):
    def __init__(self, width, depth, heads, size=SIZE, channels=CHANNELS):
        super().__init__()
        self.size, self.channels = size, channels
        self.patches = nn.Conv2d(channels, width, PATCH, PATCH)
        self.position = nn.Parameter(torch.randn(1, (size // PATCH) ** 2, width), requires_grad=False)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(CLASSES + 1, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = nn.Linear(width, 2 * width)
        self.last = nn.Linear(width, PATCH * PATCH * channels)
        self.head = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.register_buffer("frequencies", torch.exp(-math.log(10000) * torch.arange(128) / 128))

    def forward(self, x, t, y, keep=0, until=0):
        """The velocity and block `keep`'s tokens; or block `until`'s tokens alone."""
        angles = t[:, None] * self.frequencies
        c = self.time(torch.cat([torch.cos(angles), torch.sin(angles)], 1)) + self.label(y)
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        kept = None
        for number, block in enumerate(self.blocks, 1):
            tokens = block(tokens, c)
            if number == keep:
                kept = tokens
            if number == until:
                return tokens
        shift, scale = self.modulation(F.silu(c)).unsqueeze(1).chunk(2, 2)
        out = self.last(self.norm(tokens) * (1 + scale) + shift)
        side = self.size // PATCH
        out = out.view(-1, side, side, PATCH, PATCH, self.channels).permute(0, 5, 1, 3, 2, 4)
        return out.reshape(-1, self.channels, self.size, self.size), kept


def step_flops(size, batch):
    """Floating-point operations of a training step's products: student forward and backward, teacher forward to block n."""
    width, depth, _ = SIZES[size]
    tokens = (SIZE // PATCH) ** 2
    block = 24 * tokens * width**2 + 4 * tokens**2 * width + 12 * width**2
    head = 8 * tokens * width**2
    return batch * (block * (3 * depth + 2 * depth // 3) + 3 * head)
