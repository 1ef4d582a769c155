"""Many small SiTs trained side by side on one device: every parameter has a leading member axis, so that one batched
product serves all members. Members share nothing; a loss is a sum of the members' losses, so gradients stay apart."""
import math

import torch
import torch.nn.functional as F


class Shape:
    """Unconditional SiT on square images; blocks are counted from 1."""

    def __init__(self, width=128, depth=8, heads=4, patch=4, size=28, channels=1):
        self.width, self.depth, self.heads = width, depth, heads
        self.patch, self.size, self.channels = patch, size, channels
        self.side = size // patch
        self.tokens, self.patch_size = self.side**2, patch * patch * channels

    def parameters(self):
        """Name -> (shape, initial scale rule): xavier for matrices, zero for biases, modulations and the last layer."""
        d = self.width
        linear = lambda name, i, o, rule: {f"{name}.w": ((i, o), rule), f"{name}.b": ((1, o), "zero")}
        out = linear("patches", self.patch_size, d, "xavier")
        out |= linear("time1", 256, d, "0.02") | linear("time2", d, d, "0.02")
        for n in range(1, self.depth + 1):
            out |= linear(f"{n}.qkv", d, 3 * d, "xavier") | linear(f"{n}.proj", d, d, "xavier")
            out |= linear(f"{n}.fc1", d, 4 * d, "xavier") | linear(f"{n}.fc2", 4 * d, d, "xavier")
            out |= linear(f"{n}.modulation", d, 6 * d, "zero")
        out |= linear("modulation", d, 2 * d, "zero") | linear("last", d, self.patch_size, "zero")
        return out | linear("head1", d, 2 * d, "xavier") | linear("head2", 2 * d, d, "xavier")


def initial(shape, seeds, arms, device):
    """One flat row a member; the arms of a seed start alike. Members are ordered arm by arm."""
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for dims, rule in shape.parameters().values():
            if rule == "zero":
                parts.append(torch.zeros(dims).flatten())
            elif rule == "xavier":
                bound = math.sqrt(6 / sum(dims))
                parts.append((torch.rand(dims, generator=generator) * 2 - 1).mul_(bound).flatten())
            else:
                parts.append((torch.randn(dims, generator=generator) * float(rule)).flatten())
        rows.append(torch.cat(parts))
    return torch.stack(rows).repeat(arms, 1).to(device)


def views(shape, flat):
    """The named parameters as views of the flat rows."""
    out, at = {}, 0
    for name, (dims, _) in shape.parameters().items():
        count = math.prod(dims)
        out[name] = flat[:, at : at + count].view(len(flat), *dims)
        at += count
    return out


def positions(shape, device):
    """Sine and cosine of both coordinates, as in ViT."""
    quarter = shape.width // 4
    rates = 1 / 10000 ** (torch.arange(quarter) / quarter)
    angles = torch.arange(shape.side)[:, None] * rates
    one = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = one[:, None].expand(-1, shape.side, -1), one[None].expand(shape.side, -1, -1)
    return torch.cat([columns, rows], 2).reshape(1, 1, shape.tokens, shape.width).to(device)


def patchify(shape, x):
    """[E,B,C,H,W] -> [E,B,T,patch]"""
    e, b = x.shape[:2]
    x = x.view(e, b, shape.channels, shape.side, shape.patch, shape.side, shape.patch)
    return x.permute(0, 1, 3, 5, 4, 6, 2).reshape(e, b, shape.tokens, shape.patch_size)


def unpatchify(shape, x):
    e, b = x.shape[:2]
    x = x.view(e, b, shape.side, shape.side, shape.patch, shape.patch, shape.channels)
    return x.permute(0, 1, 6, 2, 4, 3, 5).reshape(e, b, shape.channels, shape.size, shape.size)


def linear(p, name, x):
    """[E,...,i] -> [E,...,o] by one batched product."""
    w, b = p[f"{name}.w"], p[f"{name}.b"]
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    return torch.baddbmm(b, flat, w).view(*x.shape[:-1], w.shape[-1])


def forward(shape, p, position, x, t, keep=(), until=0):
    """Velocities of [E,B,C,H,W] at times [E,B], and the tokens of the kept blocks; stops after block `until`."""
    e, b = t.shape
    frequencies = torch.exp(-math.log(10000) * torch.arange(128, device=x.device) / 128)
    angles = t[..., None] * frequencies
    c = F.silu(linear(p, "time1", torch.cat([angles.cos(), angles.sin()], 2)))
    c = F.silu(linear(p, "time2", c))
    norm = lambda y: F.layer_norm(y, (shape.width,), eps=1e-6)
    tokens = linear(p, "patches", patchify(shape, x)) + position
    kept = {}
    for n in range(1, shape.depth + 1):
        modulations = linear(p, f"{n}.modulation", c).unsqueeze(2).chunk(6, 3)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulations
        y = linear(p, f"{n}.qkv", norm(tokens) * (1 + scale_a) + shift_a)
        q, k, v = y.view(e * b, shape.tokens, 3, shape.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(e, b, shape.tokens, shape.width)
        tokens = tokens + gate_a * linear(p, f"{n}.proj", y)
        y = linear(p, f"{n}.fc1", norm(tokens) * (1 + scale_m) + shift_m)
        tokens = tokens + gate_m * linear(p, f"{n}.fc2", F.gelu(y, approximate="tanh"))
        if n in keep:
            kept[n] = tokens
        if n == until:
            return None, kept
    shift, scale = linear(p, "modulation", c).unsqueeze(2).chunk(2, 3)
    return unpatchify(shape, linear(p, "last", norm(tokens) * (1 + scale) + shift)).float(), kept


def project(p, tokens):
    return linear(p, "head2", F.silu(linear(p, "head1", tokens)))


def interpolate(x, noise, t):
    t = t[..., None, None, None]
    return (1 - t) * x + t * noise


def losses(shape, p, teacher, position, x, noise, t, k, arms, blocks):
    """Each member's generative loss and alignment loss. Arms: (distance, weight); the weight 0 is the baseline."""
    student_block, teacher_block = blocks
    velocity, kept = forward(shape, p, position, interpolate(x, noise, t), t, keep=(student_block,))
    generative = (velocity - (noise - x)).square().mean((1, 2, 3, 4))
    earlier = (t - k).clamp(min=0)
    with torch.no_grad():
        _, target = forward(shape, teacher, position, interpolate(x, noise, earlier), earlier, (teacher_block,), teacher_block)
    target = target[teacher_block].float()
    guess = project(p, kept[student_block]).float()
    seeds = len(x) // len(arms)
    aligned = []
    for number, (distance, _) in enumerate(arms):
        mine, its = (y[number * seeds : (number + 1) * seeds] for y in (guess, target))
        if distance == "smooth-l1":
            aligned.append(F.smooth_l1_loss(mine, its, beta=0.05, reduction="none").mean((1, 2, 3)))
        else:  # the paper's cosine: over the features of each token
            aligned.append(1 - F.cosine_similarity(mine, its, dim=-1).mean((1, 2)))
    return generative, torch.cat(aligned)


def update(flat, grad, first, second, ema, step, rate, decay, most=1.0, b1=0.9, b2=0.999, eps=1e-8):
    """Clipping by each member's own norm, AdamW without decay, and the moving average; all in place."""
    norm = grad.square().sum(1, keepdim=True).sqrt()
    grad = grad * torch.clamp(most / (norm + 1e-6), max=1.0)
    first.lerp_(grad, 1 - b1)
    second.mul_(b2).addcmul_(grad, grad, value=1 - b2)
    change = (first / (1 - b1**step)) / ((second / (1 - b2**step)).sqrt() + eps)
    flat.sub_(rate * change)
    ema.lerp_(flat, 1 - decay)
    return norm[:, 0]
