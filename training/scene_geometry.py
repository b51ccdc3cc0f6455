"""Moving a scene: turning, cropping, surrounding it with grey. Labels and boxes move along."""

from __future__ import annotations

import cv2
import numpy as np

from training.library import Scene


def turn(scene: Scene, rng: np.random.Generator) -> Scene:
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


def zoom(scene: Scene, rng: np.random.Generator) -> Scene:
    """A random crop; boxes are cut, slivers become 'ignore'."""
    h, w = scene.alpha.shape
    s = rng.uniform(0.4, 1.0)
    ch = int(h * min(1.0, s * rng.uniform(0.85, 1.18)))
    cw = int(w * min(1.0, s * rng.uniform(0.85, 1.18)))
    y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
    return crop(scene, x, y, cw, ch)


def crop(scene: Scene, x: int, y: int, cw: int, ch: int) -> Scene:
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


def surround(scene: Scene, rng: np.random.Generator) -> Scene:
    h, w = scene.alpha.shape
    wide = int(w * rng.uniform(1.0, 1.9))
    x = int(rng.integers(wide - w + 1))
    bgr = np.full((h, wide, 3), rng.integers(0, 256, 3), np.uint8)
    bgr[:, x : x + w] = scene.bgr
    alpha = np.zeros((h, wide), np.uint8)
    alpha[:, x : x + w] = scene.alpha
    return Scene(bgr, alpha, scene.boxes + np.asarray([x, 0, x, 0], np.float32), None, scene.weight)
