"""Training samples: a view of a scene, as a camera and the product's pipeline would show it.

For the detector it is the whole frame; for the segmenter, a region round a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.camera import camera_defects
from training.held_things import count_object, drop_patches, lay_object, left_out
from training.library import F32, U8, Library, Scene
from training.recipe import Sampling, Views
from training.scene_geometry import surround, turn, zoom
from training.scenes import SceneMaker
from training.targets import TEACHER_ALONE, target
from training.teachers import DetectorTeacher, Finder, SegmenterTeacher
from upperbodyseg.geometry import Region, letterbox_geometry, resize
from upperbodyseg.preprocess.exposure import exposed
from upperbodyseg.preprocess.letterbox import PADDING
from upperbodyseg.preprocess.regions import region_around

MIN_PERSON_SIDE = 0.06  # of the frame's longer side; smaller ones are neither taught nor punished


def _region_for_training(scene: Scene, margins: tuple[float, float], rng: np.random.Generator) -> Region:
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
    margin = float(rng.uniform(*margins))
    return region_around((float(box[0]), float(box[1]), float(box[2]), float(box[3])), (h, w), margin)


FOUND_EMPTY, FOUND = 0.7, 0.2  # share of people-free and other pictures cut where a detector sees somebody


def segmenter_sample(
    maker: SceneMaker,
    size: int,
    views: Views = Views(),  # noqa: B008 (frozen)
    teacher: SegmenterTeacher | None = None,
    finder: Callable[[U8], F32] | None = None,
) -> tuple[U8, U8, U8]:
    """BGR ``(size, size, 3)``, target 0-255 ``(size, size)``, pixel weight 0-255.

    With a finder people-free pictures are mostly cut where it sees somebody: those are the regions in which
    the segmenter will have to say that nobody is there. So are some of the others, for they are the
    regions in which it will have to find people.

    A teacher sees the picture before the camera's defects, and before anything is laid over it. What
    becomes of its mask says :func:`training.targets.target`; it has no say where nobody is. What counts as
    person of an object laid over the picture says :mod:`training.held_things`.
    """
    rng = maker.rng
    group, scene = maker.draw()
    if rng.random() < 0.25:
        scene = turn(scene, rng)
    if finder is not None and rng.random() < (FOUND_EMPTY if group.kind == "empty" else FOUND):
        found = finder(scene.bgr)
        scene = replace(scene, boxes=found if len(found) else scene.boxes)
    r = _region_for_training(scene, views.margin, rng)
    cut = np.s_[r.y0 : r.y1, r.x0 : r.x1]

    # The teacher, and the camera, see it at the teacher's size.
    side = size if teacher is None else max(size, teacher.size)

    def fit(plane: U8) -> U8:
        return resize(plane, side, side)

    bgr, label = fit(scene.bgr[cut]), fit(scene.alpha[cut])
    known = np.ones((side, side), bool)
    if scene.ignore is not None:
        known = fit(scene.ignore[cut].astype(np.uint8) * 255) == 0
    if rng.random() < 0.5:
        bgr, label, known = (np.ascontiguousarray(part[:, ::-1]) for part in (bgr, label, known))
    mask = teacher(bgr) if teacher is not None and group.kind != "empty" else None
    if mask is not None and not scene.held_things:
        known = known & ~left_out(label, mask)
    if rng.random() < views.dropped:
        bgr = drop_patches(bgr, label, rng)
    undecided = np.zeros((side, side), bool)
    if rng.random() < views.held:
        bgr, where = lay_object(bgr, maker.background(), (0.12, 0.4), rng)
        counts = count_object(where, label)
        if counts is None:
            undecided = where
        else:
            label, known = np.where(where, np.uint8(counts), label), known | where
    reach = round(views.soft_reach * side / size)
    alpha, alone = target(label, known, mask, views.teacher_share, views.sharpen, reach)
    weight = np.where(
        known, np.uint8(255 * scene.weight), np.where(alone, np.uint8(TEACHER_ALONE), np.uint8(0))
    )
    weight[undecided] = 0
    bgr, alpha = resize(camera_defects(bgr, rng), size, size), resize(alpha, size, size)
    weight = cv2.resize(weight, (size, size), interpolation=cv2.INTER_NEAREST)
    return exposed(bgr), alpha, weight


MAX_BOXES = 24


def _detector_scene(maker: SceneMaker) -> Scene:
    rng = maker.rng
    group, scene = maker.draw()
    portrait = group.kind == "photos" and group.one_person
    if rng.random() < 0.15:
        scene = turn(scene, rng)
    if rng.random() < (0.3 if portrait else 0.55):
        scene = zoom(scene, rng)
    elif portrait and rng.random() < 0.6:
        # A portrait that does not fill the frame: the rest is grey, as a letterbox is.
        scene = surround(scene, rng)
    return scene


def _letterboxed(bgr: U8, size: int, rng: np.random.Generator | None) -> U8:
    """As the detector sees a frame; with ``rng`` through a camera with defects."""
    fit = letterbox_geometry(bgr.shape[:2], size)
    inside = cv2.resize(bgr, (fit.width, fit.height), interpolation=cv2.INTER_AREA)
    if rng is not None:
        inside = camera_defects(inside, rng)
    inside = exposed(inside)
    square = np.full((size, size, 3), PADDING, np.uint8)
    square[fit.top :, fit.left :][: fit.height, : fit.width] = inside
    return square


def taught_detector_sample(maker: SceneMaker, size: int, teacher: DetectorTeacher) -> tuple[U8, F32]:
    """BGR ``(size, size, 3)``, and the teacher's opinion of it before the camera's defects and held objects.

    No label is used, so that scenes may be mixed as no label could say: a fifth are mosaics.
    """
    rng = maker.rng
    mosaic = rng.random() < 0.2
    scene = maker.mosaic(lambda: maker.draw()[1]) if mosaic else _detector_scene(maker)
    if rng.random() < 0.5:
        # A new scene, for this one may be the library's own, whose picture must keep fitting its label.
        scene = replace(scene, bgr=np.ascontiguousarray(scene.bgr[:, ::-1]))
    opinion = teacher(_letterboxed(scene.bgr, teacher.size, None), size)
    bgr = scene.bgr
    if rng.random() < 0.2:
        bgr, _ = lay_object(bgr, maker.background(), (0.08, 0.3), rng)
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
    library: Library,
    part: str,
    size: int,
    seed: int,
    sampling: Sampling,
    views: Views = Views(),  # noqa: B008 (frozen)
    teachers: Teachers = NO_TEACHERS,
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """An endless stream of samples; the same seed gives the same ones.

    Args:
        part: "segmenter" or "detector".
        size: side of the pictures.
        sampling: what is drawn, and how often.
        views: how a segmenter's are cut and taught.
    """
    maker = SceneMaker(library, np.random.default_rng(seed), sampling)
    make: Callable[[], tuple[NDArray[np.generic], ...]]
    if part == "segmenter":
        make = partial(segmenter_sample, maker, size, views, *teachers.of_segmenter())
    elif teachers.teachers:
        (path,) = teachers.teachers
        make = partial(taught_detector_sample, maker, size, DetectorTeacher(path))
    else:
        make = partial(detector_sample, maker, size)
    while True:
        yield tuple(np.ascontiguousarray(part) for part in make())
