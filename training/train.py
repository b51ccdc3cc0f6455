"""Train one stage of the recipe: ``python -m training.train fast-segmenter --data DATA --runs runs``.

What a stage needs of earlier ones it takes from their folders in ``--runs``. It goes on from its last
checkpoint when there is one: the learning rate follows the number of samples seen, so a run that was cut
off ends as one that was not. Small inputs come first, because the cost of a sample grows with its area.

Under ``torchrun --nproc-per-node N -m training.train ...`` N processes share every batch: two of them with a
core each are faster than one with two.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.detectors import AccurateDetector, Detector, FastDetector
from training.library import Library, load_library
from training.losses import detection_loss, imitation_loss, segmentation_loss
from training.networks import NETWORKS
from training.recipe import IMAGENET, RECIPE, Loss, Recipe, Sampling, Stage, read_recipe
from training.runs import export_folder, exported
from training.samples import Teachers, samples
from training.scenes import SceneMaker
from training.segmenters import FastSegmenter, Lite0Segmenter, Segmenter

WARM_UP = 150  # steps over which the learning rate rises
SAVE_EVERY = 120.0  # seconds


class Stream(IterableDataset):
    """A stage's samples; each worker draws its own."""

    def __init__(
        self, library: Library, stage: Stage, size: int, seed: int, sampling: Sampling, teachers: Teachers
    ) -> None:
        self.library, self.stage, self.size, self.seed = library, stage, size, seed
        self.sampling, self.teachers = sampling, teachers

    def __iter__(self):  # type: ignore[no-untyped-def]
        worker = get_worker_info()
        seed = self.seed * 64 + (worker.id if worker else 0)
        stage = self.stage
        return samples(self.library, stage.part, self.size, seed, self.sampling, stage.views, self.teachers)


class Average:
    """Exponential moving average of the weights, batch statistics included."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        decay = min(0.999, (1 + step) / (10 + step))
        for k, v in network.state_dict().items():
            if v.dtype.is_floating_point:
                self.state[k].lerp_(v, 1 - decay)
            else:
                self.state[k].copy_(v)


def loss_of(network: torch.nn.Module, batch: list[Tensor], device: str, terms: Loss) -> Tensor:
    parts = [b.to(device, non_blocking=True) for b in batch]
    bgr = parts[0].permute(0, 3, 1, 2).float()
    with torch.autocast(device, torch.bfloat16):
        output = network(bgr)
    if not isinstance(network, Detector):
        alpha, weight = (p[:, None].float() / 255 for p in parts[1:])
        return segmentation_loss(output.float(), alpha, weight, terms)
    if len(parts) == 2:
        return imitation_loss(output[0].float(), output[1].float(), parts[1], network.stride, network.unit)
    alpha, ignore = (p[:, None].float() / 255 for p in parts[2:])
    return detection_loss(
        output[0].float(),
        output[1].float(),
        parts[1],
        alpha,
        (ignore > 0).float(),
        network.stride,
        network.unit,
    )


def load_average(run: Path) -> dict[str, Tensor]:
    """The averaged weights that a finished run left."""
    state = torch.load(run / "final.pt", map_location="cpu", weights_only=True)["average"]
    return {k: v.float() if v.dtype == torch.float16 else v for k, v in state.items()}


def fits(network: torch.nn.Module, weights: dict[str, Tensor]) -> bool:
    """Whether the weights are of a network of this shape."""
    return {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in weights.items()}


def load_segmenter(run: Path) -> Segmenter:
    """The segmenter of a finished run, whichever it is."""
    weights = load_average(run)
    for make in NETWORKS.values():
        network = make()
        if isinstance(network, Segmenter) and fits(network, weights):
            network.load_state_dict(weights)
            return network
    raise SystemExit(f"{run} holds no segmenter")


def start(network: torch.nn.Module, run: Path | None) -> torch.nn.Module:
    """Initial weights: those of an earlier run of the same shape; else, for a fast network, what it has in
    common with the larger one of such a run; else ImageNet's."""
    weights = load_average(run) if run else {}
    if fits(network, weights):
        network.load_state_dict(weights)
    elif isinstance(network, FastSegmenter):
        larger = Lite0Segmenter()
        if run is None:
            larger.backbone.load_imagenet()
        else:
            larger.load_state_dict(weights)
        network.start_from(larger)
    elif isinstance(network, FastDetector):
        accurate = AccurateDetector()
        if run is None:
            accurate.backbone.load_imagenet()
        else:
            accurate.load_state_dict(weights)
        network.start_from(accurate.backbone)
    elif run is None:
        network.backbone.load_imagenet()
    else:
        raise SystemExit(f"{run} holds the weights of another network than {type(network).__name__}")
    return network


def share_gradients(network: torch.nn.Module, processes: int) -> None:
    """Give every process the mean of all processes' gradients."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    torch.distributed.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view(gradient.shape) / processes)


def parameter_groups(network: torch.nn.Module, backbone_share: float) -> list[dict[str, Any]]:
    """Weights that decay and those that don't, each with its share of the learning rate."""
    groups: dict[tuple[bool, float], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        share = backbone_share if name.startswith("backbone.") else 1.0
        groups.setdefault((parameter.ndim > 1, share), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": 1e-2 if decays else 0.0, "share": share}
        for (decays, share), parameters in groups.items()
    ]


def train(
    stage: Stage,
    recipe: Recipe,
    data: Path,
    runs: Path,
    start_from: Path | None = None,
    workers: int = 1,
    open_only: bool = False,
) -> Path:
    """Train a stage, or go on with it; its folder.

    Args:
        stage: what to train.
        recipe: that it is of.
        data: the data folder.
        runs: folder of all stages' folders.
        start_from: folder of the run that it sets out from, where that is no stage of the recipe.
        workers: processes that make samples.
        open_only: learn from openly licensed pictures alone.
    """
    out = runs / stage.name
    processes, rank = (int(os.environ.get(name, one)) for name, one in (("WORLD_SIZE", "1"), ("RANK", "0")))
    if stage.batch % processes:
        raise SystemExit(f"a batch of {stage.batch} can't be shared by {processes} processes")
    if processes > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    torch.manual_seed(stage.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if start_from is None and stage.start != IMAGENET:
        start_from = runs / stage.start
    network = start(NETWORKS[stage.network](), start_from)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(parameter_groups(network, stage.backbone_share), lr=stage.learning_rate)
    average = Average(network)
    seen = step = 0
    out.mkdir(parents=True, exist_ok=True)
    about = {
        "stage": asdict(stage),
        "phases": ",".join(f"{count}x{size}" for count, size in stage.phases),
        "stop": stage.samples,
        "batch": stage.batch,
        "processes": processes,
        "learning_rate": stage.learning_rate,
        "seed": stage.seed,
        "start": start_from.name if start_from else "ImageNet",
        "pseudo_labels": stage.labels is not None,
        "open_only": open_only,
        "teacher": list(stage.teachers),
        "finder": stage.finder,
        "torch": torch.__version__,
        "device": device,
    }
    (out / "recipe.json").write_text(json.dumps(about, indent=2) + "\n")
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average.state = state["average"]
        seen, step = state["seen"], state["step"]
        print(f"{stage.name}: resumed at {seen} samples", flush=True)

    def save() -> None:
        part = checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.state,
                "seen": seen,
                "step": step,
            },
            part,
        )
        part.replace(checkpoint)

    labels = runs / stage.labels if stage.labels else None
    library = load_library(data, labels, open_only, recipe.groups)
    sampling = recipe.sampling(stage.shares)
    if rank == 0:
        for note in SceneMaker(library, np.random.default_rng(0), sampling).notes:
            print(f"{stage.name}: {note}", flush=True)
        named = {name for group in recipe.groups.values() for name in group.sets}
        for name in sorted(library.sets.keys() - named):
            print(f"{stage.name}: the set {name} is in no group of the recipe: not drawn", flush=True)
    teachers = Teachers(
        tuple(exported(runs, recipe.stage(name)) for name in stage.teachers),
        export_folder(runs, recipe.stage(stage.finder)) if stage.finder else None,
    )
    started, start_seen, losses, saved = time.time(), seen, [], time.time()
    log = open(out / "log.jsonl", "a", buffering=1)  # noqa: SIM115 (until the training ends)
    end = 0
    for count, size in stage.phases:
        end = min(end + count, stage.samples)
        if seen >= end:
            continue
        seed = stage.seed * 1_000_003 + seen + 500_000 * rank
        stream = Stream(library, stage, size, seed, sampling, teachers)
        for batch in DataLoader(stream, stage.batch // processes, num_workers=workers):
            warm = min(1.0, (step + 1) / WARM_UP)
            cosine = 0.5 + 0.5 * math.cos(math.pi * seen / stage.planned)
            rate = stage.learning_rate * warm * cosine + 1e-6
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            loss = loss_of(network, batch, device, stage.loss)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if processes > 1:
                share_gradients(network, processes)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            step += 1
            seen += stage.batch
            average.update(network, step)
            losses.append(float(loss.detach()))
            if rank == 0 and step % 50 == 0:
                speed = (seen - start_seen) / (time.time() - started)
                line = {
                    "seen": seen,
                    "size": size,
                    "loss": round(float(np.mean(losses)), 4),
                    "per_s": round(speed, 1),
                }
                print(json.dumps(line), file=log)
                losses.clear()
            if rank == 0 and time.time() - saved > SAVE_EVERY:
                save()
                saved = time.time()
            if seen >= end:
                break
        if rank == 0:
            save()
    log.close()
    if rank == 0:
        part = out / "final.part"
        torch.save(
            {"average": {k: v.half() if v.dtype == torch.float32 else v for k, v in average.state.items()}},
            part,
        )
        part.replace(out / "final.pt")
    return out


def main() -> None:
    """Train the stage that the command names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stage", help="its name in the recipe")
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv and boxes.csv")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all stages' folders")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--start", type=Path, help="finished run to set out from, in place of the recipe's")
    parser.add_argument("--open", action="store_true", help="learn from openly licensed pictures alone")
    parser.add_argument("--at-most", type=int, help="samples a phase, to try it out")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    recipe = read_recipe(args.recipe)
    if args.at_most:
        recipe = recipe.shortened(args.at_most)
    train(recipe.stage(args.stage), recipe, args.data, args.runs, args.start, args.workers, args.open)


if __name__ == "__main__":
    main()
