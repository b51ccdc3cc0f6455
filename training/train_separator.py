"""Train the separator: ``python -m training.train_separator DATA --out RUN``. Two CPU cores take an hour."""

from __future__ import annotations

import argparse
import json
import math
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.separator import Separator, separator_loss
from training.separator_samples import draw

CHUNK = 1000  # samples that a process draws at a time


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
    optimizer = torch.optim.AdamW(network.parameters(), args.learning_rate, weight_decay=1e-3)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    began, total, step, done = time.time(), 0.0, 0, 0.0
    while done < 1:
        rate = args.learning_rate * min((step + 1) / 200, 1.0) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(x), (args.batch,))
        target = y[rows].float() * (1 / 255)
        output = network(x[rows].float().contiguous(memory_format=torch.channels_last))
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
    with ProcessPoolExecutor(processes) as workers:
        parts: list[tuple[NDArray[Any], ...]] = list(
            workers.map(draw, [data] * n, range(1000 * seed, 1000 * seed + n), [CHUNK] * n)
        )
    x, y, fit = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True))
    return x, y, fit


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
