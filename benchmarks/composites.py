"""Pictures of several people whose masks are known: cut-outs laid over people-free pictures.

The backgrounds are held-out ones. Of the cut-outs a third are PicsArt val portraits, which no network has
seen, cut out by their labels; the others are those that the networks learnt from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.library import background_files

U8 = NDArray[np.uint8]

SIZE = (480, 640)
MAX_OVERLAP = 0.3  # of the smaller of two people's pixels
CUT_SIDE = 0.2  # of a portrait's side: one that is cut off there for longer makes no cut-out
MIN_PIECE = 0.97  # of a label's pixels in its largest piece: a portrait of one person
# About which share of a cut-out's height its head is.
HEADS = {"viton": 0.25, "headshots": 0.7, "headshots-caps": 0.7, "picsart": 0.5}
MIN_HEIGHT = 30  # pixels of a far person
VISIBLE = 0.25  # of a far person's pixels that must stay visible


@dataclass
class Scene:
    """A composite.

    Attributes:
        bgr: ``(H, W, 3)`` uint8.
        alphas: what is visible of each person, ``(H, W)`` uint8, the nearest last.
        main: indices of the people who are to stay with ``people="main"``.
        alone: the picture with the people of ``main`` alone.
    """

    bgr: U8
    alphas: list[U8]
    main: tuple[int, ...] = ()
    alone: U8 | None = None


@dataclass(frozen=True)
class Layer:
    """A person to be laid over a picture: BGRA of the wanted size, and the place of its first pixel."""

    cutout: U8
    x: int
    y: int
    near: bool = True


@dataclass
class CutOuts:
    """Cut-outs and held-out people-free pictures, decoded when they are asked for."""

    seen: list[Path]
    held_out: list[tuple[Path, Path]]
    backgrounds: list[Path]
    decoded: dict[Path, U8] = field(default_factory=dict)

    def person(self, rng: np.random.Generator) -> U8:
        """A cut-out ``(h, w, 4)`` BGRA, cut to what it shows, mirrored or not."""
        return self.person_and_head(rng)[0]

    def person_and_head(self, rng: np.random.Generator) -> tuple[U8, float]:
        """The same, and about which share of its height the head is."""
        if rng.random() < 1 / 3 and self.held_out:
            cut, head = self._portrait(*self.held_out[rng.integers(len(self.held_out))]), HEADS["picsart"]
        else:
            file = self.seen[rng.integers(len(self.seen))]
            cut, head = self._read(file, cv2.IMREAD_UNCHANGED), HEADS[file.parent.name]
        x, y, w, h = cv2.boundingRect((cut[..., 3] > 127).view(np.uint8))
        cut = cut[y : y + h, x : x + w]
        return cut[:, ::-1] if rng.random() < 0.5 else cut, head

    def background(self, rng: np.random.Generator, size: tuple[int, int] = SIZE) -> U8:
        """A people-free picture, cut to the wanted shape and scaled to it."""
        picture = self._read(self.backgrounds[rng.integers(len(self.backgrounds))], cv2.IMREAD_COLOR)
        h, w = picture.shape[:2]
        scale = max(size[0] / h, size[1] / w)
        rows, columns = min(int(size[0] / scale), h), min(int(size[1] / scale), w)
        y, x = int(rng.integers(h - rows + 1)), int(rng.integers(w - columns + 1))
        return cv2.resize(picture[y : y + rows, x : x + columns], size[::-1])

    def _portrait(self, picture: Path, mask: Path) -> U8:
        bgr, label = self._read(picture, cv2.IMREAD_COLOR), self._read(mask, cv2.IMREAD_GRAYSCALE)
        alpha = np.where(label == 255, 255, 0).astype(np.uint8)
        # The label's edge pixels hold the old background: drop one, feather the rest.
        return np.dstack([bgr, cv2.blur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (3, 3))])

    def _read(self, file: Path, flags: int) -> U8:
        if file not in self.decoded:
            picture = cv2.imread(str(file), flags)
            if picture is None:
                raise SystemExit(f"can't read {file}")
            self.decoded[file] = picture
        return self.decoded[file]


def load(data: Path) -> CutOuts:
    """What ``manifest.csv`` of the data folder lists."""
    with open(data / "manifest.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    portraits = [
        (data / row["file"], data / row["mask"])
        for row in rows
        if (row["set"], row["split"]) == ("picsart", "val") and _is_cut_out(data / row["mask"])
    ]
    seen = [data / row["file"] for row in rows if row["file"].startswith("cutouts/")]
    return CutOuts(seen, portraits, [data / file for file in background_files(data, held_out=True)])


def _is_cut_out(mask: Path) -> bool:
    label = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    if label is None:
        raise SystemExit(f"can't read {mask}")
    marked = (label == 255).view(np.uint8)
    pieces = cv2.connectedComponentsWithStats(marked)[2][1:, cv2.CC_STAT_AREA]
    return (
        max(marked[:, 0].mean(), marked[:, -1].mean()) < CUT_SIDE
        and marked[0].mean() < 0.02
        and pieces.max() > MIN_PIECE * pieces.sum()
    )


def scaled(cutout: U8, height: float) -> U8:
    """A cut-out at another height in pixels."""
    scale = height / cutout.shape[0]
    size = max(round(cutout.shape[1] * scale), 4), max(round(height), 4)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(cutout), size, interpolation=how)


def compose(
    background: U8, layers: list[Layer], rng: np.random.Generator | None = None
) -> tuple[U8, list[U8]]:
    """Lay people over a picture, the nearest last.

    Args:
        background: ``(H, W, 3)`` uint8.
        layers: may reach past the picture.
        rng: for a camera's noise; None for none.

    Returns:
        The picture, and of each person the alpha ``(H, W)`` that the nearer ones leave visible.
    """
    height, width = background.shape[:2]
    bgr = background.astype(np.float32)
    alphas: list[NDArray[np.float32]] = []
    for layer in layers:
        shift = np.array([[1.0, 0, layer.x], [0, 1.0, layer.y]])
        laid = cv2.warpAffine(layer.cutout, shift, (width, height), flags=cv2.INTER_NEAREST)
        alpha = laid[..., 3:].astype(np.float32) / 255
        bgr += alpha * (laid[..., :3] - bgr)
        alphas = [under * (1 - alpha[..., 0]) for under in alphas] + [alpha[..., 0]]
    if rng is not None:
        noise = rng.normal(0, 2, (height // 2, width // 2, 3)).astype(np.float32)
        bgr += cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
    return bgr.clip(0, 255).astype(np.uint8), [np.rint(a * 255).astype(np.uint8) for a in alphas]


def _overlap(a: Layer, b: Layer) -> float:
    """Pixels that two people share, by those of the smaller."""
    width = min(a.x + a.cutout.shape[1], b.x + b.cutout.shape[1]) - max(a.x, b.x)
    height = min(a.y + a.cutout.shape[0], b.y + b.cutout.shape[0]) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    parts = []
    for layer in (a, b):
        x, y = max(a.x, b.x) - layer.x, max(a.y, b.y) - layer.y
        parts.append(layer.cutout[y : y + height, x : x + width, 3] > 127)
    both = np.count_nonzero(parts[0] & parts[1])
    return both / min(np.count_nonzero(layer.cutout[..., 3] > 127) for layer in (a, b))


def near_and_far(cutouts: CutOuts, rng: np.random.Generator) -> Scene:
    """One near person, who is the main one, and one to three far ones behind."""
    height, width = SIZE
    room = cutouts.background(rng)
    cut, near_head = cutouts.person_and_head(rng)
    near = scaled(cut, height * rng.uniform(0.7, 0.95))
    x = int(width * rng.uniform(0.3, 0.7) - near.shape[1] / 2)
    main = Layer(near, x, height - near.shape[0])
    far: list[Layer] = []
    wanted = int(rng.integers(1, 4))
    while len(far) < wanted:
        cut, head = cutouts.person_and_head(rng)
        # Twice to five times as far away, by the sizes of the heads.
        cut = scaled(cut, min(near.shape[0] * near_head / head * rng.uniform(0.2, 0.5), 0.5 * height))
        if cut.shape[1] >= width or len(cut) < MIN_HEIGHT:
            continue
        place = int(rng.integers(max(width - cut.shape[1], 1))), int(rng.integers(height // 8, height // 2))
        layer = Layer(cut, *place, near=False)
        hidden = compose(room, [layer, main])[1][0]
        alpha = cut[..., 3]
        if hidden.sum() < VISIBLE * alpha.sum() or any(_overlap(layer, f) > 0 for f in far):
            continue
        far.append(layer)
    bgr, alphas = compose(room, [*far, main])
    return Scene(bgr, alphas, (len(far),), compose(room, [main])[0])


def side_by_side(cutouts: CutOuts, rng: np.random.Generator) -> Scene:
    """Two to four people of about the same size; who stands beside another overlaps by up to 30 %."""
    height, width = SIZE
    room = cutouts.background(rng)
    count = int(rng.integers(2, 5))
    tall = height * rng.uniform(0.55, 0.95) * (1.0, 0.85, 0.7)[count - 2]
    layers: list[Layer] = []
    x = 0
    for _ in range(count):
        cut = scaled(cutouts.person(rng), tall * rng.uniform(0.85, 1.1))
        y = height - cut.shape[0]
        if layers:
            wanted = rng.uniform(0, MAX_OVERLAP)
            x = layers[-1].x + layers[-1].cutout.shape[1]
            # Closer step by step, until they overlap by as much as is wanted.
            while x > layers[-1].x + 8 and _overlap(layers[-1], Layer(cut, x - 4, y)) <= wanted:
                x -= 4
        layers.append(Layer(cut, x, y))
    span = max(layer.x + layer.cutout.shape[1] for layer in layers)
    # Wider than the picture: all of it smaller.
    if span > width:
        ratio = width / span
        layers = [Layer(scaled(p.cutout, p.cutout.shape[0] * ratio), int(p.x * ratio), 0) for p in layers]
        layers = [Layer(p.cutout, p.x, height - p.cutout.shape[0]) for p in layers]
        span = width
    left = int(rng.integers(width - span + 1))
    order = rng.permutation(count)
    layers = [Layer(layers[i].cutout, layers[i].x + left, layers[i].y) for i in order]
    bgr, alphas = compose(room, layers)
    return Scene(bgr, alphas)


def couple(cutouts: CutOuts, rng: np.random.Generator) -> Scene:
    """Two people close to each other, of about the same size, both of whom belong in the picture."""
    height, width = SIZE
    room = cutouts.background(rng)
    tall = height * rng.uniform(0.65, 0.9)
    one = scaled(cutouts.person(rng), tall)
    other = scaled(cutouts.person(rng), tall * rng.uniform(0.75, 1.0))
    first = Layer(one, 0, height - one.shape[0])
    wanted, x, y = rng.uniform(0.05, MAX_OVERLAP), one.shape[1], height - other.shape[0]
    while x > 8 and _overlap(first, Layer(other, x, y)) < wanted:
        x -= 4
    left = int((width - x - other.shape[1]) / 2 + width * rng.uniform(-0.1, 0.1))
    layers = [Layer(one, left, first.y), Layer(other, left + x, y)]
    bgr, alphas = compose(room, layers if rng.random() < 0.5 else layers[::-1])
    return Scene(bgr, alphas, (0, 1), bgr)


def child(cutouts: CutOuts, rng: np.random.Generator) -> Scene:
    """A small person before a large one, as a child on the lap is; both belong in the picture."""
    height, width = SIZE
    room = cutouts.background(rng)
    adult = scaled(cutouts.person(rng), height * rng.uniform(0.8, 0.95))
    small = scaled(cutouts.person(rng), adult.shape[0] * rng.uniform(0.45, 0.65))
    x = int(width * rng.uniform(0.35, 0.65) - adult.shape[1] / 2)
    middle = x + adult.shape[1] * rng.uniform(0.15, 0.85)
    layers = [
        Layer(adult, x, height - adult.shape[0]),
        Layer(small, int(middle - small.shape[1] / 2), height - small.shape[0]),
    ]
    bgr, alphas = compose(room, layers)
    return Scene(bgr, alphas, (0, 1), bgr)


def poster(cutouts: CutOuts, rng: np.random.Generator) -> Scene:
    """A near person before a wall with a framed portrait of 180 to 260 pixels."""
    height, width = SIZE
    room = cutouts.background(rng)
    near = scaled(cutouts.person(rng), height * rng.uniform(0.7, 0.95))
    left = bool(rng.random() < 0.5)
    tall = int(rng.uniform(180, 260))
    wide = int(tall * 0.8)
    x = int(rng.uniform(8, 40)) if left else width - wide - int(rng.uniform(8, 40))
    y = int(rng.uniform(10, 60))
    portrait = scaled(cutouts.person(rng), tall * 0.85)
    inside = np.full((tall, wide, 3), rng.integers(40, 230, 3), np.uint8)
    place = Layer(portrait, (wide - portrait.shape[1]) // 2, tall - portrait.shape[0])
    inside, shown = compose(inside, [place])
    cv2.rectangle(inside, (0, 0), (wide - 1, tall - 1), (30, 40, 60), 6)
    frame = np.dstack([inside, np.full((tall, wide), 255, np.uint8)])
    centre = rng.uniform(0.55, 0.75) if left else rng.uniform(0.25, 0.45)
    main = Layer(near, int(width * centre - near.shape[1] / 2), height - near.shape[0])
    bgr, (under, alpha) = compose(room, [Layer(frame, x, y), main])
    pictured = np.zeros_like(alpha)
    pictured[y : y + tall, x : x + wide] = shown[0]
    return Scene(bgr, [np.minimum(pictured, under), alpha], (1,), compose(room, [main])[0])


KINDS = {
    "one near, one to three far": near_and_far,
    "two to four side by side": side_by_side,
    "couple": couple,
    "child on the lap": child,
    "portrait on the wall": poster,
}


def scenes(cutouts: CutOuts, kind: str, count: int, seed: int = 0) -> Iterator[Scene]:
    """Composites of one of :data:`KINDS`; the same seed gives the same ones."""
    for i in range(count):
        yield KINDS[kind](cutouts, np.random.default_rng([seed, list(KINDS).index(kind), i]))


def crossing(cutouts: CutOuts, seed: int, frames: int = 90) -> Iterator[Scene]:
    """Two or three people who walk past each other, as a camera that stands still sees them."""
    rng = np.random.default_rng([seed, len(KINDS)])
    height, width = SIZE
    room = cutouts.background(rng)
    count = int(rng.integers(2, 4))
    people = []
    for i in range(count):
        cut = scaled(cutouts.person(rng), height * rng.uniform(0.55, 0.85))
        # From one edge to the other, or back and forth in the middle.
        start, end = (0, width - cut.shape[1]) if i % 2 else (width - cut.shape[1], 0)
        if i == 2:
            start = end = (width - cut.shape[1]) // 2
        people.append((cut, start + rng.uniform(-20, 20), end + rng.uniform(-20, 20), rng.uniform(0.8, 1.2)))
    order = rng.permutation(count)
    for t in range(frames):
        part = t / (frames - 1)
        layers = []
        for i in order:
            cut, start, end, pace = people[i]
            share = min(part * pace, 1.0)
            x = round(start + (end - start) * share + 6 * np.sin(t / 7 + i))
            layers.append(Layer(cut, x, height - cut.shape[0]))
        bgr, alphas = compose(room, layers, rng)
        yield Scene(bgr, [alphas[list(order).index(i)] for i in range(count)])
