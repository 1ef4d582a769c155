"""What the pilot measures: a small classifier's features, Frechet distances in them, and ridge probes; all batched."""
import gzip
import math
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def read_idx(folder, name):
    with gzip.open(os.path.join(folder, name)) as file:
        data = file.read()
    rank = data[3]
    dims = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(dims).copy())


def read_images(folder, part):
    """Images in [-1, 1] as [N,1,28,28], and labels."""
    images = read_idx(folder, f"{part}-images-idx3-ubyte.gz").float().div_(127.5).sub_(1).unsqueeze(1)
    return images, read_idx(folder, f"{part}-labels-idx1-ubyte.gz").long()


class Classifier(nn.Module):
    def __init__(self, classes=10, features=128):
        super().__init__()
        block = lambda i, o: [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
        self.body = nn.Sequential(
            *block(1, 32), *block(32, 32), nn.MaxPool2d(2), *block(32, 64), *block(64, 64), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 49, features), nn.ReLU(),
        )
        self.last = nn.Linear(features, classes)

    def forward(self, x):
        return self.last(self.body(x))


def train_classifier(images, labels, epochs, seed=1234, batch=512):
    torch.manual_seed(seed)
    model = Classifier().to(images.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = max(1, epochs * (len(images) // batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 1)
    for _ in range(steps):
        picked = torch.randint(len(images), (min(batch, len(images)),), device=images.device)
        loss = F.cross_entropy(model(images[picked]), labels[picked], label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def features(model, images, batch=5000):
    return torch.cat([model.body(part) for part in images.split(batch)]).double()


def moments(x):
    mean = x.mean(0)
    centered = x - mean
    return mean, centered.T @ centered / (len(x) - 1)


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet(a, b):
    """Distance of two Gaussians (mean, covariance), through symmetric roots alone."""
    half = root(a[1])
    cross = torch.linalg.eigvalsh(half @ b[1] @ half).clamp(min=0).sqrt().sum()
    return ((a[0] - b[0]).square().sum() + a[1].trace() + b[1].trace() - 2 * cross).item()


def probe(train, labels, test, answers, classes=10, strength=1e-3):
    """Accuracy of a ridge classifier for each row of [..., N, D]; a closed form, so that nothing is tuned."""
    mean, spread = train.mean(-2, keepdim=True), train.std(-2, keepdim=True) + 1e-6
    one = lambda x: torch.cat([(x - mean) / spread, torch.ones_like(x[..., :1])], -1).double()
    x, y = one(train), F.one_hot(labels, classes).double()
    gram = x.transpose(-1, -2) @ x + strength * len(labels) * torch.eye(x.shape[-1], device=x.device)
    weights = torch.linalg.solve(gram, x.transpose(-1, -2) @ y)
    return (one(test) @ weights).argmax(-1).eq(answers).double().mean(-1)


# The 97.5% quantile of Student's distribution, by degrees of freedom.
QUANTILE = dict(zip(range(1, 16), (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
                                   2.160, 2.145, 2.131)))  # fmt: skip


def interval(values):
    """Mean and half width of the 95% t-interval over seeds."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return {"mean": mean, "half": None}
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return {"mean": mean, "half": QUANTILE.get(n - 1, 2.1) * spread / math.sqrt(n)}
