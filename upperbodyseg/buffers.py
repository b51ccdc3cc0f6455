"""Scratch memory of the stages, so that the frames of a stream allocate none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["KEPT_BYTES", "Buffers"]

KEPT_BYTES = 96 * 2**20
"""Scratch memory that an engine keeps after a still, in bytes: what a person takes who fills a frame of
3,840 x 2,160 pixels (11 bytes a pixel). A larger photo's is let go, and allocated anew for the next."""


class Buffers:
    """Scratch arrays by name. Each grows to the largest size asked for and stays until :meth:`trim`.

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

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(memory.size for memory in self._memory.values())

    def trim(self, most: int = KEPT_BYTES) -> None:
        """Let go of everything, if it is more than ``most`` bytes."""
        if self.size > most:
            self._memory.clear()
