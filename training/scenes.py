"""Scenes: photos as they are, pictures without people, and composites of cut-outs on them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.library import F32, U8, Library, Scene, alpha_box
from training.recipe import Group, RecipeError, Sampling
from training.scene_geometry import crop

MIN_CUTOUT_SIDE = 60  # pixels of a person cut out of a photo
MIN_EMPTY_SIDE = 80  # pixels of a part of a photo in which nobody is
TRIES = 12  # to find a part of a photo that serves
EMPTY_PART = 0.4  # of the scenes without people, those that are parts of such photos
MOSAIC_SIDE = 240  # pixels of each of a mosaic's scenes


def choose(rng: np.random.Generator, mix: dict[str, float]) -> str:
    parts = np.asarray(list(mix.values()))
    return str(rng.choice(list(mix), p=parts / parts.sum()))


class SceneMaker:
    """Draws scenes as a recipe's shares say.

    Args:
        library: the pictures.
        rng: what is drawn follows from it.
        sampling: the groups and their shares.

    Attributes:
        shares: of the groups of which there are pictures.
        notes: a sentence for each share that moved to another group.

    Raises:
        RecipeError: there are no pictures, or none without people.
    """

    def __init__(self, library: Library, rng: np.random.Generator, sampling: Sampling) -> None:
        self.pictures, self.rng, self.groups = library, rng, sampling.groups
        sizes = library.sets
        # A set's weight; without one the square root of its size, so that no large set drowns the others.
        self._sets = {
            name: {s: part or float(np.sqrt(sizes[s])) for s, part in group.sets.items() if s in sizes}
            for name, group in sampling.groups.items()
        }
        rooms = [self._sets[n] for n, g in sampling.groups.items() if g.kind == "empty" and self._sets[n]]
        if not rooms:
            raise RecipeError("expected people-free pictures, got none: composites need them")
        self._backgrounds = {s: part for sets in rooms for s, part in sets.items()}
        photos = (g for g in sampling.groups.values() if g.kind == "photos" and g.one_person)
        self._portraits = {name for group in photos for name in group.sets}
        self.shares, self.notes = sampling.fallbacks(sizes)

    def draw(self) -> tuple[Group, Scene]:
        """A scene, and the group that it is of."""
        group = self.groups[choose(self.rng, self.shares)]
        if group.kind == "cutouts":
            return group, self.composite(group)
        if group.kind == "empty":
            return group, self.empty(group)
        return group, self.photo(choose(self.rng, self._sets[group.name]))

    def _pick(self, items: list) -> object:  # type: ignore[type-arg]
        return items[self.rng.integers(len(items))]

    def photo(self, name: str) -> Scene:
        """A photo of a set of people."""
        return self._pick(self.pictures.people[name])  # type: ignore[return-value]

    def background(self, sets: dict[str, float] | None = None) -> U8:
        """A people-free picture, of these sets or of any."""
        return self._pick(self.pictures.backgrounds[choose(self.rng, sets or self._backgrounds)])  # type: ignore[return-value]

    def empty(self, group: Group) -> Scene:
        """A scene without people: a people-free picture, or a part of a photo in which nobody is."""
        photos = self.pictures.people.get(group.parts_of) if group.parts_of else None
        part = self._without_people(photos) if photos and self.rng.random() < EMPTY_PART else None
        bgr = self.background(self._sets[group.name]) if part is None else part
        return Scene(bgr, np.zeros(bgr.shape[:2], np.uint8), np.zeros((0, 4), np.float32))

    def _without_people(self, photos: list[Scene]) -> U8 | None:
        """A part of a photo of people in which nobody is, if one is found."""
        rng = self.rng
        for _ in range(TRIES):
            scene: Scene = self._pick(photos)  # type: ignore[assignment]
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
        return None

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
                scene = crop(scene, x, y, side, side)
                assert scene.ignore is not None
                at = np.s_[top : top + MOSAIC_SIDE, left : left + MOSAIC_SIDE]
                to = (MOSAIC_SIDE, MOSAIC_SIDE)
                bgr[at], alpha[at] = cv2.resize(scene.bgr, to), cv2.resize(scene.alpha, to)
                ignore[at] = cv2.resize(scene.ignore.astype(np.uint8), to) > 0
                boxes.append(scene.boxes * np.float32(MOSAIC_SIDE / side) + np.tile([left, top], 2))
        return Scene(bgr, alpha, np.concatenate(boxes).astype(np.float32), ignore)

    def _cutout(self, group: Group) -> U8:
        """BGRA: a cut-out, or somebody cut out of a photo."""
        for _ in range(TRIES):
            name = choose(self.rng, self._sets[group.name])
            if name in self.pictures.cutouts:
                return self._pick(self.pictures.cutouts[name])  # type: ignore[return-value]
            scene = self.photo(name)
            bgr, alpha = scene.bgr, scene.alpha
            if name in self._portraits:
                break
            box = self._large_box(scene)
            if box is not None:
                x0, y0, x1, y1 = box
                bgr, alpha = bgr[y0:y1, x0:x1], alpha[y0:y1, x0:x1]
                break
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

    def composite(self, group: Group, people: int | None = None) -> Scene:
        """One to four cut-outs of a group on a people-free picture, landscape more often than not."""
        rng = self.rng
        room = self.background()
        height = int(rng.integers(240, 321))
        width = int(height * rng.choice([0.75, 1.0, 4 / 3, 16 / 9], p=[0.2, 0.1, 0.3, 0.4]))
        bgr = cover(room, height, width, rng)
        if rng.random() < 0.25:  # shallow depth of field
            bgr = cv2.GaussianBlur(bgr, (0, 0), float(rng.uniform(0.8, 4)))
        alpha = np.zeros((height, width), np.uint8)
        boxes: list[F32] = []
        if people is None:
            people = min(int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1])), group.people)
        slots = rng.permutation(people)
        for slot in slots:
            cut = self._cutout(group)
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


def cover(picture: U8, height: int, width: int, rng: np.random.Generator) -> U8:
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
    box = alpha_box(part[..., 3])
    if not len(box):
        return None
    return box[0] + np.asarray([x0, y0, x0, y0], np.float32)
