"""The whole of ``skimage.data.astronaut()`` against outlines drawn by hand, helmet left out of account.

The outlines are corners ``x y`` in pixels of the 512 x 512 picture. They were drawn and checked at four times
its size. Whether the helmet she holds is person is a matter of taste, so its pixels are ignored.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import FrameInput, ImageBuffer, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.metrics import decidedness, score

# Clockwise from the lower left corner of the sleeve: sleeve, collar ring, hair, collar ring, shoulder. It
# closes below the helmet.
PERSON = (
    "38 511, 35 503, 32 494, 28 482, 26 468, 24 458, 23 448, 24 440, 24 430, 23 418, 21 408, 19 398, "
    "20 390, 23 380, 25 374, 25 362, 26 352, 26 343, 27 336, 30 327, 33 318, 35 310, 38 303, 40 298, "
    "42 287, 46 278, 51 271, 56 262, 60 254, 66 247, 74 240, 84 232, 95 222, 104 213, 111 206, "
    "113 203, 117 198, 114 190, 113 186, 118 184, 124 178, 130 169, 137 161, 148 154, 160 150, "
    "172 148, 185 149, 182 140, 181 131, 176 130, 172 124, 170 118, 164 113, 158 105, 155 96, "
    "155 88, 154 80, 153 72, 154 64, 158 57, 163 50, 170 43, 180 37, 188 33, 192 27, 200 23, 210 20, "
    "222 17, 233 16, 244 17, 256 22, 266 26, 274 31, 281 36, 287 44, 293 52, 297 62, 300 74, 302 84, "
    "300 96, 297 106, 291 114, 285 121, 278 127, 276 133, 270 137, 267 136, 266 143, 262 152, "
    "257 163, 256 173, 262 176, 270 181, 279 190, 288 200, 296 212, 301 223, 303 233, 312 240, "
    "322 247, 330 254, 336 261, 342 272, 347 280, 350 284, 354 294, 356 302, 357 312, 360 323, "
    "363 331, 360 333, 362 345, 364 350, 372 349, 400 420, 400 511"
)
HELMET = (
    "362 350, 372 348, 385 344, 400 343, 418 344, 436 350, 452 359, 468 371, 478 383, 487 399, "
    "493 417, 496 440, 498 449, 504 452, 505 458, 509 468, 511 480, 511 511, 279 511, 276 490, "
    "275 470, 279 448, 283 432, 289 416, 292 404, 292 396, 298 389, 308 379, 320 369, 332 361, "
    "345 354"
)


def filled(outline: str) -> NDArray[np.bool_]:
    corners = np.array([corner.split() for corner in outline.split(", ")], np.int32)
    plane = np.zeros((512, 512), np.uint8)
    cv2.fillPoly(plane, [corners], 1)
    return plane > 0


@pytest.fixture(scope="module")
def ground_truth() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The person, 0 or 255, and what to ignore."""
    return np.where(filled(PERSON), 255, 0).astype(np.uint8), filled(HELMET)


def mask_of(astronaut: NDArray[np.uint8], model: str) -> NDArray[np.uint8]:
    with UpperBodySegmenter(SegmenterOptions(model=model)) as engine:
        frame = FrameInput(ImageBuffer.view(astronaut.copy()), 0, ImageType.BGR_888, is_still=True)
        return engine.process(frame).mask.copy()


def test_the_outlines_lie_on_what_they_outline(
    astronaut: NDArray[np.uint8], ground_truth: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> None:
    person, helmet = ground_truth
    inside = (person > 0) & ~helmet
    assert inside.mean() == pytest.approx(0.41, abs=0.01)
    hsv = cv2.cvtColor(astronaut, cv2.COLOR_BGR2HSV)
    orange = (abs(hsv[..., 0].astype(int) - 8) < 5) & (hsv[..., 1] > 150) & (hsv[..., 2] > 150)
    orange[:, :20] = False  # the flag's red
    assert (inside[orange]).mean() > 0.97
    assert helmet.mean() == pytest.approx(0.12, abs=0.02)


MEASURED_REASON = (
    "the shipped accurate weights take the middle of the suit, behind the held helmet, for background: IoU "
    "0.83, interior 0.75; MediaPipe Selfie has 0.96 and 0.99, the fast weights 0.96 and 0.97"
)


@pytest.mark.xfail(strict=True, reason=MEASURED_REASON)
def test_the_accurate_model_marks_the_whole_suit(
    astronaut: NDArray[np.uint8], ground_truth: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> None:
    person, helmet = ground_truth
    mask = mask_of(astronaut, "accurate")
    assert score(mask, person, 128, helmet).iou >= 0.97
    assert decidedness(mask, person, helmet).interior >= 0.99  # no hole in the suit


def test_the_fast_model_marks_the_whole_suit(
    astronaut: NDArray[np.uint8], ground_truth: tuple[NDArray[np.uint8], NDArray[np.bool_]]
) -> None:
    person, helmet = ground_truth
    assert score(mask_of(astronaut, "fast"), person, 128, helmet).iou >= 0.96
