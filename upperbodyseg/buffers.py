"""Memory that is used again from one frame to the next, so that a stream allocates none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers"]


class Buffers:
    """Scratch arrays by name; each grows to the largest that was asked for and stays.

    Not for several threads at a time.
    """

    def __init__(self) -> None:
        self._memory: dict[str, NDArray[np.uint8]] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """A contiguous uint8 array of that shape with anything in it, valid until the name's next use."""
        size = math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, np.uint8)
        return memory[:size].reshape(shape)
