"""Pixels from one format, size, matrix and range to another, by FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from upperbodyseg.video.filter_graph import FilterGraph, build_graph
from upperbodyseg.video.libav import load_av

__all__ = ["SCALING", "Filter", "range_name"]

SCALING = "flags=bilinear+accurate_rnd"
"""Options of the scale filter: without accurate_rnd each conversion makes the picture darker by a level or
two. VideoFrame.reformat is not used: up to PyAV 17 it takes the colour range's number for a flag, so that
limited range is read as full."""


def range_name(full: bool) -> str:
    """FFmpeg's name of a colour range."""
    return "pc" if full else "tv"


class Filter:
    """A chain of filters for pictures, which is built anew where the frames or the chain change.

    Args:
        time_base: the unit of the frames' times, in seconds.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph = FilterGraph()

    def push(self, frame: Any, chain: Sequence[tuple[str, str]]) -> list[Any]:
        """Give a PyAV frame to a chain of filters' names and options; the frames that are ready."""
        width, height, name = frame.width, frame.height, frame.format.name

        def add_source(graph: Any) -> Any:
            pixels = load_av().VideoFormat(name, width, height)
            return graph.add_buffer(width=width, height=height, format=pixels, time_base=self._time_base)

        return self._graph.push(
            frame,
            (width, height, name, tuple(chain)),
            lambda: build_graph(add_source, (*chain, ("buffersink", ""))),
        )

    def flush(self) -> list[Any]:
        """The frames that a filter still holds back."""
        return self._graph.flush()
