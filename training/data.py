"""Pictures in, training samples out: reading the data folder, compositing, augmenting.

The folder holds ``manifest.csv`` (a row a picture) and ``boxes.csv`` (person boxes in pixels).
Masks are 255 person, 0 background, 128 ignore. Only rows of the train split are read here; of
the people-free pictures every fifth by file name is held out of training, so that false alarms
can be measured on rooms that the networks have never seen.

A sample is made in two steps: a scene (BGR picture, soft alpha, boxes, pixels to ignore), which
is a photo as it is or a composite of cut-outs on a people-free picture; then a view of it, the
whole frame for the detector, a region round a person for the segmenter, with a camera's defects.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.teachers import DetectorTeacher, Finder, SegmenterTeacher
from upperbodyseg.geometry import Region, letterbox_geometry, resize
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.letterbox import PADDING
from upperbodyseg.preprocess.regions import MARGIN, region_around

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

MIN_PERSON_SIDE = 0.06  # of the frame's longer side; smaller ones are neither taught nor punished


@dataclass
class Scene:
    """A picture with what is known of it. ``alpha`` 0-255; ``ignore`` True where unknown."""

    bgr: U8
    alpha: U8
    boxes: F32  # (n, 4) x_min, y_min, x_max, y_max in pixels
    ignore: NDArray[np.bool_] | None = None
    weight: float = 1.0


@dataclass
class Library:
    """All training pictures, decoded, by set."""

    people: dict[str, list[Scene]] = field(default_factory=lambda: defaultdict(list))
    cutouts: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))  # BGRA
    backgrounds: dict[str, list[U8]] = field(default_factory=lambda: defaultdict(list))


def read_manifest(folder: Path) -> list[dict[str, str]]:
    with open(folder / "manifest.csv", newline="") as f:
        return list(csv.DictReader(f))


def read_boxes(folder: Path) -> dict[str, F32]:
    """Boxes by file; COCO's own annotation where there is one, else the mask's components."""
    rows: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    with open(folder / "boxes.csv", newline="") as f:
        for row in csv.DictReader(f):
            box = [float(row[k]) for k in ("x_min", "y_min", "x_max", "y_max")]
            rows[row["file"]][row["source"]].append(box)
    return {
        file: np.asarray(sources.get("annotation") or next(iter(sources.values())), np.float32)
        for file, sources in rows.items()
    }


def background_files(folder: Path, held_out: bool) -> list[str]:
    """The people-free pictures' paths: those held out of training, or the others.

    Every fifth by file name, within each set, is held out.
    """
    by_set: dict[str, list[str]] = defaultdict(list)
    for row in read_manifest(folder):
        if row["file"].startswith("backgrounds/"):
            by_set[row["set"]].append(row["file"])
    return [f for files in by_set.values() for i, f in enumerate(sorted(files)) if (i % 5 == 4) == held_out]


# What may be used, also changed and commercially, if its maker is named and, for the last, what is made of it
# is shared alike: as the manifest says it.
OPEN_LICENCES = ("CC0", "CC BY 4.0", "coco-licence-4", "coco-licence-5")  # these two are CC BY and CC BY-SA


def is_open(row: dict[str, str]) -> bool:
    """Whether a picture is openly licensed."""
    return row["licence"].startswith(OPEN_LICENCES)


def load_library(folder: Path, labels: Path | None = None, open_only: bool = False) -> Library:
    """Decode the train split, and the unlabelled pictures that ``labels`` has soft masks for.

    Args:
        folder: the data folder.
        labels: what ``training.pseudo_labels`` wrote.
        open_only: take openly licensed pictures alone.
    """
    library = Library()
    boxes = read_boxes(folder)
    allowed = set(background_files(folder, held_out=False))
    for row in read_manifest(folder):
        file = row["file"]
        if open_only and not is_open(row):
            continue
        if row["split"] == "unlabelled" and labels is not None:
            scene = _pseudo_labelled(folder / file, labels / label_name(file), boxes.get(file))
            if scene is not None:
                library.people["pseudo"].append(scene)
        if row["split"] != "train":
            continue
        picture = cv2.imread(str(folder / file), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise OSError(f"can't read {folder / file}")
        if file.startswith("cutouts/"):
            library.cutouts[row["set"]].append(picture)
        elif file.startswith("backgrounds/"):
            if file in allowed:
                library.backgrounds[row["set"]].append(picture[..., :3])
        else:
            mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE)
            assert mask is not None
            ignore = mask == 128
            alpha = np.where(mask == 255, 255, 0).astype(np.uint8)
            bgr = picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
            found = boxes.get(file, np.zeros((0, 4), np.float32))
            if row["set"] == "picsart":
                # Portraits show one person, whom thin straps or a raised hand may have split.
                found = _alpha_box(alpha)
            library.people[row["set"]].append(
                Scene(
                    bgr,
                    alpha,
                    found,
                    ignore if ignore.any() else None,
                    0.3 if row["set"] == "ccp" else 1.0,
                )
            )
    return library


def label_name(file: str) -> str:
    """Pseudo-label's file name: ``unlabelled/lfw/images/a.jpg`` -> ``lfw-a.png``."""
    path = Path(file)
    return f"{path.parts[1]}-{path.stem}.png"


def _pseudo_labelled(picture: Path, label: Path, boxes: F32 | None) -> Scene | None:
    if not label.exists():
        return None
    planes = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE)
    bgr = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    if planes is None or bgr is None:
        return None
    alpha, weight = np.split(planes, 2)
    found = _alpha_box(alpha) if boxes is None else boxes
    return Scene(bgr, alpha, found, weight == 0) if len(found) else None


def _alpha_box(alpha: U8) -> F32:
    ys, xs = np.nonzero(alpha.max(1) > 127)[0], np.nonzero(alpha.max(0) > 127)[0]
    if not len(xs):
        return np.zeros((0, 4), np.float32)
    return np.asarray([[xs[0], ys[0], xs[-1] + 1, ys[-1] + 1]], np.float32)


# --- scenes -----------------------------------------------------------------------------------


# Animals and things are taken for people more often than furniture is: show them more often.
BACKGROUND_WEIGHTS = {"coco-negatives": 3.0}


MIN_CUTOUT_SIDE = 60  # pixels of a person cut out of a photo
MIN_EMPTY_SIDE = 80  # pixels of a part of a photo in which nobody is
MOSAIC_SIDE = 240  # pixels of each of a mosaic's scenes


CUTOUT_MIX = {"viton": 0.3, "headshots": 0.15, "headshots-caps": 0.06, "picsart": 0.24, "coco": 0.25}


def _choice(rng: np.random.Generator, mix: dict[str, float]) -> str:
    parts = np.asarray(list(mix.values()))
    return str(rng.choice(list(mix), p=parts / parts.sum()))


class SceneMaker:
    """Draws scenes: photos as they are, rooms without people, and composites."""

    def __init__(self, library: Library, rng: np.random.Generator) -> None:
        self.pictures, self.rng = library, rng
        self._background_sets = list(library.backgrounds)
        weights = [
            np.sqrt(len(library.backgrounds[s])) * BACKGROUND_WEIGHTS.get(s, 1.0)
            for s in self._background_sets
        ]
        self._background_p = np.asarray(weights) / sum(weights)

    def _has(self, kind: str) -> bool:
        return bool(self.pictures.people.get(kind) or self.pictures.cutouts.get(kind))

    def available(self, mix: dict[str, float]) -> dict[str, float]:
        """The kinds of scenes that can be made of the library's pictures."""
        made = {"empty": True, "composite": any(map(self._has, CUTOUT_MIX))}
        return {kind: part for kind, part in mix.items() if made.get(kind, self._has(kind))}

    def _pick(self, items: list) -> object:  # type: ignore[type-arg]
        return items[self.rng.integers(len(items))]

    def photo(self, kind: str) -> Scene:
        return self._pick(self.pictures.people[kind])  # type: ignore[return-value]

    def background(self) -> U8:
        name = self.rng.choice(len(self._background_sets), p=self._background_p)
        return self._pick(self.pictures.backgrounds[self._background_sets[name]])  # type: ignore[return-value]

    def empty(self) -> Scene:
        bgr = self._without_people() if self.rng.random() < 0.4 else self.background()
        return Scene(bgr, np.zeros(bgr.shape[:2], np.uint8), np.zeros((0, 4), np.float32))

    def _without_people(self) -> U8:
        """A part of a photo of people in which nobody is; a people-free picture if none is found."""
        rng = self.rng
        for _ in range(12):
            scene = self.photo("coco")
            h, w = scene.alpha.shape
            size = rng.uniform(0.25, 0.8)
            ch, cw = (int(min(side * size * rng.uniform(0.7, 1.4), side)) for side in (h, w))
            y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
            if min(ch, cw) < MIN_EMPTY_SIDE or scene.alpha[y : y + ch, x : x + cw].any():
                continue
            if scene.ignore is not None and scene.ignore[y : y + ch, x : x + cw].any():
                continue
            b = scene.boxes
            if ((b[:, 0] < x + cw) & (b[:, 2] > x) & (b[:, 1] < y + ch) & (b[:, 3] > y)).any():
                continue
            return np.ascontiguousarray(scene.bgr[y : y + ch, x : x + cw])
        return self.background()

    def mosaic(self, draw: Callable[[], Scene]) -> Scene:
        """Two or four of the scenes that ``draw`` gives, side by side."""
        rows, columns = ((1, 2), (2, 1), (2, 2))[self.rng.integers(3)]
        bgr = np.zeros((rows * MOSAIC_SIDE, columns * MOSAIC_SIDE, 3), np.uint8)
        alpha = np.zeros(bgr.shape[:2], np.uint8)
        ignore = np.zeros(bgr.shape[:2], bool)
        boxes = []
        for top in range(0, len(bgr), MOSAIC_SIDE):
            for left in range(0, bgr.shape[1], MOSAIC_SIDE):
                scene = draw()
                h, w = scene.alpha.shape
                side = min(h, w)
                y, x = int(self.rng.integers(h - side + 1)), int(self.rng.integers(w - side + 1))
                scene = _crop(scene, x, y, side, side)
                assert scene.ignore is not None
                at = np.s_[top : top + MOSAIC_SIDE, left : left + MOSAIC_SIDE]
                to = (MOSAIC_SIDE, MOSAIC_SIDE)
                bgr[at], alpha[at] = cv2.resize(scene.bgr, to), cv2.resize(scene.alpha, to)
                ignore[at] = cv2.resize(scene.ignore.astype(np.uint8), to) > 0
                boxes.append(scene.boxes * np.float32(MOSAIC_SIDE / side) + np.tile([left, top], 2))
        return Scene(bgr, alpha, np.concatenate(boxes).astype(np.float32), ignore)

    def _cutout(self) -> U8:
        kind = _choice(self.rng, {k: p for k, p in CUTOUT_MIX.items() if self._has(k)})
        if kind not in ("picsart", "coco"):
            return self._pick(self.pictures.cutouts[kind])  # type: ignore[return-value]
        scene = self.photo(kind)
        bgr, alpha = scene.bgr, scene.alpha
        if kind == "coco":
            box = self._large_box(scene)
            if box is None:
                return self._cutout()
            x0, y0, x1, y1 = box
            bgr, alpha = bgr[y0:y1, x0:x1], alpha[y0:y1, x0:x1]
        # The label's edge pixels hold the old background: drop one, feather the rest.
        alpha = cv2.blur(cv2.erode(alpha, np.ones((3, 3), np.uint8)), (3, 3))
        return np.dstack([bgr, alpha])

    def _large_box(self, scene: Scene) -> tuple[int, int, int, int] | None:
        """One of the people in whole pixels, who must be large enough to be shown larger, and labelled."""
        h, w = scene.alpha.shape
        boxes = []
        for box in scene.boxes:
            x0, y0, x1, y1 = (int(n) for n in np.clip(np.round(box), 0, [w, h, w, h]))
            inside = scene.alpha[y0:y1, x0:x1]
            if min(y1 - y0, x1 - x0) >= MIN_CUTOUT_SIDE and (inside > 0).mean() > 0.2:
                boxes.append((x0, y0, x1, y1))
        return self._pick(boxes) if boxes else None  # type: ignore[return-value]

    def composite(self, people: int | None = None) -> Scene:
        """One to four cut-outs on a people-free picture, landscape more often than not."""
        rng = self.rng
        room = self.background()
        height = int(rng.integers(240, 321))
        width = int(height * rng.choice([0.75, 1.0, 4 / 3, 16 / 9], p=[0.2, 0.1, 0.3, 0.4]))
        bgr = _cover(room, height, width, rng)
        if rng.random() < 0.25:  # shallow depth of field
            bgr = cv2.GaussianBlur(bgr, (0, 0), float(rng.uniform(0.8, 4)))
        alpha = np.zeros((height, width), np.uint8)
        boxes: list[F32] = []
        if people is None:
            people = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
        slots = rng.permutation(people)
        for slot in slots:
            cut = self._cutout()
            if rng.random() < 0.5:
                cut = cut[:, ::-1]
            tall = height * rng.uniform(0.35, 1.15) * (1.0 if people < 3 else 0.75)
            scale = tall / cut.shape[0]
            size = (max(int(cut.shape[1] * scale), 8), max(int(tall), 8))
            cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            if rng.random() < 0.5:
                cut = _match_light(cut, bgr, float(rng.uniform(0.1, 0.6)))
            centre = (slot + rng.uniform(0.15, 0.85)) / people * width
            x = int(centre - size[0] / 2)
            # The cut-outs end at a straight lower edge: mostly let the frame's edge cut there.
            if rng.random() < 0.85:
                y = height - int(size[1] * rng.uniform(0.45, 1.0))
                y = max(y, height - size[1])
            else:
                y = int(rng.uniform(-0.1, 1.0) * max(height - size[1], 1))
            box = _paste(bgr, alpha, cut, x, y)
            if box is not None:
                boxes.append(box)
        if rng.random() < 0.3:  # the same camera for all: one light over the whole picture
            bgr = cv2.GaussianBlur(bgr, (3, 3), 0)
        return Scene(bgr, alpha, np.asarray(boxes, np.float32).reshape(-1, 4))


def _cover(picture: U8, height: int, width: int, rng: np.random.Generator) -> U8:
    """A random crop of the wanted shape, scaled to it."""
    h, w = picture.shape[:2]
    scale = max(height / h, width / w) * rng.uniform(1.0, 1.6)
    ch, cw = min(int(height / scale), h), min(int(width / scale), w)
    y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
    out = cv2.resize(picture[y : y + ch, x : x + cw], (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(out[:, ::-1] if rng.random() < 0.5 else out)


def _match_light(cut: U8, bgr: U8, amount: float) -> U8:
    """Shift the cut-out's mean colour part of the way to the room's."""
    solid = cut[..., 3] > 200
    if not solid.any():
        return cut
    shift = (bgr.reshape(-1, 3).mean(0) - cut[..., :3][solid].mean(0)) * amount
    out = cut.copy()
    out[..., :3] = np.clip(cut[..., :3].astype(np.float32) + shift, 0, 255).astype(np.uint8)
    return out


def _paste(bgr: U8, alpha: U8, cut: U8, x: int, y: int) -> F32 | None:
    """Lay a BGRA cut-out over the picture in place; its visible box, or None if outside."""
    h, w = alpha.shape
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + cut.shape[1], w), min(y + cut.shape[0], h)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    part = cut[y0 - y : y1 - y, x0 - x : x1 - x]
    a = part[..., 3:].astype(np.float32) * (1 / 255)
    under = bgr[y0:y1, x0:x1]
    under[:] = (part[..., :3] * a + under * (1 - a)).astype(np.uint8)
    below = alpha[y0:y1, x0:x1].astype(np.float32)
    alpha[y0:y1, x0:x1] = (part[..., 3] + below * (1 - a[..., 0])).clip(0, 255).astype(np.uint8)
    box = _alpha_box(part[..., 3])
    if not len(box):
        return None
    return box[0] + np.asarray([x0, y0, x0, y0], np.float32)  # type: ignore[no-any-return]


# --- what a camera does to a picture ------------------------------------------------------------


def camera_defects(bgr: U8, rng: np.random.Generator) -> U8:
    """Light, colour, blur, noise and compression, each only sometimes."""
    out = bgr
    if rng.random() < 0.7:
        gain = rng.uniform(0.65, 1.35)
        gains = gain * rng.uniform(0.85, 1.15, 3)
        gamma = np.exp(rng.uniform(-0.4, 0.4))
        offset = rng.uniform(-20, 20)
        if rng.random() < 0.08:
            gains, gamma = gains * rng.uniform(0.2, 0.6), gamma * rng.uniform(1, 1.5)
        ramp = np.linspace(0, 1, 256)[:, None] ** gamma * 255 * gains + offset
        out = cv2.LUT(out, ramp.clip(0, 255).astype(np.uint8)[None])
    if rng.random() < 0.15:
        grey = cv2.cvtColor(out, cv2.COLOR_BGR2GRAY)[..., None]
        keep = 0.0 if rng.random() < 0.3 else float(rng.uniform(0, 1))
        out = (out * keep + grey * (1 - keep)).astype(np.uint8)
    if rng.random() < 0.12:
        out = _light_from_one_side(out, rng)
    choice = rng.random()
    if choice < 0.08:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.5, 2.4)))
    elif choice < 0.16:
        out = _out_of_focus(out, rng)
    elif choice < 0.29:
        n = int(rng.integers(3, max(round(0.06 * max(out.shape[:2])), 4)))
        kernel = np.zeros((n, n), np.float32)
        a = rng.uniform(0, np.pi)
        c = (n - 1) / 2
        cv2.line(
            kernel,
            (round(c - c * np.cos(a)), round(c - c * np.sin(a))),
            (round(c + c * np.cos(a)), round(c + c * np.sin(a))),
            1.0,
        )
        out = cv2.filter2D(out, -1, kernel / kernel.sum())
    elif choice < 0.41:
        f = rng.uniform(0.35, 0.8)
        small = cv2.resize(out, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, out.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.33:
        noise = rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(2, 26))
        out = (out + noise).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.08:
        out = _in_the_dark(out, rng)
    if rng.random() < 0.22:
        quality = int(rng.integers(12, 80))
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok:
            out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return out


def _out_of_focus(bgr: U8, rng: np.random.Generator) -> U8:
    """A disc of up to 2 % of the longer side for a radius."""
    radius = float(rng.uniform(0.7, max(0.02 * max(bgr.shape[:2]), 1)))
    grid = np.arange(-int(radius), int(radius) + 1)
    disc = (grid[:, None] ** 2 + grid**2 <= (radius + 0.3) ** 2).astype(np.float32)
    return cv2.filter2D(bgr, -1, disc / disc.sum())  # type: ignore[return-value]


_LINEAR = (np.arange(256, dtype=np.float32) / 255) ** 2.2


def _from_linear(light: F32) -> U8:
    out: U8 = np.rint(light.clip(0, 1) ** np.float32(1 / 2.2) * 255).astype(np.uint8)
    return out


def _light_from_one_side(bgr: U8, rng: np.random.Generator) -> U8:
    """Up to three times the light on one side, down to a fifth on the other, along any direction."""
    h, w = bgr.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, w, dtype=np.float32)[None] * np.float32(np.cos(angle))
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    ramp = np.exp((x + y) * np.float32(rng.uniform(0.3, 1.4)))
    return _from_linear(_LINEAR[bgr] * ramp[..., None])


def _in_the_dark(bgr: U8, rng: np.random.Generator) -> U8:
    """A third to a thirtieth of the light, and the noise that a sensor then shows."""
    light = _LINEAR[bgr] * np.float32(10 ** rng.uniform(-1.5, -0.5))
    noise = rng.standard_normal(bgr.shape, np.float32) * np.float32(rng.uniform(0.3, 1.2))
    return _from_linear(light + noise * np.sqrt(light * np.float32(4e-4) + np.float32(2e-6)))


def _turn(scene: Scene, rng: np.random.Generator) -> Scene:
    """Rotate a scene by up to 15 degrees about its centre; boxes become the turned corners'."""
    h, w = scene.alpha.shape
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), float(rng.uniform(-15, 15)), 1.0)
    bgr = cv2.warpAffine(scene.bgr, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    alpha = cv2.warpAffine(scene.alpha, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    ignore = None
    if scene.ignore is not None:
        ignore = cv2.warpAffine(scene.ignore.astype(np.uint8), matrix, (w, h)) > 0
    boxes = scene.boxes
    if len(boxes):
        corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
        turned = corners @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2].astype(np.float32)
        # A turned rectangle's corners overstate the person: take the middle of both extents.
        outer = np.concatenate([turned.min(1), turned.max(1)], 1)
        inner = boxes + np.tile(turned.mean(1) - corners.mean(1), 2)
        boxes = ((outer + inner) / 2).astype(np.float32)
    return Scene(bgr, alpha, boxes, ignore, scene.weight)


# --- samples ------------------------------------------------------------------------------------

SEGMENTER_MIX = {
    "picsart": 0.27,
    "coco": 0.25,
    "pseudo": 0.19,
    "composite": 0.16,
    "ccp": 0.01,
    "empty": 0.12,
}
DETECTOR_MIX = {
    "picsart": 0.08,
    "coco": 0.38,
    "pseudo": 0.12,
    "composite": 0.18,
    "ccp": 0.02,
    "empty": 0.22,
}


def _scene(maker: SceneMaker, mix: dict[str, float]) -> tuple[str, Scene]:
    kind = _choice(maker.rng, maker.available(mix))
    if kind == "composite":
        return kind, maker.composite()
    if kind == "empty":
        return kind, maker.empty()
    return kind, maker.photo(kind)


def _region_for_training(scene: Scene, rng: np.random.Generator) -> Region:
    """The region the product would take, wrong by as much as a detector is."""
    h, w = scene.alpha.shape
    boxes = scene.boxes
    if len(boxes):
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        boxes, area = boxes[area > 0.01 * h * w], area[area > 0.01 * h * w]
    if not len(boxes) or rng.random() < 0.15:
        s = rng.uniform(0.4, 1.0)
        rh, rw = int(h * s), int(w * min(s * rng.uniform(0.75, 1.33), 1.0))
        y, x = int(rng.integers(h - rh + 1)), int(rng.integers(w - rw + 1))
        return Region(x, y, x + rw, y + rh)
    box = boxes[rng.choice(len(boxes), p=np.sqrt(area) / np.sqrt(area).sum())]
    if len(boxes) > 1 and rng.random() < 0.25:
        other = boxes[rng.integers(len(boxes))]
        box = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
    bw, bh = box[2] - box[0], box[3] - box[1]
    error = rng.normal(0, 0.07, 4).clip(-0.2, 0.2) * [bw, bh, bw, bh]
    box = box + error
    margin = MARGIN + float(rng.uniform(-0.1, 0.15))
    return region_around((float(box[0]), float(box[1]), float(box[2]), float(box[3])), (h, w), margin)


TEACHER_SHARE = 0.5  # of a segmenter's target, where a label says something, too
TEACHER_ALONE = 160  # weight, of 255, of a teacher's mask where no label does


FOUND_EMPTY, FOUND = 0.7, 0.2  # share of people-free and other pictures cut where a detector sees somebody


def segmenter_sample(
    maker: SceneMaker,
    size: int,
    teacher: SegmenterTeacher | None = None,
    finder: Callable[[U8], F32] | None = None,
) -> tuple[U8, U8, U8]:
    """BGR ``(size, size, 3)``, soft alpha 0-255 ``(size, size)``, pixel weight 0-255.

    With a finder people-free pictures are mostly cut where it sees somebody: those are the regions in which
    the segmenter will have to say that nobody is there. So are some of the others, for they are the
    regions in which it will have to find people.

    With a teacher, who sees the picture before the camera's defects, its mask has half a say in the
    alpha, and all of it where the label is silent; none where nobody is. What a held object hides it sees
    too, but for the object itself.
    """
    rng = maker.rng
    kind, scene = _scene(maker, SEGMENTER_MIX)
    if rng.random() < 0.25:
        scene = _turn(scene, rng)
    if finder is not None and rng.random() < (FOUND_EMPTY if kind == "empty" else FOUND):
        found = finder(scene.bgr)
        scene = replace(scene, boxes=found if len(found) else scene.boxes)
    r = _region_for_training(scene, rng)
    cut = np.s_[r.y0 : r.y1, r.x0 : r.x1]

    # The teacher, and the camera, see it at the teacher's size.
    side = size if teacher is None else max(size, teacher.size)

    def fit(plane: U8) -> U8:
        return resize(plane, side, side)

    bgr, alpha = fit(scene.bgr[cut]), fit(scene.alpha[cut])
    weight = np.full((side, side), int(255 * scene.weight), np.uint8)
    if scene.ignore is not None:
        weight[fit(scene.ignore[cut].astype(np.uint8) * 255) > 0] = 0
    if rng.random() < 0.5:
        bgr, alpha, weight = (np.ascontiguousarray(part[:, ::-1]) for part in (bgr, alpha, weight))
    clear, held = bgr, None
    if rng.random() < 0.25:
        bgr, held = _hold_something(bgr, maker.background(), (0.12, 0.4), rng)
        # The labelled sets disagree whether a held object belongs to the person.
        weight[held] = 0
    if teacher is not None and kind != "empty":
        mask, silent = teacher(clear), weight == 0
        if held is not None:
            mask = np.where(held, teacher(bgr), mask)
        alpha = cv2.addWeighted(alpha, 1 - TEACHER_SHARE, mask, TEACHER_SHARE, 0)  # type: ignore[assignment]
        alpha, weight = np.where(silent, mask, alpha), np.where(silent, np.uint8(TEACHER_ALONE), weight)
    bgr, alpha = resize(camera_defects(bgr, rng), size, size), resize(alpha, size, size)
    weight = cv2.resize(weight, (size, size), interpolation=cv2.INTER_NEAREST)  # type: ignore[assignment]
    return exposed(bgr), alpha, weight


def _hold_something(
    bgr: U8, picture: U8, sides: tuple[float, float], rng: np.random.Generator
) -> tuple[U8, NDArray[np.bool_]]:
    """A piece of another picture, or of one colour, laid over this one, and where it lies.

    What has to be learnt is that the person goes on beside it.

    Args:
        sides: of the piece, from and to, in parts of this one's.
    """
    height, width = bgr.shape[:2]
    w, h = (
        max(int(part * side), 2) for part, side in zip(rng.uniform(*sides, 2), (width, height), strict=True)
    )
    if rng.random() < 0.4:  # of one colour, lit from one side
        shade = np.linspace(0.8, 1.2, w, dtype=np.float32)[None, :, None] * rng.uniform(10, 230, 3)
        piece = np.broadcast_to(shade.clip(0, 255), (h, w, 3)).astype(np.uint8)
    else:
        piece = _cover(picture, h, w, rng)
    shape = np.zeros((h, w), np.uint8)
    if rng.random() < 0.5:
        cv2.ellipse(shape, (w // 2, h // 2), (w // 2, h // 2), 0, 0, 360, 255, -1)
    else:
        shape[:] = 255
    x, y = int(rng.integers(width - w)), int(rng.integers(height // 4, height - h))
    out, where = bgr.copy(), np.zeros((height, width), bool)
    where[y : y + h, x : x + w] = shape > 0
    out[y : y + h, x : x + w][shape > 0] = piece[shape > 0]
    return out, where


def _zoom(scene: Scene, rng: np.random.Generator) -> Scene:
    """A random crop; boxes are cut, slivers become 'ignore'."""
    h, w = scene.alpha.shape
    s = rng.uniform(0.4, 1.0)
    ch = int(h * min(1.0, s * rng.uniform(0.85, 1.18)))
    cw = int(w * min(1.0, s * rng.uniform(0.85, 1.18)))
    y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
    return _crop(scene, x, y, cw, ch)


def _crop(scene: Scene, x: int, y: int, cw: int, ch: int) -> Scene:
    bgr, alpha = scene.bgr[y : y + ch, x : x + cw], scene.alpha[y : y + ch, x : x + cw]
    ignore = np.zeros((ch, cw), bool) if scene.ignore is None else scene.ignore[y : y + ch, x : x + cw].copy()
    kept = []
    for box in scene.boxes:
        cut = np.clip(box - [x, y, x, y], 0, [cw, ch, cw, ch])
        part = (cut[2] - cut[0]) * (cut[3] - cut[1]) / max((box[2] - box[0]) * (box[3] - box[1]), 1)
        if part > 0.3:
            kept.append(cut)
        elif part > 0:
            x0, y0, x1, y1 = cut.astype(int)
            ignore[y0 : y1 + 1, x0 : x1 + 1] = True
    return Scene(bgr, alpha, np.asarray(kept, np.float32).reshape(-1, 4), ignore, scene.weight)


MAX_BOXES = 24


def _detector_scene(maker: SceneMaker) -> Scene:
    rng = maker.rng
    kind, scene = _scene(maker, DETECTOR_MIX)
    if rng.random() < 0.15:
        scene = _turn(scene, rng)
    if rng.random() < (0.3 if kind == "picsart" else 0.55):
        scene = _zoom(scene, rng)
    elif kind == "picsart" and rng.random() < 0.6:
        # A portrait that does not fill the frame: the rest is grey, as a letterbox is.
        scene = _surround(scene, rng)
    return scene


def _letterboxed(bgr: U8, size: int, rng: np.random.Generator | None) -> U8:
    """As the detector sees a frame; with ``rng`` through a camera with defects."""
    fit = letterbox_geometry(bgr.shape[:2], size)
    inside = cv2.resize(bgr, (fit.width, fit.height), interpolation=cv2.INTER_AREA)
    if rng is not None:
        inside = camera_defects(inside, rng)  # type: ignore[arg-type]
    inside = exposed(inside)  # type: ignore[arg-type]
    square = np.full((size, size, 3), PADDING, np.uint8)
    square[fit.top :, fit.left :][: fit.height, : fit.width] = inside
    return square


def taught_detector_sample(maker: SceneMaker, size: int, teacher: DetectorTeacher) -> tuple[U8, F32]:
    """BGR ``(size, size, 3)``, and the teacher's opinion of it before the camera's defects and held objects.

    No label is used, so that scenes may be mixed as no label could say: a fifth are mosaics.
    """
    rng = maker.rng
    if rng.random() < 0.2:
        scene = maker.mosaic(lambda: _scene(maker, DETECTOR_MIX)[1])
    else:
        scene = _detector_scene(maker)
    if rng.random() < 0.5:
        # A new scene, for this one may be the library's own, whose picture must keep fitting its label.
        scene = replace(scene, bgr=np.ascontiguousarray(scene.bgr[:, ::-1]))
    opinion = teacher(_letterboxed(scene.bgr, teacher.size, None), size)
    bgr = scene.bgr
    if rng.random() < 0.2:
        bgr, _ = _hold_something(bgr, maker.background(), (0.08, 0.3), rng)
    return _letterboxed(bgr, size, rng), opinion


def detector_sample(maker: SceneMaker, size: int) -> tuple[U8, F32, U8, U8]:
    """BGR ``(size, size, 3)``, boxes ``(MAX_BOXES, 4)`` in its pixels (zeros where there is
    none), and at an eighth of the size the alpha 0-255 and what to ignore 0-255."""
    rng = maker.rng
    scene = _detector_scene(maker)
    geometry = letterbox_geometry(scene.alpha.shape, size)
    bgr = _letterboxed(scene.bgr, size, rng)
    boxes = scene.boxes * np.tile([geometry.scale_x, geometry.scale_y], 2)
    boxes = boxes + np.tile([geometry.left, geometry.top], 2)
    planes = []
    unknown = (
        np.zeros(scene.alpha.shape, np.uint8) if scene.ignore is None else scene.ignore.astype(np.uint8) * 255
    )
    for plane in (scene.alpha, unknown):
        whole = np.zeros((size, size), np.uint8)
        inside = cv2.resize(plane, (geometry.width, geometry.height), interpolation=cv2.INTER_AREA)
        whole[geometry.top :, geometry.left :][: geometry.height, : geometry.width] = inside
        planes.append(whole)
    if rng.random() < 0.5:
        bgr, planes = bgr[:, ::-1], [p[:, ::-1] for p in planes]
        boxes = np.stack([size - boxes[:, 2], boxes[:, 1], size - boxes[:, 0], boxes[:, 3]], 1)
    side = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    for x0, y0, x1, y1 in boxes[side < MIN_PERSON_SIDE * size].astype(int):
        planes[1][max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = 255
    boxes = boxes[side >= MIN_PERSON_SIDE * size]
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:MAX_BOXES]
    padded = np.zeros((MAX_BOXES, 4), np.float32)
    padded[: len(order)] = boxes[order].clip(0, size)
    alpha, ignore = (cv2.resize(p, (size // 8, size // 8), interpolation=cv2.INTER_AREA) for p in planes)
    return bgr, padded, alpha, ignore


def _surround(scene: Scene, rng: np.random.Generator) -> Scene:
    h, w = scene.alpha.shape
    wide = int(w * rng.uniform(1.0, 1.9))
    x = int(rng.integers(wide - w + 1))
    bgr = np.full((h, wide, 3), rng.integers(0, 256, 3), np.uint8)
    bgr[:, x : x + w] = scene.bgr
    alpha = np.zeros((h, wide), np.uint8)
    alpha[:, x : x + w] = scene.alpha
    return Scene(bgr, alpha, scene.boxes + np.asarray([x, 0, x, 0], np.float32), None, scene.weight)


@dataclass(frozen=True)
class Teachers:
    """Files of networks that have a say in the samples; none for those that have none.

    Attributes:
        teachers: exported files of larger networks of the same kind: a segmenter learns from their mean, too;
            a detector has one, and learns from it alone.
        finder: folder of an exported pair, whose detector shows a segmenter where it errs.
    """

    teachers: tuple[Path, ...] = ()
    finder: Path | None = None

    def of_segmenter(self) -> tuple[SegmenterTeacher | None, Finder | None]:
        teacher = SegmenterTeacher(self.teachers) if self.teachers else None
        return teacher, Finder(self.finder) if self.finder else None


NO_TEACHERS = Teachers()


def samples(
    library: Library, network: str, size: int, seed: int, teachers: Teachers = NO_TEACHERS
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """An endless stream of samples; the same seed gives the same ones.

    Args:
        network: "segmenter" or "detector".
    """
    maker = SceneMaker(library, np.random.default_rng(seed))
    make: Callable[[], tuple[NDArray[np.generic], ...]]
    if network == "segmenter":
        make = partial(segmenter_sample, maker, size, *teachers.of_segmenter())
    elif teachers.teachers:
        (path,) = teachers.teachers
        make = partial(taught_detector_sample, maker, size, DetectorTeacher(path))
    else:
        make = partial(detector_sample, maker, size)
    while True:
        yield tuple(np.ascontiguousarray(part) for part in make())
