"""Pixels from one format, size, matrix and range to another, by FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from upperbodyseg.video.libav import load_av

__all__ = ["PALETTE", "SCALING", "Filter", "range_name"]

SCALING = "flags=bilinear+accurate_rnd"
"""Options of the scale filter: without accurate_rnd each conversion makes the picture darker by a level or
two. VideoFrame.reformat is not used: up to PyAV 17 it takes the colour range's number for a flag, so that
limited range is read as full."""


PALETTE = ("palette", "")
"""A filter of ours: 256 colours chosen for each frame. A dither by pattern moves less from frame to frame."""


def range_name(full: bool) -> str:
    """FFmpeg's name of a colour range."""
    return "pc" if full else "tv"


class Filter:
    """A chain of filters, which is built anew where the frames or the chain change.

    Args:
        time_base: the unit of the frames' times, in seconds.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Any = None
        self._built_for: object = None

    def push(self, frame: Any, chain: Sequence[tuple[str, str]]) -> list[Any]:
        """Give a PyAV frame to a chain of filters' names and options; the frames that are ready."""
        given = frame.width, frame.height, frame.format.name, tuple(chain)
        ready = []
        if given != self._built_for:
            ready = self.flush()
            self._build(frame, chain)
            self._built_for = given
        self._graph.push(frame)
        return ready + self._pull()

    def flush(self) -> list[Any]:
        """The frames that a filter still holds back."""
        if self._graph is None:
            return []
        self._graph.push(None)
        ready = self._pull()
        self._graph = self._built_for = None
        return ready

    def _pull(self) -> list[Any]:
        av = load_av()
        frames = []
        while True:
            try:
                frames.append(self._graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return frames

    def _build(self, frame: Any, chain: Sequence[tuple[str, str]]) -> None:
        av = load_av()
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=av.VideoFormat(frame.format.name, frame.width, frame.height),
            time_base=self._time_base,
        )
        last = source
        for name, options in (*chain, ("buffersink", "")):
            if (name, options) == PALETTE:
                last = _add_palette(graph, last)
                continue
            node = graph.add(name, options or None)
            last.link_to(node)
            last = node
        graph.configure()
        self._graph = graph


def _add_palette(graph: Any, last: Any) -> Any:
    split, choose = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
    last.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(choose, 1, 0)
    choose.link_to(use, 0, 1)
    return use
