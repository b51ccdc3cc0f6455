"""A graph of FFmpeg's filters that pictures or sound go through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from upperbodyseg.video.libav import load_av

__all__ = ["PALETTE", "FilterGraph", "build_graph"]

PALETTE = ("palette", "")
"""A filter of ours: 256 colours chosen for each frame. A dither by pattern moves less from frame to frame."""


class FilterGraph:
    """A graph of filters, which is built anew where what it is given changes."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._built_for: object = None

    def push(self, frame: Any, built_for: object, build: Callable[[], Any]) -> list[Any]:
        """Give it a PyAV frame; the frames that are ready.

        Args:
            frame: of pictures or of sound.
            built_for: what the graph depends on, such as the frame's size.
            build: makes the graph, PyAV's, for that.
        """
        ready = []
        if built_for != self._built_for:
            ready = self.flush()
            self._graph, self._built_for = build(), built_for
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


def build_graph(add_source: Callable[[Any], Any], chain: Sequence[tuple[str, str]]) -> Any:
    """Link a source and a chain of filters to PyAV's graph.

    Args:
        add_source: adds the source to the graph.
        chain: the filters' names and options, a sink at the end.
    """
    graph = load_av().filter.Graph()
    last = add_source(graph)
    for name, options in chain:
        if (name, options) == PALETTE:
            last = _add_palette(graph, last)
            continue
        node = graph.add(name, options or None)
        last.link_to(node)
        last = node
    graph.configure()
    return graph


def _add_palette(graph: Any, last: Any) -> Any:
    split, choose = graph.add("split"), graph.add("palettegen", "stats_mode=single")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
    last.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(choose, 1, 0)
    choose.link_to(use, 0, 1)
    return use
