"""Frames in every layout, made from BGR pictures by the standard's own formulas, and how masks compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType

U8 = NDArray[np.uint8]

# ITU-R BT.601-7, 2.5: luma from the primaries' weights, colour differences scaled to +-0.5;
# quantised with 219 levels of luma above 16 and 224 of chroma around 128.
KR, KB = 0.299, 0.114
KG = 1 - KR - KB


def bgr_to_yuv(bgr: U8) -> tuple[U8, U8, U8]:
    """Planes Y ``(H, W)`` and U, V ``(ceil(H / 2), ceil(W / 2))``, chroma averaged over 2 x 2."""
    b, g, r = (bgr[..., i].astype(float) / 255 for i in range(3))
    y = KR * r + KG * g + KB * b
    u, v = (b - y) / (2 * (1 - KB)), (r - y) / (2 * (1 - KR))

    def halve(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        h, w = plane.shape
        even = np.pad(plane, ((0, h % 2), (0, w % 2)), mode="edge")
        return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean((1, 3))

    planes = (16 + 219 * y, 128 + 224 * halve(u), 128 + 224 * halve(v))
    return tuple(np.rint(p).clip(0, 255).astype(np.uint8) for p in planes)  # type: ignore[return-value]


def yuv_to_bgr(y: U8, u: U8, v: U8) -> U8:
    """The inverse, each chroma sample repeated over its 2 x 2 pixels."""
    h, w = y.shape
    luma = (y.astype(float) - 16) / 219
    cb, cr = (
        ((plane.astype(float) - 128) / 224).repeat(2, axis=0).repeat(2, axis=1)[:h, :w] for plane in (u, v)
    )
    r = luma + 2 * (1 - KR) * cr
    b = luma + 2 * (1 - KB) * cb
    g = (luma - KR * r - KB * b) / KG
    return np.rint(np.stack([b, g, r], -1) * 255).clip(0, 255).astype(np.uint8)


def _stack(planes: list[tuple[U8, int]], filler: int) -> bytes:
    """Planes one after the other, each row filled up to its plane's step."""
    parts = []
    for plane, step in planes:
        rows = np.full((plane.shape[0], step), filler, np.uint8)
        rows[:, : plane.shape[1]] = plane
        parts.append(rows.tobytes())
    return b"".join(parts)


def make_yuv_frame(
    y: U8, u: U8, v: U8, image_type: ImageType, padding: int = 0, filler: int = 77
) -> ImageBuffer:
    """Planes as :func:`bgr_to_yuv` gives them, in a 4:2:0 layout."""
    height, width = y.shape
    step = width + width % 2 + padding
    if image_type is ImageType.I420:
        half = (step + 1) // 2
        data = _stack([(y, step), (u, half), (v, half)], filler)
    else:
        pair = (v, u) if image_type is ImageType.YUV_420_888 else (u, v)
        data = _stack([(y, step), (np.stack(pair, -1).reshape(u.shape[0], -1), step)], filler)
    return ImageBuffer(width=width, height=height, step=step, channels=1, data=data)


def make_frame(bgr: U8, image_type: ImageType, padding: int = 0, filler: int = 77) -> ImageBuffer:
    """The picture in a layout, every row followed by ``padding`` bytes of ``filler``."""
    if image_type.is_yuv:
        return make_yuv_frame(*bgr_to_yuv(bgr), image_type, padding, filler)
    height, width = bgr.shape[:2]
    alpha = np.full((height, width, 1), 255, np.uint8)
    pixels = {
        ImageType.BGR_888: bgr,
        ImageType.RGB_888: bgr[..., ::-1],
        ImageType.BGRA_8888: np.concatenate([bgr, alpha], -1),
        ImageType.RGBA_8888: np.concatenate([bgr[..., ::-1], alpha], -1),
    }[image_type].reshape(height, -1)
    step = pixels.shape[1] + padding
    data = _stack([(pixels, step)], filler)
    return ImageBuffer(width=width, height=height, step=step, channels=image_type.channels, data=data)


def bgr_frame(bgr: U8, timestamp: int = 0, is_still: bool = True) -> FrameInput:
    return FrameInput.from_array(bgr, timestamp=timestamp, is_still=is_still)


def iou(a: U8, b: U8) -> float:
    """Intersection over union of two masks ``(H, W)``, cut at one half."""
    a_, b_ = a >= 128, b >= 128
    return float((a_ & b_).sum() / (a_ | b_).sum())
