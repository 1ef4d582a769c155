"""PyTorch's own training step with SRA and its sampling, on a GPU: what ours is measured against.

peer.py OUT.jsonl warm KIND/CASE   compiles a case (step/... or sample/...) and exits: cases compiled side by side fill
                                   the compiler's caches for the measurements, which come one by one
peer.py OUT.jsonl rates          matrix products and a copy
peer.py OUT.jsonl step CASE ...  a case is MODEL:BATCH:PRECISION:FORM, such as B/2:32:bf16:compiled
peer.py OUT.jsonl sample CASE ...  50 guided Euler steps; the batch is the number of images
Forms: eager, compiled, and with "+graph" the whole step captured as one CUDA graph. Precisions: bf16 (autocast), tf32, f32.
"""
import copy
import json
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

from sit import CHANNELS, CLASSES, SIZE, SIZES, SiT, step_flops

DEVICE = torch.device(os.environ.get("PEER_DEVICE", "cuda"))
CUDA = DEVICE.type == "cuda"
GUIDANCE, SAMPLE_STEPS = 1.5, 50
DTYPES = {"f32": torch.float32, "tf32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def milliseconds(body, seconds=3.0, most=30, warm=3):
    """Median and least time of a call, by the device's own events."""
    for _ in range(warm):
        body()
    times, start = [], time.perf_counter()
    while len(times) < most and (len(times) < 5 or time.perf_counter() - start < seconds):
        if not CUDA:
            begin = time.perf_counter()
            body()
            times.append((time.perf_counter() - begin) * 1e3)
            continue
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        body()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last))
    return {"ms": statistics.median(times), "leastMs": min(times), "runs": len(times)}


def precision(name):
    torch.set_float32_matmul_precision("highest" if name == "f32" else "high")
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=name == "bf16")


def graphed(body):
    """The call as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            body()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        body()
    return graph.replay


class Step:
    """A training step as bench/training/peer.py has it, with the optimizer in one kernel."""

    def __init__(self, model, batch, form):
        torch.manual_seed(0)
        width, depth, heads = SIZES[model]
        self.student_block, self.teacher_block = depth // 3, 2 * depth // 3
        self.model = SiT(width, depth, heads).to(DEVICE)
        self.teacher = copy.deepcopy(self.model).requires_grad_(False)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.averages = [e for e, p in zip(self.teacher.parameters(), self.model.parameters()) if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, weight_decay=0, fused=True, capturable=CUDA and "graph" in form
        )
        shape = (batch, CHANNELS, SIZE, SIZE)
        self.x, self.noise = torch.randn(shape, device=DEVICE), torch.randn(shape, device=DEVICE)
        self.t, self.k = torch.rand(batch, device=DEVICE), torch.rand(batch, device=DEVICE) * 0.2
        self.y = torch.arange(batch, device=DEVICE) % CLASSES
        self.losses = torch.compile(self.loss) if "compiled" in form else self.loss

    def interpolate(self, t):
        t = t.view(-1, 1, 1, 1)
        return (1 - t) * self.x + t * self.noise

    def loss(self):
        velocity, features = self.model(self.interpolate(self.t), self.t, self.y, keep=self.student_block)
        earlier = (self.t - self.k).clamp(min=0)
        with torch.no_grad():
            target = self.teacher(self.interpolate(earlier), earlier, self.y, until=self.teacher_block)
        generative = (velocity - (self.noise - self.x)).square().mean()
        return generative + 0.2 * F.smooth_l1_loss(self.model.head(features).float(), target.float(), beta=0.05)

    def __call__(self, name):
        with precision(name):
            loss = self.losses()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_mul_(self.averages, 0.9999)
            torch._foreach_add_(self.averages, self.parameters, alpha=1e-4)


class Sampler:
    def __init__(self, model, count, form):
        torch.manual_seed(0)
        self.model = SiT(*SIZES[model]).to(DEVICE).eval()
        self.call = torch.compile(self.model) if "compiled" in form else self.model
        self.z = torch.randn(count, CHANNELS, SIZE, SIZE, device=DEVICE)
        self.y = torch.cat([torch.arange(count), torch.full((count,), CLASSES)]).to(DEVICE)
        self.times = torch.linspace(1, 0, SAMPLE_STEPS + 1, device=DEVICE)

    @torch.no_grad()
    def __call__(self, name):
        z = self.z
        with precision(name):
            for step in range(SAMPLE_STEPS):
                now, then = self.times[step], self.times[step + 1]
                velocity, _ = self.call(torch.cat([z, z]), now.expand(len(self.y)), self.y)
                conditional, unconditional = velocity.float().chunk(2)
                z = z + (then - now) * (unconditional + GUIDANCE * (conditional - unconditional))
        return z


def measure(kind, case):
    model, batch, name, form = case.split(":")
    start = time.perf_counter()
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    work = (Step if kind == "step" else Sampler)(model, int(batch), form)
    work(name)
    if CUDA:
        torch.cuda.synchronize()
    ready = time.perf_counter() - start
    body = graphed(lambda: work(name)) if "graph" in form else lambda: work(name)
    result = {"part": kind, "model": model, "batch": int(batch), "precision": name, "form": form, "firstCallSeconds": ready}
    result |= milliseconds(body, **({} if kind == "step" else {"most": 6, "warm": 1}))
    if CUDA:
        result["peakGB"] = torch.cuda.max_memory_allocated() / 1e9
    if kind == "step":
        result["tflops"] = step_flops(model, int(batch)) / result["ms"] / 1e9
    return result


def rates():
    side = 8192 if CUDA else 256
    for name, dtype in DTYPES.items():
        if not CUDA and name != "f32":
            continue
        with precision(name):
            pairs = [[torch.randn(side, side, device=DEVICE, dtype=dtype) for _ in range(2)] for _ in range(2)]
            turn = iter(range(10**9))
            with torch.autocast(DEVICE.type, enabled=False):
                got = milliseconds(lambda: torch.mm(*pairs[next(turn) % 2]), seconds=2)
        yield {"part": "product", "precision": name, "side": side, **got, "tflops": 2 * side**3 / got["ms"] / 1e9}
    a = torch.randn(2**30 // 4 if CUDA else 2**20, device=DEVICE)
    b = torch.empty_like(a)
    got = milliseconds(lambda: b.copy_(a), seconds=1)
    yield {"part": "copy", "bytes": a.nbytes, **got, "TBps": 2 * a.nbytes / got["ms"] / 1e9}


def about():
    card = torch.cuda.get_device_properties(0) if CUDA else None
    return {
        "part": "peer",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "card": card.name if card else "cpu",
        "multiprocessors": card.multi_processor_count if card else 0,
        "memoryGB": card.total_memory / 1e9 if card else 0,
    }


def main():
    out, kind, *cases = sys.argv[1:]

    def say(line):
        print(json.dumps(line), flush=True)
        if kind != "warm":
            with open(out, "a") as file:
                file.write(json.dumps(line) + "\n")

    if kind == "rates":
        say(about())
        for line in rates():
            say(line)
        return
    for case in cases:
        try:
            if kind == "warm":
                kind_, rest = case.split("/", 1)
                model, batch, name, form = rest.split(":")
                start = time.perf_counter()
                (Step if kind_ == "step" else Sampler)(model, int(batch), form)(name)
                say({"part": "warm", "case": case, "seconds": time.perf_counter() - start})
            else:
                say(measure(kind, case))
        except Exception as error:  # one case's failure is a result, the others go on
            say({"part": kind, "case": case, "error": f"{type(error).__name__}: {error}"[:400]})
        if CUDA:
            torch.cuda.empty_cache()
        torch._dynamo.reset()


main()
