"""What cameras and rooms do to a picture, made the same way every time.

Each function takes BGR ``(H, W, 3)`` uint8 and returns what the camera would have given; sizes are
in parts of the picture, so that a corruption is equally strong on every one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def _generator(bgr: U8) -> np.random.Generator:
    """Random numbers that belong to the picture."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(bgr).tobytes()))


def _filter(bgr: U8, kernel: NDArray[np.float32]) -> U8:
    out: U8 = cv2.filter2D(bgr, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return out


def motion_blur(bgr: U8) -> U8:
    """A line of 4 % of the picture's longer side, in a direction of the picture's own."""
    n = max(round(0.04 * max(bgr.shape[:2])), 3) | 1
    angle = _generator(bgr).uniform(0, np.pi)
    reach = n / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = ((n / 2 + s * reach).astype(int).tolist() for s in (-1, 1))
    kernel = np.zeros((n, n), np.float32)
    cv2.line(kernel, start, end, 1.0)
    return _filter(bgr, kernel)


def defocus(bgr: U8) -> U8:
    """A disc of 1.2 % of the longer side for a radius."""
    radius = max(round(0.012 * max(bgr.shape[:2])), 1)
    grid = np.arange(-radius, radius + 1)
    disc = (grid[:, None] ** 2 + grid**2 <= (radius + 0.3) ** 2).astype(np.float32)
    return _filter(bgr, disc)


def _darken(bgr: U8, gain: float) -> U8:
    """Less light, with the noise that a sensor then shows."""
    linear = (bgr / np.float32(255)) ** 2.2 * gain
    noisy = linear + _generator(bgr).normal(0, 1, bgr.shape) * np.sqrt(linear * 4e-4 + 2e-6)
    out: U8 = np.rint(noisy.clip(0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return out


def dark_quarter(bgr: U8) -> U8:
    """A quarter of the light."""
    return _darken(bgr, 1 / 4)


def dark_tenth(bgr: U8) -> U8:
    """A tenth of the light."""
    return _darken(bgr, 1 / 10)


def dark_thirtieth(bgr: U8) -> U8:
    """A thirtieth of the light."""
    return _darken(bgr, 1 / 30)


def side_light(bgr: U8) -> U8:
    """Three times the light on one side, a fifth on the other."""
    ramp = np.linspace(0.2, 3.0, bgr.shape[1], dtype=np.float32)
    if _generator(bgr).random() < 0.5:
        ramp = ramp[::-1]
    linear = (bgr / np.float32(255)) ** 2.2 * ramp[None, :, None]
    out: U8 = np.rint(linear.clip(0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    return out


def noise(bgr: U8) -> U8:
    """Gaussian, standard deviation 20 of 255."""
    noisy = bgr + _generator(bgr).normal(0, 20, bgr.shape)
    return np.rint(noisy.clip(0, 255)).astype(np.uint8)


def jpeg_20(bgr: U8) -> U8:
    """JPEG of quality 20."""
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 20])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def half_resolution(bgr: U8) -> U8:
    """Half the width and height, no more."""
    height, width = bgr.shape[:2]
    size = (max(width // 2, 1), max(height // 2, 1))
    return cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)


def held_object(bgr: U8, truth: U8) -> tuple[U8, NDArray[np.bool_]]:
    """A phone-like slab before the person, and where it is.

    Whether such a thing belongs to the person the labels don't agree on, so its pixels are not
    to be scored.
    """
    rng = _generator(bgr)
    ys, xs = np.nonzero(truth)
    out, where = bgr.copy(), np.zeros(truth.shape, bool)
    if not len(ys):
        return out, where
    x0, x1, y0, y1 = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
    width, height = max(int(0.3 * (x1 - x0)), 2), max(int(0.4 * (y1 - y0)), 2)
    x = int(x0 + rng.uniform(0.1, 0.6) * (x1 - x0))
    y = int(y0 + rng.uniform(0.35, 0.6) * (y1 - y0))
    cut = np.s_[y : y + height, x : x + width]
    shade = np.linspace(0.8, 1.2, where[cut].shape[1], dtype=np.float32)[None, :, None]
    out[cut] = (rng.uniform(20, 200, 3).astype(np.float32) * shade).clip(0, 255).astype(np.uint8)
    where[cut] = True
    return out, where


CORRUPTIONS: dict[str, Callable[[U8], U8]] = {
    "motion blur": motion_blur,
    "defocus": defocus,
    "light 1/4": dark_quarter,
    "light 1/10": dark_tenth,
    "light 1/30": dark_thirtieth,
    "strong side light": side_light,
    "noise": noise,
    "JPEG 20": jpeg_20,
    "half resolution": half_resolution,
}
"""All but the held object, which needs the truth to know where the person is."""
