"""The network that tells people in one region apart: ``python -m training.separator DATA --out RUN``.

For each cell of a region it says whether a person's centre is there, and where the centre of the person lies
to whom the cell belongs: Panoptic-DeepLab's way of telling instances apart (Cheng et al. 2020,
arXiv:1911.10194). A centre is the mean of the upper part of what is visible of a person, since heads hide
each other less than bodies do. The segmenter's mask goes in beside the picture.

Samples are composites of the train split's cut-outs and portraits, and photos whose boxes tell their people
apart; where boxes overlap the labels say nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.camera import camera_defects
from training.layers import conv_bn
from training.library import background_files

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

SIDE = 64  # pixels of the network's input
CELLS = 32  # of its output, each way
TOP = 0.4  # of the height of what is visible of a person: the centre is the mean of it
SIGMA = 1.5  # cells, of a centre's Gaussian
UNIT = 8.0  # cells that an offset of 1 stands for
LEAST = 8  # cells: a person with fewer is not asked for
IGNORE = 255  # label of a cell

FAR = 0.35  # of composites: one near person and others far behind
CANVAS = 128  # pixels of a scene's shorter side


# --- the network --------------------------------------------------------------------------------


class Separable(nn.Module):
    """Depthwise and pointwise convolution (Howard et al. 2017), round which the input goes where it can."""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = conv_bn(cin, cin, 3, stride, groups=cin)
        self.pointwise = conv_bn(cin, cout, 1)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.depthwise(x))
        return x + y if self.residual else y


class Separator(nn.Module):
    """``(N, 4, SIDE, SIDE)`` BGR and mask, 0-255, in; ``(N, 3, CELLS, CELLS)`` out.

    The outputs are the logit of a centre, and the offset to it, x and y, in :data:`UNIT`.
    """

    size = SIDE

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(conv_bn(4, w, 3, 2), Separable(w, w))
        self.down1 = nn.Sequential(Separable(w, 2 * w, 2), Separable(2 * w, 2 * w), Separable(2 * w, 2 * w))
        self.down2 = nn.Sequential(
            Separable(2 * w, 4 * w, 2), Separable(4 * w, 4 * w), Separable(4 * w, 4 * w)
        )
        self.down3 = nn.Sequential(
            Separable(4 * w, 6 * w, 2), Separable(6 * w, 6 * w), Separable(6 * w, 6 * w)
        )
        self.side2, self.side1, self.side0 = (
            conv_bn(4 * w, 2 * w, 1),
            conv_bn(2 * w, 2 * w, 1),
            conv_bn(w, w, 1),
        )
        self.up2 = nn.Sequential(conv_bn(6 * w, 2 * w, 1), nn.Upsample(scale_factor=2, mode="bilinear"))
        self.mix2 = Separable(2 * w, 2 * w)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear")
        self.mix1 = nn.Sequential(Separable(2 * w, 2 * w), conv_bn(2 * w, w, 1))
        self.up0 = nn.Upsample(scale_factor=2, mode="bilinear")
        self.mix0 = nn.Sequential(Separable(w, w), Separable(w, w))
        self.head = nn.Conv2d(w, 3, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)

    def forward(self, x: Tensor) -> Tensor:
        x0 = self.stem((x - 127.0) / 128.0)
        x1 = self.down1(x0)
        x2 = self.down2(x1)
        y = self.mix2(self.up2(self.down3(x2)) + self.side2(x2))
        y = self.mix1(self.up1(y) + self.side1(x1))
        y = self.mix0(self.up0(y) + self.side0(x0))
        return self.head(y)


def separator_loss(output: Tensor, centres: Tensor, offsets: Tensor, known: Tensor, people: Tensor) -> Tensor:
    """Penalty-reduced focal loss (Zhou et al. 2019) on the centres and L1 on the offsets.

    Args:
        output: ``(N, 3, h, w)``.
        centres: ``(N, h, w)``, 1 in a centre's cell, falling off round it.
        offsets: ``(N, 2, h, w)`` in :data:`UNIT`.
        known: ``(N, h, w)``, 1 where ``centres`` is known.
        people: ``(N, h, w)``, 1 where ``offsets`` is.
    """
    logit = output[:, 0]
    p = logit.sigmoid().clamp(1e-4, 1 - 1e-4)
    at = (centres > 0.99).float()
    positive = -((1 - p) ** 2) * p.log() * at
    negative = -((1 - centres) ** 4) * p**2 * (1 - p).log() * (1 - at)
    heat = ((positive + negative) * known).sum() / at.sum().clamp(min=1)
    away = ((output[:, 1:] - offsets).abs().sum(1) * people).sum() / people.sum().clamp(min=1)
    return heat + away


# --- samples ------------------------------------------------------------------------------------


@dataclass
class Photo:
    """A photo with its people's mask and boxes, at the size of a scene."""

    bgr: U8
    alpha: U8
    ignore: NDArray[np.bool_]
    boxes: F32


@dataclass
class Small:
    """The train split, small."""

    cutouts: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))
    backgrounds: list[U8] = field(default_factory=list)
    photos: list[Photo] = field(default_factory=list)


def _fit(picture: U8, longest: int) -> U8:
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def load_small(data: Path) -> Small:
    """Decode the train split at the size that the samples need."""
    small = Small()
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    with open(data / "boxes.csv", newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            if row["source"] == "annotation":
                boxes[row["file"]].append([float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")])
    allowed = set(background_files(data, held_out=False))
    with open(data / "manifest.csv", newline="", encoding="utf-8") as f:
        rows = [row for row in csv.DictReader(f) if row["split"] == "train"]
    for row in rows:
        file = row["file"]
        if row["set"] == "ccp" or (file.startswith("backgrounds/") and file not in allowed):
            continue
        picture = cv2.imread(str(data / file), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise OSError(f"can't read {data / file}")
        if file.startswith("cutouts/"):
            x, y, w, h = cv2.boundingRect((picture[..., 3] > 127).view(np.uint8))
            small.cutouts[row["set"]].append(_fit(picture[y : y + h, x : x + w], CANVAS + 16))
        elif file.startswith("backgrounds/"):
            small.backgrounds.append(_fit(picture[..., :3], 224))
        else:
            label = cv2.imread(str(data / row["mask"]), cv2.IMREAD_GRAYSCALE)
            assert label is not None
            if picture.ndim == 2:
                picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
            alpha, unknown = (((label == level) * 255).astype(np.uint8) for level in (255, 128))
            found = np.asarray(boxes.get(file, []), np.float32).reshape(-1, 4)
            if row["set"] == "picsart":
                if _one_piece(alpha):
                    edge = cv2.blur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (3, 3))
                    small.cutouts["picsart"].append(_fit(np.dstack([picture, edge]), CANVAS + 16))
                found = np.asarray([[0, 0, alpha.shape[1], alpha.shape[0]]], np.float32)
            bgr = _fit(picture, 224)
            small.photos.append(
                Photo(bgr, _fit(alpha, 224), _fit(unknown, 224) > 0, found * bgr.shape[1] / picture.shape[1])
            )
    return small


def _one_piece(alpha: U8) -> bool:
    pieces = cv2.connectedComponentsWithStats((alpha > 127).view(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return len(pieces) > 0 and pieces.max() > 0.97 * pieces.sum()


def _composite(small: Small, rng: np.random.Generator) -> tuple[U8, list[F32]]:
    """A picture of one to four people, and what is visible of each, 0-1."""
    height = CANVAS
    width = int(height * rng.choice([0.75, 1.0, 4 / 3, 16 / 9]))
    room = small.backgrounds[rng.integers(len(small.backgrounds))]
    h, w = room.shape[:2]
    scale = max(height / h, width / w) * rng.uniform(1, 1.5)
    rows, columns = min(int(height / scale), h), min(int(width / scale), w)
    y, x = int(rng.integers(h - rows + 1)), int(rng.integers(w - columns + 1))
    bgr = cv2.resize(room[y : y + rows, x : x + columns], (width, height)).astype(np.float32)
    count = int(rng.choice([1, 2, 3, 4], p=[0.2, 0.4, 0.25, 0.15]))
    tall = height * rng.uniform(0.5, 1.05) * (1, 0.95, 0.8, 0.7)[count - 1]
    near = rng.random() < 0.7  # to each other
    middle = rng.uniform(0.3, 0.7) * width
    alphas: list[F32] = []
    places: list[tuple[float, float, int, NDArray[np.uint8]]] = []
    sets = sorted(small.cutouts)
    spread = rng.uniform(0.4, 0.95)
    far = count > 1 and rng.random() < FAR  # all but the last, who is laid over them
    for _ in range(count):
        pool = small.cutouts[sets[rng.integers(len(sets))]]
        cut = pool[rng.integers(len(pool))]
        share = tall * rng.uniform(0.8, 1.15) * (rng.uniform(0.3, 0.7) if rng.random() < 0.2 else 1)
        if far:
            share = height * (rng.uniform(0.15, 0.5) if len(places) < count - 1 else rng.uniform(0.7, 1))
        size = max(int(cut.shape[1] * share / cut.shape[0]), 4), max(int(share), 4)
        cut = cv2.resize(
            cut, size, interpolation=cv2.INTER_AREA if share < cut.shape[0] else cv2.INTER_LINEAR
        )
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        if far:
            left = rng.uniform(0.1, 0.9) * width - size[0] / 2
        elif near:
            left = places[-1][0] + places[-1][2] * spread if places else middle - count * size[0] * spread / 2
        else:
            left = rng.uniform(-0.2, 1) * width - size[0] * 0.4
        floor = height if rng.random() < 0.8 else height * rng.uniform(0.6, 1.2)
        if far and len(places) < count - 1:
            floor = size[1] + rng.uniform(0.05, 0.7) * height
        places.append((left, floor - size[1] * rng.uniform(0.75, 1) ** 0.5, size[0], cut))
    for i in range(count) if far else rng.permutation(count):
        left, top, _, cut = places[i]
        shift = np.array([[1.0, 0, round(left)], [0, 1.0, round(top)]])
        laid = cv2.warpAffine(np.ascontiguousarray(cut), shift, (width, height)).astype(np.float32)
        alpha = laid[..., 3:] * np.float32(1 / 255)
        bgr += alpha * (laid[..., :3] * rng.uniform(0.8, 1.15) - bgr)
        alphas = [a * (1 - alpha[..., 0]) for a in alphas] + [alpha[..., 0]]
    return bgr.clip(0, 255).astype(np.uint8), alphas


def _photo(photo: Photo) -> tuple[U8, list[F32], NDArray[np.bool_]]:
    """A photo, what is certainly each person's, 0-1, and where nobody knows whose."""
    height, width = photo.alpha.shape
    inside = np.zeros((len(photo.boxes), height, width), bool)
    for plane, box in zip(inside, photo.boxes, strict=True):
        x0, y0, x1, y1 = np.rint(box).astype(int)
        plane[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
    count = inside.sum(0)
    marked = photo.alpha > 127
    share = photo.alpha.astype(np.float32) / 255
    return photo.bgr, [share * (p & (count == 1)) for p in inside], photo.ignore | (marked & (count != 1))


def sample(small: Small, rng: np.random.Generator) -> tuple[U8, F32]:
    """Input ``(4, SIDE, SIDE)`` uint8, and ``(5, CELLS, CELLS)``: centres, offsets, known, people."""
    unknown: NDArray[np.bool_] | None = None
    if rng.random() < 0.65:
        bgr, shares = _composite(small, rng)
    else:
        bgr, shares, unknown = _photo(small.photos[rng.integers(len(small.photos))])
    height, width = bgr.shape[:2]
    asked = [s for s in shares if (s > 0.5).sum() > 0.01 * height * width]
    if not asked:
        return sample(small, rng)
    chosen = rng.permutation(len(asked))[: int(rng.integers(1, len(asked) + 1))]
    x0, y0, x1, y1 = _bounds(np.max([asked[i] for i in chosen], 0))
    margin = rng.uniform(-0.05, 0.3, 4) * [x1 - x0, y1 - y0, x1 - x0, y1 - y0]
    x0, y0 = max(int(x0 - margin[0]), 0), max(int(y0 - margin[1]), 0)
    x1, y1 = min(int(x1 + margin[2]) + 1, width), min(int(y1 + margin[3]) + 1, height)
    cut = np.s_[y0:y1, x0:x1]

    def fit(plane: NDArray[np.generic], side: int) -> F32:
        return cv2.resize(plane[cut].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)

    bgr = camera_defects(fit(bgr, SIDE).astype(np.uint8), rng)
    union = fit(np.sum(shares, 0).clip(0, 1), SIDE)
    doubtful = np.zeros((CELLS, CELLS), np.float32)
    if unknown is not None:
        doubtful = fit(unknown.astype(np.float32), CELLS)
        # The segmenter marks people whose share nobody knows as well.
        union = np.maximum(union, fit(unknown.astype(np.float32), SIDE))
    target = _labels([fit(s, CELLS) for s in shares], doubtful > 0.3)
    mask = _as_segmented(union, rng)
    x = np.dstack([bgr, mask]).transpose(2, 0, 1)
    if rng.random() < 0.5:
        x, target = x[..., ::-1], target[..., ::-1].copy()
        target[1] *= -1
    return np.ascontiguousarray(x), np.ascontiguousarray(target)


def _bounds(share: F32) -> tuple[int, int, int, int]:
    x, y, w, h = cv2.boundingRect((share > 0.5).view(np.uint8))
    return x, y, x + w, y + h


def _labels(shares: list[F32], doubtful: NDArray[np.bool_]) -> F32:
    target = np.zeros((5, CELLS, CELLS), np.float32)
    target[3] = ~doubtful
    owner = np.argmax(shares, 0)
    marked = np.max(shares, 0) > 0.5
    y, x = np.mgrid[:CELLS, :CELLS].astype(np.float32)
    for i in range(len(shares)):
        own = (owner == i) & marked
        if own.sum() < LEAST:
            target[3][own] = 0
            continue
        ys, xs = np.nonzero(own)
        top = ys <= ys.min() + TOP * (ys.max() - ys.min())
        cx, cy = xs[top].mean(), ys[top].mean()
        gauss = np.exp(-((x - round(cx)) ** 2 + (y - round(cy)) ** 2) / (2 * SIGMA**2))
        if doubtful.any():
            # Part of the person may be where nobody knows: then the centre may lie elsewhere.
            reach = cv2.dilate(own.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
            if (reach & doubtful).any():
                target[3][own] = 0
                continue
        target[0] = np.maximum(target[0], gauss)
        target[1][own] = (cx - x[own]) / UNIT
        target[2][own] = (cy - y[own]) / UNIT
        target[4][own] = 1
    return target


def _as_segmented(union: F32, rng: np.random.Generator) -> U8:
    """The mask as a segmenter would give it: blurred, a little too wide or narrow, with holes."""
    mask = union
    choice = rng.random()
    if choice < 0.3:
        mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.5, 1.5)))
    elif choice < 0.5:
        kernel = np.ones((3, 3), np.uint8)
        mask = cv2.erode(mask, kernel) if choice < 0.4 else cv2.dilate(mask, kernel)
    if rng.random() < 0.3:
        blobs = cv2.resize(rng.random((6, 6)).astype(np.float32), (SIDE, SIDE))
        mask = mask * (blobs > rng.uniform(0.05, 0.3)) if rng.random() < 0.5 else mask * (0.4 + 0.6 * blobs)
    return (255 * mask).clip(0, 255).astype(np.uint8)


_small: Small | None = None


def _draw(data: Path, seed: int, count: int) -> tuple[U8, F32]:
    global _small  # noqa: PLW0603
    cv2.setNumThreads(1)
    if _small is None:
        _small = load_small(data)
    rng = np.random.default_rng(seed)
    drawn = [sample(_small, rng) for _ in range(count)]
    return np.stack([x for x, _ in drawn]), np.stack([y for _, y in drawn]).astype(np.float16)


# --- training -----------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=24_000, help="different ones, drawn before")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    chunk = 1000
    with ProcessPoolExecutor(2) as workers:
        n = args.samples // chunk
        parts = list(
            workers.map(_draw, [args.data] * n, range(1000 * args.seed, 1000 * args.seed + n), [chunk] * n)
        )
    x = torch.from_numpy(np.concatenate([p[0] for p in parts]))
    y = torch.from_numpy(np.concatenate([p[1] for p in parts]))
    del parts
    torch.manual_seed(args.seed)
    network = Separator(args.width).to(memory_format=torch.channels_last)  # twice as fast on a CPU
    if args.start is not None:
        network.load_state_dict(torch.load(args.start))
    optimizer = torch.optim.AdamW(network.parameters(), args.learning_rate, weight_decay=1e-3)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    began, total = time.time(), 0.0
    for step in range(args.steps):
        warm = min((step + 1) / 200, 1.0)
        rate = args.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(x), (args.batch,))
        target = y[rows].float()
        output = network(x[rows].float().contiguous(memory_format=torch.channels_last))
        loss = separator_loss(output, target[:, 0], target[:, 1:3], target[:, 3], target[:, 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
        total += loss.item()
        if (step + 1) % 200 == 0:
            print(f"{step + 1}: loss {total / 200:.4f}, {time.time() - began:.0f} s", flush=True)
            total = 0.0
            torch.save(average.module.state_dict(), args.out / "final.pt")
    torch.save(average.module.state_dict(), args.out / "final.pt")
    recipe = {k: v for k, v in vars(args).items() if k not in ("data", "out", "start")}
    if args.start is not None:
        recipe["start"] = json.loads(args.start.with_name("recipe.json").read_text())
    recipe |= {"torch": torch.__version__, "device": "cpu"}
    (args.out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


if __name__ == "__main__":
    main()
