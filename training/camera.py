"""What a camera does to a picture: light, colour, blur, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np

from training.library import F32, U8


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
    return cv2.filter2D(bgr, -1, disc / disc.sum())


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
