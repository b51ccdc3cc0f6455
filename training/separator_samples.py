"""What the separator learns from: closeups of a person among others whose shares of the mask are known.

Most scenes are composites of the train split's cut-outs and portraits. The others are photos whose boxes tell
their people apart; where boxes overlap the labels say nothing. The shipped detectors and segmenters look at
each scene, so that boxes, masks and doubts are those that the separator meets later.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera import camera_defects
from training.library import background_files
from upperbodyseg import DetectedPerson, FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.geometry import Box, box_iou
from upperbodyseg.models.spec import MODELS
from upperbodyseg.people.closeup import NOBODY_ELSE, Told, closeup, told_of_others, window_around
from upperbodyseg.people.crowd import Crowd
from upperbodyseg.people.ownership import home_of
from upperbodyseg.people.separator import box_in, box_of, told_in
from upperbodyseg.postprocess.acceptance import MARKED
from upperbodyseg.segmenter import SegmentedRegion

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

SIDE = 64  # pixels of a closeup
CANVAS = 256  # pixels of a scene's shorter side
COMPOSITES = 0.75  # of the samples
LEAST = 0.01  # of a scene's pixels: a person who shows less is not asked for
UNSEEN = 0.2  # of the people: the separator isn't told of them
MISSED_WITH = 0.3  # IoU with somebody from which on a detection goes with them
OUTSIDE = 0.02  # weight of pixels where nobody is
UNMARKED = 0.3  # and of those where somebody is whom the segmenter doesn't mark
BEST = 0.8  # of the scenes: each person's best box is asked about
ASKED = 0.15  # least score of the further boxes that are
RIGHT, WRONG = 0.5, 0.3  # IoU from which on a box is somebody's, and up to which it is nobody's
UNSURE = 0.3  # weight of a box of nobody's in a photo, whose labels may lack people
ALONE = 0.03  # of what is marked is others': such a sample asks for little
ALONE_KEPT = 0.25  # of those
PIECE = 0.05  # of what is marked: a smaller piece is not asked about
BY_PERSONS = 0.5  # of the scenes: pieces are what the known people leave, in the others what a box leaves
WORN = 4  # pixels of a region by which pieces are smaller at most
DRAWN = 0.4  # of the scenes: somebody is also asked about with a box drawn round them
DRAWN_OFF = 0.12  # share of its side by which a drawn box's edge is off at most

# How the people of a composite stand, and how often.
ROW, FAR, SCATTERED, BEHIND, CHILD = range(5)
ARRANGEMENTS = (0.44, 0.22, 0.06, 0.13, 0.15)


@dataclass
class Photo:
    """A photo with its people's mask and boxes, at the size of a scene."""

    bgr: U8
    alpha: U8
    ignore: NDArray[np.bool_]
    boxes: F32


@dataclass
class Scene:
    """A picture, what is visible of each person, 0-1, each one's box, and where nobody knows whose it is."""

    bgr: U8
    shares: list[F32]
    boxes: list[Box]
    unknown: NDArray[np.bool_] | None = None


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
            small.backgrounds.append(_fit(picture[..., :3], 320))
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
                found = np.asarray([_bounds(alpha / np.float32(255))], np.float32)
            bgr = _fit(picture, 320)
            small.photos.append(
                Photo(bgr, _fit(alpha, 320), _fit(unknown, 320) > 0, found * bgr.shape[1] / picture.shape[1])
            )
    return small


def _one_piece(alpha: U8) -> bool:
    pieces = cv2.connectedComponentsWithStats((alpha > 127).view(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return len(pieces) > 0 and pieces.max() > 0.97 * pieces.sum()


def _composite(small: Small, rng: np.random.Generator) -> Scene:
    """One to four people before a people-free picture."""
    height = CANVAS
    width = int(height * rng.choice([0.75, 1.0, 4 / 3, 16 / 9]))
    bgr = _room(small, height, width, rng).astype(np.float32)
    people = _arranged(small, height, width, rng)
    shares: list[F32] = []
    for cut, left, top in people:
        shift = np.array([[1.0, 0, round(left)], [0, 1.0, round(top)]])
        laid = cv2.warpAffine(np.ascontiguousarray(cut), shift, (width, height)).astype(np.float32)
        alpha = laid[..., 3:] * np.float32(1 / 255)
        bgr += alpha * (laid[..., :3] * rng.uniform(0.8, 1.15) - bgr)
        shares = [a * (1 - alpha[..., 0]) for a in shares] + [alpha[..., 0]]
    return Scene(bgr.clip(0, 255).astype(np.uint8), shares, [_bounds(s) for s in shares])


def _room(small: Small, height: int, width: int, rng: np.random.Generator) -> U8:
    room = small.backgrounds[rng.integers(len(small.backgrounds))]
    h, w = room.shape[:2]
    scale = max(height / h, width / w) * rng.uniform(1, 1.5)
    rows, columns = min(int(height / scale), h), min(int(width / scale), w)
    y, x = int(rng.integers(h - rows + 1)), int(rng.integers(w - columns + 1))
    return cv2.resize(room[y : y + rows, x : x + columns], (width, height))


def _person(small: Small, height: float, rng: np.random.Generator) -> U8:
    sets = sorted(small.cutouts)
    pool = small.cutouts[sets[rng.integers(len(sets))]]
    cut = pool[rng.integers(len(pool))]
    size = max(int(cut.shape[1] * height / cut.shape[0]), 4), max(int(height), 4)
    how = cv2.INTER_AREA if height < cut.shape[0] else cv2.INTER_LINEAR
    cut = cv2.resize(cut, size, interpolation=how)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def _arranged(
    small: Small, height: int, width: int, rng: np.random.Generator
) -> list[tuple[U8, float, float]]:
    """People with the places of their first pixels, x and y, the nearest last."""
    arrangement = rng.choice(len(ARRANGEMENTS), p=ARRANGEMENTS)
    if arrangement in (FAR, BEHIND, CHILD):
        near = _person(small, height * rng.uniform(0.6, 1.0), rng)
        left = rng.uniform(0.2, 0.8) * width - near.shape[1] / 2
        top = height - near.shape[0] * rng.uniform(0.75, 1) ** 0.5
        front = (near, left, top)
        if arrangement == CHILD:
            child = _person(small, near.shape[0] * rng.uniform(0.4, 0.7), rng)
            middle = left + near.shape[1] * rng.uniform(0.05, 0.95)
            floor = height * rng.uniform(0.95, 1.15)
            return [front, (child, middle - child.shape[1] / 2, floor - child.shape[0])]
        others = []
        for _ in range(int(rng.integers(1, 4))):
            if arrangement == FAR:
                far = _person(small, height * rng.uniform(0.12, 0.5), rng)
                x = rng.uniform(-0.02, 1.02) * width - far.shape[1] / 2
                others.append((far, x, rng.uniform(0.05, 0.75) * height))
            else:
                # Somebody of whom the head shows over the shoulder of the one in front.
                behind = _person(small, near.shape[0] * rng.uniform(0.55, 1.05), rng)
                x = left + near.shape[1] * rng.uniform(-0.15, 1.15) - behind.shape[1] / 2
                others.append((behind, x, top + near.shape[0] * rng.uniform(-0.2, 0.35)))
        return [*others, front]
    count = int(rng.choice([1, 2, 3, 4], p=[0.15, 0.35, 0.3, 0.2]))
    tall = height * rng.uniform(0.5, 1.05) * (1, 0.95, 0.8, 0.7)[count - 1]
    spread = rng.uniform(0.4, 0.95)
    row: list[tuple[U8, float, float]] = []
    for _ in range(count):
        size = tall * rng.uniform(0.8, 1.15) * (rng.uniform(0.3, 0.7) if rng.random() < 0.15 else 1)
        cut = _person(small, size, rng)
        if arrangement == SCATTERED:
            left = rng.uniform(-0.2, 1) * width - cut.shape[1] * 0.4
        elif row:
            left = row[-1][1] + row[-1][0].shape[1] * spread
        else:
            left = rng.uniform(0.3, 0.7) * width - count * cut.shape[1] * spread / 2
        floor = height if rng.random() < 0.8 else height * rng.uniform(0.6, 1.2)
        row.append((cut, left, floor - size * rng.uniform(0.75, 1) ** 0.5))
    return [row[i] for i in rng.permutation(count)]


def _photo(photo: Photo) -> Scene:
    height, width = photo.alpha.shape
    inside = np.zeros((len(photo.boxes), height, width), bool)
    for plane, box in zip(inside, photo.boxes, strict=True):
        x0, y0, x1, y1 = np.rint(box).astype(int)
        plane[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1] = True
    count = inside.sum(0)
    share = photo.alpha.astype(np.float32) / 255
    unknown = photo.ignore | ((photo.alpha > 127) & (count != 1))
    boxes = [tuple(box) for box in photo.boxes.tolist()]
    return Scene(photo.bgr, [share * (p & (count == 1)) for p in inside], boxes, unknown)


def samples(
    small: Small, engine: UpperBodySegmenter, rng: np.random.Generator, most: int = 4
) -> list[tuple[U8, U8, F32]]:
    """Closeups from one scene, as the engine sees it.

    Returns:
        The input ``(CHANNELS, SIDE, SIDE)`` uint8. The target ``(2, SIDE, SIDE)`` uint8: the person's share
        of what is marked, and the weight, both 0-255. How well the box fits a person, 0-1, and its weight.
    """
    if rng.random() < COMPOSITES:
        scene = _composite(small, rng)
    else:
        scene = _photo(small.photos[rng.integers(len(small.photos))])
    height, width = scene.bgr.shape[:2]
    shown = [i for i, s in enumerate(scene.shares) if (s > 0.5).sum() > LEAST * height * width]
    if not shown:
        return []
    bgr = camera_defects(scene.bgr, rng)
    crowd = engine.process(FrameInput.from_image(np.ascontiguousarray(bgr)))._crowd
    found = crowd._found if isinstance(crowd, Crowd) else None
    if found is None or not found.views:
        return []
    pieces = [box for seen in found.views for box in _pieces(scene, seen, found.persons, rng)]
    boxes = [*(p.box for p in found.overlapping), *pieces]
    if rng.random() < DRAWN:
        boxes.append(_drawn(scene.boxes[int(rng.choice(shown))], rng))
    fits = [[box_iou(box, scene.boxes[i]) for i in shown] for box in boxes]
    whose = [int(np.argmax(row)) for row in fits]
    # Of each person the best box, and of the others some.
    seen_boxes = range(len(found.overlapping) + len(pieces))
    best = {max(seen_boxes, key=lambda d: fits[d][k]) for k in range(len(shown))}
    best = {d for d in best if max(fits[d]) >= RIGHT} if rng.random() < BEST else set()
    rest = rng.permutation(
        [d for d in seen_boxes if d >= len(found.overlapping) or found.overlapping[d].score >= ASKED]
    )
    chosen = [*rng.permutation([*best]).astype(int), *rest[: int(rng.integers(0, 3))]]
    if pieces:
        chosen.append(len(found.overlapping) + int(rng.integers(len(pieces))))
    chosen += range(len(found.overlapping) + len(pieces), len(boxes))
    missed = {k for k in range(len(shown)) if rng.random() < UNSEEN}
    drawn = []
    for d in dict.fromkeys(int(d) for d in chosen[-most:]):
        box, person = boxes[d], shown[whose[d]]
        fit = max(fits[d])
        gone = [scene.boxes[shown[k]] for k in missed if k != whose[d]]
        told = told_of_others(box, _but(found.persons, gone), _but(found.overlapping, gone))
        seen = found.views[home_of(box, found.views)]
        sample = _sample(scene, seen, box, person, told, fit)
        if sample is None:
            continue
        x, y = sample
        share, weight = y.astype(np.float32)
        if (
            fit >= RIGHT
            and ((255 - share) * weight).sum() < ALONE * 255 * weight.sum()
            and rng.random() > ALONE_KEPT
        ):
            continue
        if rng.random() < 0.5:
            x, y = x[..., ::-1], y[..., ::-1]
        sure = 1.0 if scene.unknown is None or fit >= RIGHT else UNSURE
        drawn.append((np.ascontiguousarray(x), np.ascontiguousarray(y), np.array([fit, sure], np.float32)))
    return drawn


def _pieces(
    scene: Scene, seen: SegmentedRegion, persons: Sequence[DetectedPerson], rng: np.random.Generator
) -> list[Box]:
    """Boxes round what known people leave of a region's mask, as the search for unlisted people has them."""
    left = seen.mask >= MARKED
    height, width = left.shape
    least = PIECE * np.count_nonzero(left)
    if rng.random() < BY_PERSONS:
        start, top, end, bottom = seen.region.corners
        for share, box in zip(scene.shares, scene.boxes, strict=True):
            if any(box_iou(box, p.box) >= RIGHT for p in persons):
                left &= cv2.resize(np.ascontiguousarray(share[top:bottom, start:end]), (width, height)) < 0.5
    else:
        x0, y0, x1, y1 = box_in(seen, persons[int(rng.integers(len(persons)))].box)
        rows, columns = (y1 - y0) * rng.uniform(0, 0.3, 2), (x1 - x0) * rng.uniform(0, 0.3, 2)
        top, bottom, start, end = (
            max(round(v), 0) for v in (y0 + rows[0], y1 - rows[1], x0 + columns[0], x1 - columns[1])
        )
        left[top:bottom, start:end] = False
    worn = int(rng.integers(WORN + 1))
    pieces = cv2.erode(left.view(np.uint8), np.ones((worn + 1, worn + 1), np.uint8))
    stats = cv2.connectedComponentsWithStats(pieces)[2][1:].tolist()
    return [box_of(seen, (x, y, x + w, y + h)) for x, y, w, h, area in stats if area >= least]


def _drawn(box: Box, rng: np.random.Generator) -> Box:
    """A box near somebody's own."""
    x0, y0, x1, y1 = box
    left, top, right, bottom = rng.uniform(-DRAWN_OFF, DRAWN_OFF, 4)
    width, height = x1 - x0, y1 - y0
    return x0 + left * width, y0 + top * height, x1 + right * width, y1 + bottom * height


def _but(detections: Iterable[DetectedPerson], gone: list[Box]) -> list[DetectedPerson]:
    """The detections but those of somebody who is gone."""
    return [p for p in detections if all(box_iou(p.box, box) < MISSED_WITH for box in gone)]


def _sample(
    scene: Scene, seen: SegmentedRegion, box: Box, person: int, told: Told, fit: float
) -> tuple[U8, U8] | None:
    """The closeup of one box, and its target."""
    height, width = seen.mask.shape[:2]
    x0, y0, x1, y1 = seen.region.corners
    inner = box_in(seen, box)
    if min(inner[2] - inner[0], inner[3] - inner[1]) < 2:
        return None

    def as_seen(plane: NDArray[np.floating]) -> U8:
        cut = np.ascontiguousarray(plane[y0:y1, x0:x1])
        return cv2.resize(_levels(cut), (width, height), interpolation=cv2.INTER_AREA)

    own, union = as_seen(scene.shares[person]), as_seen(np.sum(scene.shares, 0).clip(0, 1))
    unknown = np.zeros_like(own)
    if scene.unknown is not None:
        unknown = as_seen(scene.unknown.astype(np.float32))
    window = window_around(inner)
    x = closeup(seen.bgr, seen.mask, window, told_in(seen, told), SIDE)
    planes = np.dstack([own, 255 - unknown, np.full_like(own, 255)])
    target = closeup(np.ascontiguousarray(planes), union, window, NOBODY_ELSE, SIDE)
    mine, sure, within, marked = (target[..., k].astype(np.float32) for k in range(4))
    share = (255 * mine / np.maximum(marked, 1)).clip(0, 255)
    # What the segmenter marks counts in full.
    weight = np.where(marked > 64, np.maximum(x[..., 3] / 255, UNMARKED), OUTSIDE) * sure * (within > 0)
    weight *= min(max((fit - WRONG) / (RIGHT - WRONG), 0.0), 1.0)
    return x.transpose(2, 0, 1), np.stack([share, weight]).astype(np.uint8)


def _levels(share: NDArray[np.floating]) -> U8:
    return (255 * share).round().astype(np.uint8)


def _bounds(share: F32) -> Box:
    x, y, w, h = cv2.boundingRect((share > 0.5).view(np.uint8))
    return float(x), float(y), float(x + w), float(y + h)


_small: Small | None = None
_engines: dict[str, UpperBodySegmenter] = {}


def draw(data: Path, seed: int, count: int) -> tuple[U8, U8, F32]:
    """So many samples, inputs and targets, the same for the same seed; of both pairs of models in turn."""
    global _small  # noqa: PLW0603
    cv2.setNumThreads(1)
    if _small is None:
        _small = load_small(data)
        for model in MODELS:
            _engines[model] = UpperBodySegmenter(SegmenterOptions(model=model, refine=False))
            _engines[model].initialize()
    rng = np.random.default_rng(seed)
    drawn: list[tuple[U8, U8, F32]] = []
    while len(drawn) < count:
        drawn += samples(_small, _engines[MODELS[int(rng.integers(len(MODELS)))]], rng)
    x, y, fit = (np.stack(part) for part in zip(*drawn[:count], strict=True))
    return x, y, fit
