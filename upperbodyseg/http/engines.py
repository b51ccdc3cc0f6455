"""Engines by the name of their model, each opened by the first request that asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from upperbodyseg.types import FrameInput, SegmentationOutput

__all__ = ["Engine", "Engines"]


class Engine(Protocol):
    """What is needed of :class:`upperbodyseg.UpperBodySegmenter` or of a pool of them."""

    def process(self, frame: FrameInput, blur_sigma: float = ...) -> SegmentationOutput:
        """See :meth:`upperbodyseg.UpperBodySegmenter.process`."""

    def close(self) -> None:
        """Let go of the models."""


class Engines:
    """One engine, or pool, a model.

    Args:
        open_engine: makes one of a model's name, ready for frames.
    """

    def __init__(self, open_engine: Callable[[str], Engine]) -> None:
        self._open = open_engine
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def get(self, model: str) -> Engine:
        """The engine of a model; the first call opens it.

        Raises:
            ModelError: the weights or the runtime are missing or damaged.
        """
        with self._lock:
            if model not in self._engines:
                self._engines[model] = self._open(model)
            return self._engines[model]

    def close(self) -> None:
        """Close all of them, after the frames in progress."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
