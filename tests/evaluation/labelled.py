"""Labelled pictures that are made here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def write(file: Path, picture: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), picture)
    return file


def write_palette(file: Path, index: np.ndarray) -> Path:
    """A palette PNG in the colours of PASCAL VOC, as PP-HumanSeg14K has them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    colours = np.zeros((256, 3), np.uint8)
    for i in range(256):
        for bit in range(8):
            for channel in range(3):
                colours[i, channel] |= ((i >> (3 * bit + channel)) & 1) << (7 - bit)
    picture = Image.fromarray(index)
    picture.putpalette(colours.ravel().tolist())
    picture.save(file)
    return file


def photo(seed: int, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def square(value: int = 255, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[10:30, 20:40] = value
    return mask
