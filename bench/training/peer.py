"""The same work in PyTorch: reads a scale, then one request a line (step, sample, memory); answers each with a line.

SiT with adaLN-Zero and the SRA loss, teacher cut at block n, gradient clipping, AdamW and EMA, as bench/training/worker.ts
has them: the same shapes, the same number of operations, in PyTorch's fastest form that needs no compiler.
"""
import copy
import json
import math
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(os.cpu_count())
torch.manual_seed(0)
PATCH, CLASSES, GUIDANCE, SAMPLE_STEPS, SAMPLES = 2, 1000, 1.5, 50, 4


def attend(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v)
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), -1) @ v


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
        x = x + gate_a * self.proj(attend(q, k, v).transpose(1, 2).reshape(batch, tokens, width))
        y = self.norm2(x) * (1 + scale_m) + shift_m
        return x + gate_m * self.fc2(F.gelu(self.fc1(y), approximate="tanh"))


class SiT(nn.Module):
    def __init__(self, depth, width, heads, size, channels, **_):
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

    def forward(self, x, t, y, keep=0, until=0):
        frequencies = torch.exp(-math.log(10000) * torch.arange(128) / 128)
        angles = t[:, None] * frequencies
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


scale = json.loads(sys.stdin.readline())
student_block, teacher_block = scale["depth"] // 3, 2 * scale["depth"] // 3
model = SiT(**scale)
teacher = copy.deepcopy(model).requires_grad_(False)
parameters = [p for p in model.parameters() if p.requires_grad]
averages = [e for e, p in zip(teacher.parameters(), model.parameters()) if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0, foreach=True)
batch = scale["batch"]
shape = (batch, scale["channels"], scale["size"], scale["size"])
x, noise = torch.randn(shape), torch.randn(shape)
t, k, y = torch.rand(batch), torch.rand(batch) * 0.2, torch.arange(batch)


def interpolate(t):
    t = t.view(-1, 1, 1, 1)
    return (1 - t) * x + t * noise


def step():
    velocity, features = model(interpolate(t), t, y, keep=student_block)
    earlier = (t - k).clamp(min=0)
    with torch.no_grad():
        target = teacher(interpolate(earlier), earlier, y, until=teacher_block)
    generative = ((velocity - (noise - x)) ** 2).mean((1, 2, 3)).mean()
    loss = generative + 0.2 * F.smooth_l1_loss(model.head(features), target, beta=0.05)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    with torch.no_grad():
        torch._foreach_mul_(averages, 0.9999)
        torch._foreach_add_(averages, parameters, alpha=1e-4)


@torch.no_grad()
def sample():
    z = torch.randn(SAMPLES, *shape[1:])
    labels = torch.cat([torch.arange(SAMPLES), torch.full((SAMPLES,), CLASSES)])
    times = torch.linspace(1, 0, SAMPLE_STEPS + 1)
    for now, then in zip(times[:-1], times[1:]):
        velocity, _ = teacher(torch.cat([z, z]), now.expand(2 * SAMPLES), labels)
        conditional, unconditional = velocity.chunk(2)
        z = z + (then - now) * (unconditional + GUIDANCE * (conditional - unconditional))


def seconds(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


answers = {"step": lambda: seconds(step), "sample": lambda: seconds(sample), "memory": memory}
print(json.dumps(torch.__version__), flush=True)
for line in sys.stdin:
    print(json.dumps(answers[line.strip()]()), flush=True)
