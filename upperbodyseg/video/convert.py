"""Pixels from one format, size, matrix and range to another."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from upperbodyseg.video.libav import load_av

__all__ = ["Converter", "range_name"]


def range_name(full: bool) -> str:
    """FFmpeg's name of a colour range."""
    return "pc" if full else "tv"


class Converter:
    """Converts frames by FFmpeg's scale filter.

    With accurate_rnd, since without it each conversion makes the picture darker by a level or two.
    Not VideoFrame.reformat: up to PyAV 17 it takes the colour range's number for a flag, so that limited
    range is read as full.

    Args:
        width, height, pixel_format: of what is given.
        settings: more options of the scale filter.
    """

    def __init__(self, width: int, height: int, pixel_format: str, settings: str) -> None:
        self._to = width, height, pixel_format, settings
        self._graph: Any = None
        self._from: tuple[int, int, str] | None = None

    def convert(self, frame: Any) -> Any:
        """Convert a PyAV frame of any size and format."""
        source = frame.width, frame.height, frame.format.name
        if source != self._from:
            self._open(source)
            self._from = source
        self._graph.push(frame)
        return self._graph.pull()

    def _open(self, source: tuple[int, int, str]) -> None:
        av = load_av()
        width, height, pixel_format, settings = self._to
        graph = av.filter.Graph()
        chain = (
            graph.add_buffer(
                width=source[0],
                height=source[1],
                format=av.VideoFormat(source[2], source[0], source[1]),
                time_base=Fraction(1, 1000),  # not used: frames are numbered afterwards
            ),
            graph.add("scale", f"{width}:{height}:flags=bilinear+accurate_rnd:{settings}"),
            graph.add("format", f"pix_fmts={pixel_format}"),
            graph.add("buffersink"),
        )
        for one, next_one in itertools.pairwise(chain):
            one.link_to(next_one)
        graph.configure()
        self._graph = graph
