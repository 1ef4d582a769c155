"""The FID network in PyTorch. One request a line: {"network": "published" or "tuned", "batch": n}; each is answered with
the seconds of such a batch and the peak of memory in GB.

"published" is what pytorch-fid runs, norms and memory layout included. "tuned" is what PyTorch can do: norms folded into
the convolutions, channels last. Random weights; the images are resized as pytorch-fid does.
"""
import copy
import json
import os
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

torch.set_num_threads(os.cpu_count())
torch.manual_seed(0)


class Conv(nn.Module):
    def __init__(self, inputs, out, kernel=1, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, out, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x):
        return F.relu_(self.norm(self.conv(x)))


def mean_pool(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class Parallel(nn.Module):
    """Branches side by side; "mean" and "max" pool first."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Pool(nn.Module):
    def __init__(self, pool, *then):
        super().__init__()
        self.pool, self.then = pool, nn.Sequential(*then)

    def forward(self, x):
        return self.then(self.pool(x))


def half(x):
    return F.max_pool2d(x, 3, 2)


def chain(*layers):
    return nn.Sequential(*layers)


ROW, COLUMN = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))


def block_a(inputs, pool):
    return Parallel(
        Conv(inputs, 64),
        chain(Conv(inputs, 48), Conv(48, 64, 5, 1, 2)),
        chain(Conv(inputs, 64), Conv(64, 96, 3, 1, 1), Conv(96, 96, 3, 1, 1)),
        Pool(mean_pool, Conv(inputs, pool)),
    )


def block_c(width):
    return Parallel(
        Conv(768, 192),
        chain(Conv(768, width), Conv(width, width, *ROW), Conv(width, 192, *COLUMN)),
        chain(
            Conv(768, width),
            Conv(width, width, *COLUMN),
            Conv(width, width, *ROW),
            Conv(width, width, *COLUMN),
            Conv(width, 192, *ROW),
        ),
        Pool(mean_pool, Conv(768, 192)),
    )


def split():
    return Parallel(Conv(384, 384, (1, 3), 1, (0, 1)), Conv(384, 384, (3, 1), 1, (1, 0)))


def block_e(inputs, pool):
    return Parallel(
        Conv(inputs, 320),
        chain(Conv(inputs, 384), split()),
        chain(Conv(inputs, 448), Conv(448, 384, 3, 1, 1), split()),
        Pool(pool, Conv(inputs, 192)),
    )


network = chain(
    Conv(3, 32, 3, 2),
    Conv(32, 32, 3),
    Conv(32, 64, 3, 1, 1),
    Pool(half),
    Conv(64, 80),
    Conv(80, 192, 3),
    Pool(half),
    block_a(192, 32),
    block_a(256, 64),
    block_a(288, 64),
    Parallel(
        Conv(288, 384, 3, 2),
        chain(Conv(288, 64), Conv(64, 96, 3, 1, 1), Conv(96, 96, 3, 2)),
        Pool(half),
    ),
    block_c(128),
    block_c(160),
    block_c(160),
    block_c(192),
    Parallel(
        chain(Conv(768, 192), Conv(192, 320, 3, 2)),
        chain(Conv(768, 192), Conv(192, 192, *ROW), Conv(192, 192, *COLUMN), Conv(192, 192, 3, 2)),
        Pool(half),
    ),
    block_e(1280, mean_pool),
    block_e(2048, lambda x: F.max_pool2d(x, 3, 1, 1)),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(2048, 1008),
).eval()


def tune(network):
    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, Conv):
            layer.conv, layer.norm = fuse_conv_bn_eval(layer.conv, layer.norm), nn.Identity()
    return network.to(memory_format=torch.channels_last)


networks = {
    "published": (network, torch.contiguous_format),
    "tuned": (tune(network), torch.channels_last),
}
print(json.dumps({"version": torch.__version__}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    run, layout = networks[request["network"]]
    images = torch.rand(request["batch"], 3, 256, 256)
    start = time.perf_counter()
    with torch.inference_mode():
        x = F.interpolate(images, (299, 299), mode="bilinear", align_corners=False) * 2 - 1
        run(x.contiguous(memory_format=layout))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"seconds": seconds, "gigabytes": peak}), flush=True)
