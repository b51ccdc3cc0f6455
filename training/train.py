"""Train one network: ``python -m training.train fast-segmenter --data DIR --out runs/fast-segmenter``.

Goes on from the last checkpoint in ``--out`` when there is one. The learning rate follows the
number of samples seen, so a run that was cut off ends as one that was not. ``--phases`` gives
the schedule: samples and input size of each phase, small sizes first, because the cost of a
sample grows with its area.

Under ``torchrun --nproc-per-node N -m training.train ...`` N processes share every batch: two of them with a
core each are faster than one with two.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
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
from training.samples import Teachers, samples
from training.segmenters import FastSegmenter, Lite0Segmenter, Segmenter

PHASES = {
    "lite0-segmenter": "60000x160,24000x256",
    "accurate-segmenter": "75000x160,45000x192,85000x256",
    "accurate-detector": "100000x192",
    "fast-detector": "130000x128",
    "fast-segmenter": "130000x160",
}
LEARNING_RATE = {
    "lite0-segmenter": 1e-3,
    "accurate-segmenter": 1.2e-3,
    "accurate-detector": 1e-3,
    "fast-detector": 1.5e-3,
    "fast-segmenter": 6e-4,
}
# Of the rate, for weights that come from ImageNet.
BACKBONE_SHARE = {"accurate-segmenter": 0.4}
# Stopped half-way down its schedule: at its end it knows the training rooms by heart and raises more
# false alarms in others (training/RESULTS.md has the figures).
STOP = {"accurate-detector": 55_000}


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, library: Library, network: str, size: int, seed: int, teachers: Teachers) -> None:
        self.arguments = (library, network.split("-")[1], size)
        self.teachers = teachers
        self.seed = seed

    def __iter__(self):  # type: ignore[no-untyped-def]
        worker = get_worker_info()
        return samples(*self.arguments, self.seed * 64 + (worker.id if worker else 0), self.teachers)


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


def loss_of(network: torch.nn.Module, batch: list[Tensor], device: str) -> Tensor:
    parts = [b.to(device, non_blocking=True) for b in batch]
    bgr = parts[0].permute(0, 3, 1, 2).float()
    with torch.autocast(device, torch.bfloat16):
        output = network(bgr)
    if not isinstance(network, Detector):
        alpha, weight = (p[:, None].float() / 255 for p in parts[1:])
        return segmentation_loss(output.float(), alpha, weight)
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
        if run is None:
            raise SystemExit("the fast segmenter is cut out of lite0-segmenter: name its run with --start")
        larger = Lite0Segmenter()
        larger.load_state_dict(weights)
        network.start_from(larger)
    elif isinstance(network, FastDetector):
        accurate = AccurateDetector()
        if run is None:
            accurate.backbone.load_imagenet()
        else:
            accurate.load_state_dict(weights)
        network.start_from(accurate.backbone)
    else:
        network.backbone.load_imagenet()  # type: ignore[union-attr,operator]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=list(PHASES))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path, help="folder that training.pseudo_labels wrote")
    parser.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        help="exported .tflite files to learn from: their mean beside the labels (segmenter), one in their "
        "place (detector)",
    )
    parser.add_argument(
        "--finder",
        type=Path,
        help="folder of an exported pair: a segmenter's pictures are cut where its detector sees people",
    )
    parser.add_argument("--start", type=Path, help="finished run to start from")
    parser.add_argument("--open", action="store_true", help="learn from openly licensed pictures alone")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--phases", help="SAMPLESxSIZE,... (default: the shipped recipe)")
    parser.add_argument("--stop", type=int, help="samples to stop at (default: the shipped recipe)")
    parser.add_argument("--batch", type=int, default=24, help="of all processes together")
    parser.add_argument("--lr", type=float, help="highest learning rate (default: the shipped recipe)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    processes, rank = (int(os.environ.get(name, one)) for name, one in (("WORLD_SIZE", "1"), ("RANK", "0")))
    if processes > 1:
        torch.distributed.init_process_group("gloo")
    if len(args.teacher) > 1 and args.network.endswith("detector"):
        parser.error("a detector has one teacher")
    if args.batch % processes:
        parser.error(f"--batch {args.batch} can't be shared by {processes} processes")
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lr = args.lr or LEARNING_RATE[args.network]
    schedule = args.phases or PHASES[args.network]
    phases = [tuple(map(int, p.split("x"))) for p in schedule.split(",")]
    total = sum(n for n, _ in phases)
    stop = min(args.stop or (total if args.phases else STOP.get(args.network, total)), total)

    network: torch.nn.Module = start(NETWORKS[args.network](), args.start)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(parameter_groups(network, BACKBONE_SHARE.get(args.network, 1.0)), lr=lr)
    average = Average(network)
    seen = step = 0
    args.out.mkdir(parents=True, exist_ok=True)
    recipe = {
        "phases": schedule,
        "stop": stop,
        "batch": args.batch,
        "processes": processes,
        "learning_rate": lr,
        "seed": args.seed,
        "start": args.start.name if args.start else "ImageNet",
        "pseudo_labels": args.labels is not None,
        "open_only": args.open,
        "teacher": ["/".join(path.parts[-2:]) for path in args.teacher],
        "finder": args.finder.name if args.finder else None,
        "torch": torch.__version__,
        "device": device,
    }
    (args.out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")
    checkpoint = args.out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average.state = state["average"]
        seen, step = state["seen"], state["step"]
        print(f"resumed at {seen} samples", flush=True)

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

    library = load_library(args.data, args.labels, args.open)
    teachers = Teachers(tuple(args.teacher), args.finder)
    started, start_seen, losses, saved = time.time(), seen, [], time.time()
    log = open(args.out / "log.jsonl", "a", buffering=1)  # noqa: SIM115 (until the process ends)
    end = 0
    for count, size in phases:
        end = min(end + count, stop)
        if seen >= end:
            continue
        seed = args.seed * 1_000_003 + seen + 500_000 * rank
        stream = Stream(library, args.network, size, seed, teachers)
        for batch in DataLoader(stream, args.batch // processes, num_workers=args.workers):
            progress = seen / total
            warm = min(1.0, (step + 1) / 150)
            rate = lr * warm * (0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-6
            for group in optimiser.param_groups:
                group["lr"] = rate * group["share"]
            loss = loss_of(network, batch, device)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            if processes > 1:
                share_gradients(network, processes)
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            step += 1
            seen += args.batch
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
            if rank == 0 and time.time() - saved > 120:
                save()
                saved = time.time()
            if seen >= end:
                break
        if rank == 0:
            save()
    if rank > 0:
        return
    torch.save(
        {"average": {k: v.half() if v.dtype == torch.float32 else v for k, v in average.state.items()}},
        args.out / "final.pt",
    )


if __name__ == "__main__":
    main()
