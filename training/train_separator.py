"""Train the separator: ``python -m training.train_separator DATA --out RUN``. Two CPU cores take an hour."""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from training.separator import SIDE, Separator, separator_loss
from training.separator_samples import draw
from upperbodyseg.models.spec import SEPARATOR_CHANNELS as CHANNELS

CHUNK = 1000  # samples that a process draws at a time
SEEDS = 1000  # of chunks that belong to a run's seed
LIGHT = 0.15  # by which a colour is brighter or darker at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=120_000, help="different ones, drawn before")
    parser.add_argument("--steps", type=int, default=38_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="of training; the steps that fit are made")
    parser.add_argument("--start", type=Path, help="a run to go on from, as far as its shapes fit")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    x, y, fit = _draw_all(args.data, args.samples, args.seed, args.processes)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.processes)
    network = Separator(args.width).to(memory_format=torch.channels_last)  # twice as fast on a CPU
    if args.start is not None:
        _start(network, torch.load(args.start / "final.pt"))
    optimizer = torch.optim.AdamW(network.parameters(), args.learning_rate, weight_decay=1e-2)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    began, total, step, done = time.time(), 0.0, 0, 0.0
    while done < 1:
        rate = args.learning_rate * min((step + 1) / 200, 1.0) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(x), (args.batch,))
        picture, target = _varied(x[rows], y[rows])
        output = network(picture.contiguous(memory_format=torch.channels_last))
        loss = separator_loss(output, target[:, 0], target[:, 1], fit[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
        total += loss.item()
        step += 1
        seconds = time.time() - began
        done = step / args.steps
        if args.minutes is not None:
            done = max(done, seconds / 60 / args.minutes)
        if step % 200 == 0:
            print(f"{step}: loss {total / 200:.4f}, {seconds:.0f} s, {done:.0%}", flush=True)
            total = 0.0
            _save(average.module, args, step)
    _save(average.module, args, step)


def _draw_all(data: Path, samples: int, seed: int, processes: int) -> tuple[Tensor, Tensor, Tensor]:
    n = samples // CHUNK
    x = torch.empty((n * CHUNK, CHANNELS, SIDE, SIDE), dtype=torch.uint8)
    y = torch.empty((n * CHUNK, 2, SIDE, SIDE), dtype=torch.uint8)
    fit = torch.empty((n * CHUNK, 2))
    with ProcessPoolExecutor(processes) as workers:
        seeds = range(SEEDS * seed, SEEDS * seed + n)
        for i, part in enumerate(workers.map(draw, [data] * n, seeds, [CHUNK] * n)):
            rows = slice(i * CHUNK, (i + 1) * CHUNK)
            for whole, some in zip((x, y, fit), part, strict=True):
                whole[rows] = torch.from_numpy(some)
            if i % 20 == 19:
                print(f"{(i + 1) * CHUNK} samples drawn", flush=True)
    return x, y, fit


def _varied(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A batch, half of it mirrored, in other light: floats, the target 0-1."""
    mirrored = (torch.rand(len(x)) < 0.5)[:, None, None, None]
    picture = torch.where(mirrored, x.flip(3), x).float()
    target = torch.where(mirrored, y.flip(3), y).float() * (1 / 255)
    picture[:, :3] *= torch.empty(len(x), 3, 1, 1).uniform_(1 - LIGHT, 1 + LIGHT)
    return picture.clamp_(max=255), target


def _start(network: Separator, weights: dict[str, Tensor]) -> None:
    """Take over the weights whose shapes fit."""
    own = network.state_dict()
    network.load_state_dict(
        own | {name: value for name, value in weights.items() if own[name].shape == value.shape}
    )


def _save(network: torch.nn.Module, args: argparse.Namespace, steps: int) -> None:
    partial = args.out / "final.pt.partial"
    torch.save(network.state_dict(), partial)
    partial.replace(args.out / "final.pt")
    recipe = {k: v for k, v in vars(args).items() if k not in ("data", "out", "start", "minutes")}
    if args.start is not None:
        recipe["start"] = json.loads((args.start / "recipe.json").read_text())
    recipe |= {"steps": steps, "torch": torch.__version__, "device": "cpu"}
    (args.out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


if __name__ == "__main__":
    main()
