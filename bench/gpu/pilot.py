"""A pilot: does SRA help a small SiT on Fashion-MNIST, and after how many steps?

pilot.py DATA OUT.json [--seconds N] [--seeds N] [--tiny]
Three arms from the same initial weights, images, noise and times for each seed: no alignment, the paper's smooth-l1
(weight 0.2), and the later release's cosine (weight 0.5). Training ends when the time is over, for all members at once.
"""
import argparse
import json
import os
import time

import torch

import ensemble
import metrics

ARMS = (("none", 0.0), ("smooth-l1", 0.2), ("cosine", 0.5))
SETTINGS = {
    "width": 128, "depth": 8, "heads": 4, "patch": 4, "blocks": [2, 6], "largestK": 0.2,
    "batch": 64, "rate": 1e-3, "warmup": 500, "ema": 0.999, "firstSeed": 100,
    "checkpoints": [500, 1000, 2000, 4000, 6000, 8000, 12000, 16000, 24000, 32000, 48000, 64000],
    "trainImages": 60000, "samples": 4000, "eulerSteps": 20, "chunk": 250, "probeImages": 5000, "probeBlocks": [2, 4, 6, 8],
    "probeTimes": [0.5, 0.3, 0.1], "lossTimes": [0.1, 0.3, 0.5, 0.8], "classifierEpochs": 4,
}  # fmt: skip
TINY = {"width": 32, "depth": 4, "heads": 2, "blocks": [1, 3], "batch": 8, "checkpoints": [5, 10], "samples": 100, "trainImages": 2048,
        "eulerSteps": 4, "chunk": 50, "probeImages": 200, "probeBlocks": [1, 3], "classifierEpochs": 1}  # fmt: skip


class Pilot:
    def __init__(self, data, seeds, settings, device, compile_):
        self.s, self.device = settings, device
        self.shape = ensemble.Shape(*(settings[k] for k in ("width", "depth", "heads", "patch")))
        self.seeds, self.members = seeds, seeds * len(ARMS)
        parts = {part: metrics.read_images(data, part) for part in ("train", "t10k") if has(data, part)}
        self.test, self.test_labels = (x.to(device) for x in parts["t10k"])
        self.train, self.train_labels = (
            x[: settings["trainImages"]].to(device) for x in parts.get("train", parts["t10k"])
        )
        first = settings["firstSeed"]
        self.flat = ensemble.initial(self.shape, range(first, first + seeds), len(ARMS), device)
        self.ema, self.first, self.second = self.flat.clone(), torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.params = {k: v.detach().requires_grad_() for k, v in ensemble.views(self.shape, self.flat).items()}
        self.teacher = ensemble.views(self.shape, self.ema)
        self.position = ensemble.positions(self.shape, device)
        self.weights = torch.tensor([w for _, w in ARMS], device=device).repeat_interleave(seeds)
        # Streams of their own: of images, noise and times in training; of the evaluations' noise.
        self.stream = torch.Generator(device).manual_seed(first)
        compiled = torch.compile if compile_ else (lambda f: f)
        self.total, self.look, self.update = compiled(self._total), compiled(self._look), compiled(ensemble.update)

    def _total(self, params, teacher, x, noise, t, k):
        with torch.autocast(self.device.type, torch.bfloat16):
            generative, aligned = ensemble.losses(
                self.shape, params, teacher, self.position, x, noise, t, k, ARMS, self.s["blocks"]
            )
        return (generative + self.weights * aligned).sum(), generative.detach(), aligned.detach()

    def _look(self, params, x, t):
        """Velocities, and each looked-at block's tokens averaged over places: [E,blocks,B,D]."""
        with torch.autocast(self.device.type, torch.bfloat16):
            velocity, kept = ensemble.forward(self.shape, params, self.position, x, t, keep=self.s["probeBlocks"])
        return velocity, torch.stack([kept[n].float().mean(2) for n in self.s["probeBlocks"]], 1)

    def step(self, number):
        s, batch = self.s, self.s["batch"]
        draw = lambda kind, *dims, **more: kind(*dims, device=self.device, generator=self.stream, **more)
        # A seed's draws serve all its arms.
        arms = lambda y: y.repeat(len(ARMS), *[1] * (y.dim() - 1))
        picked = draw(torch.randint, len(self.train), (self.seeds, batch))
        x = arms(self.train[picked])
        noise = arms(draw(torch.randn, (self.seeds, batch, 1, 28, 28)))
        t, k = arms(draw(torch.rand, (self.seeds, batch))), arms(draw(torch.rand, (self.seeds, batch)) * s["largestK"])
        total, generative, aligned = self.total(self.params, self.teacher, x, noise, t, k)
        grads = torch.autograd.grad(total, list(self.params.values()))
        grad = torch.cat([g.reshape(self.members, -1) for g in grads], 1)
        scalar = lambda v: torch.tensor(v, device=self.device)
        rate = s["rate"] * min(1, number / s["warmup"])
        decay = min(s["ema"], (1 + number) / (10 + number))  # a young average would remember the initial weights
        norm = self.update(
            self.flat, grad, self.first, self.second, self.ema, scalar(float(number)), scalar(rate), scalar(decay)
        )
        return generative, aligned, norm

    def prepare(self):
        """The classifier and the trivial controls, beside which distances are read."""
        self.classifier = metrics.train_classifier(self.train, self.train_labels, self.s["classifierEpochs"])
        with torch.no_grad():
            right = torch.cat([self.classifier(x).argmax(1) for x in self.test.split(2500)]).eq(self.test_labels)
        self.real = metrics.moments(metrics.features(self.classifier, self.test))
        n = self.s["samples"]
        seed = torch.Generator(self.device).manual_seed(7)
        noise = torch.randn(n, 1, 28, 28, device=self.device, generator=seed)
        mean = self.train.mean(0, keepdim=True)
        controls = {
            "realTrain": self.train[torch.randperm(len(self.train), device=self.device, generator=seed)[:n]],
            "meanImage": mean.expand(n, -1, -1, -1),
            "meanImageAndNoise": (mean + 0.1 * noise).clamp(-1, 1),
            "noise": noise.clamp(-1, 1),
        }
        distance = {k: metrics.frechet(metrics.moments(metrics.features(self.classifier, v)), self.real) for k, v in controls.items()}
        return {"accuracy": right.double().mean().item(), "controls": distance}

    def everyone(self, y):
        return y.expand(self.members, *y.shape).contiguous()

    @torch.no_grad()
    def samples(self, params):
        """Euler from the same noise for every member: [E,N,1,28,28]."""
        s, out = self.s, []
        seed = torch.Generator(self.device).manual_seed(11)
        for _ in range(0, s["samples"], s["chunk"]):
            z = self.everyone(torch.randn(s["chunk"], 1, 28, 28, device=self.device, generator=seed))
            for i in range(s["eulerSteps"], 0, -1):
                t = torch.full((self.members, s["chunk"]), i / s["eulerSteps"], device=self.device)
                z = z - self.look(params, z, t)[0] / s["eulerSteps"]
            out.append(z.clamp(-1, 1))
        return torch.cat(out, 1)

    @torch.no_grad()
    def looked(self, params, images, time_, seed):
        """Features and losses on images at one time, the same noise for every member."""
        seed = torch.Generator(self.device).manual_seed(seed)
        feats, wrong = [], []
        for part in images.split(self.s["chunk"]):
            noise = torch.randn(part.shape, device=self.device, generator=seed)
            t = torch.full((self.members, len(part)), time_, device=self.device)
            velocity, pooled = self.look(params, self.everyone((1 - time_) * part + time_ * noise), t)
            feats.append(pooled)
            wrong.append((velocity - (noise - part)).square().mean((1, 2, 3, 4)))
        return torch.cat(feats, 2), torch.stack(wrong).mean(0)

    def evaluate(self):
        """Of the moving averages: name -> one number a member."""
        s, out = self.s, {}
        params = self.teacher
        images = self.samples(params)
        out["distance"] = [
            metrics.frechet(metrics.moments(metrics.features(self.classifier, x)), self.real) for x in images
        ]
        n = s["probeImages"]
        for at in sorted(set(s["probeTimes"]) | set(s["lossTimes"])):
            test, wrong = self.looked(params, self.test[:n], at, 21)
            if at in s["lossTimes"]:
                out[f"loss t={at}"] = wrong.tolist()
            if at not in s["probeTimes"]:
                continue
            train, _ = self.looked(params, self.train[:n], at, 22)
            for i, block in enumerate(s["probeBlocks"]):
                found = metrics.probe(train[:, i], self.train_labels[:n], test[:, i], self.test_labels[:n])
                out[f"probe block={block} t={at}"] = [100 * a for a in found.tolist()]
        return out

    def summary(self, measured):
        """Means over seeds, and each arm against the baseline, seed by seed."""
        arm = lambda values, i: values[i * self.seeds : (i + 1) * self.seeds]
        out = {}
        for name, values in measured.items():
            base = arm(values, 0)
            row = {"none": metrics.interval(base)}
            for i, (distance, _) in enumerate(ARMS[1:], 1):
                mine = arm(values, i)
                row[distance] = metrics.interval(mine)
                row[f"{distance}-none"] = metrics.interval([a - b for a, b in zip(mine, base)])
            out[name] = row
        return out


def has(folder, part):
    return os.path.exists(os.path.join(folder, f"{part}-images-idx3-ubyte.gz"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--tiny", action="store_true", help="a size for trying the program on a processor")
    parser.add_argument("--compile", action="store_true", help="compile on a processor too")
    options = parser.parse_args()
    begin = time.perf_counter()
    spent = lambda: time.perf_counter() - begin
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    settings = SETTINGS | (TINY if options.tiny else {})
    pilot = Pilot(options.data, options.seeds, settings, device, device.type == "cuda" or options.compile)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    result = {"settings": settings, "arms": ARMS, "seeds": options.seeds, "card": card, "torch": torch.__version__}
    result |= {"classifier": pilot.prepare(), "checkpoints": []}
    result["parametersEach"] = pilot.flat.shape[1]
    result["data"] = {"training": len(pilot.train), "test": len(pilot.test)}

    def save():
        with open(options.out, "w") as file:
            json.dump(result, file)

    say = lambda line: print(json.dumps(line), flush=True)
    say({k: v for k, v in result.items() if k not in ("checkpoints", "settings")} | {"seconds": spent()})
    number, cost, curve, started = 0, 0.0, [], spent()
    recent = None

    def check():
        nonlocal cost
        start = spent()
        measured = pilot.evaluate()
        cost = spent() - start
        entry = {"step": number, "seconds": spent(), "evaluation": cost, "summary": pilot.summary(measured), "members": measured}
        result["checkpoints"].append(entry)
        result["training"] = curve
        save()
        short = {k: {a: [v["mean"], v["half"]] for a, v in row.items()} for k, row in entry["summary"].items()}
        keys = ("distance", *(f"probe block={b} t={t}" for b, t in zip(settings["blocks"], (0.5, 0.3))))
        say({"step": number, "seconds": spent(), "evaluation": cost, **{k: short[k] for k in keys if k in short}})

    while True:
        number += 1
        recent = pilot.step(number)
        if number % 50 == 0 or number <= 2:
            generative, aligned, norm = (y.view(len(ARMS), -1).mean(1).tolist() for y in recent)
            curve.append({"step": number, "seconds": spent(), "generative": generative, "aligned": aligned, "norm": norm})
            if number in (2, 50, 200):
                say({"step": number, "seconds": spent(), "generative": generative, "aligned": aligned})
            if spent() + 1.3 * cost + 2 > options.seconds:
                break
        if number in settings["checkpoints"]:
            if spent() + 3 * max(cost, 4) > options.seconds and cost:
                continue  # the last evaluation needs the time that is left
            check()
        if options.tiny and number >= 10:
            break
    if not result["checkpoints"] or result["checkpoints"][-1]["step"] != number:
        check()
    result["seconds"], result["trainingStarted"] = spent(), started
    if device.type == "cuda":
        result["peakGB"] = torch.cuda.max_memory_allocated() / 1e9
    save()
    say({"done": number, "seconds": spent(), "peakGB": result.get("peakGB")})


main()
