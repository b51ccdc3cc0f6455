"""What changes from frame to frame of a stream, on a coarse grid: cuts, and what moves where."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import Box, Region
from upperbodyseg.preprocess.pixel_format import Frame
from upperbodyseg.preprocess.side import Side, is_cut

__all__ = ["Motion"]

_GRID = (18, 24)  # cells of the picture by whose means a cut is noticed: grain is lost in a mean
_CELL_SAMPLES = 4  # each way, in a cell
_CUT_LEVELS = 16  # grey levels by which a cell differs that has changed
_CUT_SHARE = 0.4  # of the cells; a person who waves in front of the camera stays below

_STIR_LEVELS = 6  # grey levels by which a cell differs in which something moves
_STIR_NOISE = 8  # the same, times the median cell's
_STIR_CELLS = 2  # in so many, outside the regions, somebody may be coming in

_SIDE_CELLS = 2  # columns of cells at the frame's left or right side
_CHANGED = 0.3  # of the cells in the box of whoever comes in
_STILL_FRAMES = 10  # without motion, after which the picture is that of the room


class Motion:
    """The last frame, and the room: the last one after some without motion.

    Not for several threads at a time.

    Attributes:
        is_cut: whether the newest frame is altogether another than the one before.
        stirs: whether something moves outside the regions of those who are followed.
        side: of the frame, where somebody may be coming in; None for nowhere.
    """

    def __init__(self) -> None:
        self.is_cut, self.stirs = True, False
        self.side: Side | None = None
        self._size = (1, 1)
        self._cells = self._room = np.zeros((0, 0), np.uint8)
        self._still_frames = 0
        self._elsewhere = np.zeros((0, 0), np.bool_)  # cells where nobody is followed
        self._changes = np.zeros((0, 0), np.bool_)  # cells that differ from the room

    def see(self, frame: Frame, followed: Iterable[Region]) -> None:
        """Compare the next frame with those before.

        Args:
            frame: of the same size as the others.
            followed: regions in which motion says nothing new.
        """
        cells = _means(frame)
        self._size = frame.size
        self._elsewhere = self._outside(cells.shape, followed)
        if self._cells.shape != cells.shape:
            self._cells = self._room = cells
            self._changes = np.zeros(cells.shape, np.bool_)
            return
        change = cv2.absdiff(cells, self._cells)
        self._cells = cells
        self.is_cut = bool(np.count_nonzero(change > _CUT_LEVELS) > _CUT_SHARE * cells.size)
        self.stirs = bool(np.count_nonzero(_moving(change) & self._elsewhere) >= _STIR_CELLS)
        self._still_frames = 0 if self.stirs else self._still_frames + 1
        if self.is_cut or self._still_frames >= _STILL_FRAMES:
            self._room, self._still_frames = cells, 0
        self._changes = _moving(cv2.absdiff(cells, self._room))
        self.side = _moving_side(self._changes & self._elsewhere)
        if self.side is not None and self.changed_at(self.side) is None:
            self.side = None

    def _outside(self, shape: tuple[int, ...], regions: Iterable[Region]) -> NDArray[np.bool_]:
        outside = np.ones(shape, np.bool_)
        y, x = shape[0] / self._size[0], shape[1] / self._size[1]
        for region in regions:  # and a cell around it
            top, bottom = max(int(region.y0 * y) - 1, 0), int(region.y1 * y) + 2
            left, right = max(int(region.x0 * x) - 1, 0), int(region.x1 * x) + 2
            outside[top:bottom, left:right] = False
        return outside

    def changed_at(self, side: Side) -> Box | None:
        """The box of what has come in at a side.

        Returns:
            In frame pixels. None where nothing has changed at the side, or too much for somebody who comes
            in, or more elsewhere, since then the camera moves.
        """
        changes = self._changes
        _, labels, stats, _ = cv2.connectedComponentsWithStats(changes.view(np.uint8), connectivity=8)
        at_side = labels[:, :_SIDE_CELLS] if side == "left" else labels[:, -_SIDE_CELLS:]
        counts = np.bincount(at_side[at_side > 0])
        if not counts.size:
            return None
        left, top, width, height, area = stats[int(counts.argmax())].tolist()
        if 2 * area < np.count_nonzero(changes & self._elsewhere):
            return None
        y, x = self._size[0] / changes.shape[0], self._size[1] / changes.shape[1]
        box = left * x, top * y, (left + width) * x, (top + height) * y
        return box if is_cut(box, side, self._size) else None

    def has_changed(self, box: Box) -> bool:
        """Whether a box, in frame pixels, shows something else than the room."""
        changes = self._changes
        y, x = changes.shape[0] / self._size[0], changes.shape[1] / self._size[1]
        top, left = int(box[1] * y), int(box[0] * x)
        inside = changes[top : max(round(box[3] * y), top + 1), left : max(round(box[2] * x), left + 1)]
        return bool(np.count_nonzero(inside) >= _CHANGED * inside.size)


def _moving(change: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which cells have changed by more than the others."""
    middle = change.size // 2
    noise = int(np.partition(change.ravel(), middle)[middle])
    moving: NDArray[np.bool_] = change > max(_STIR_LEVELS, _STIR_NOISE * noise)
    return moving


def _moving_side(moves: NDArray[np.bool_]) -> Side | None:
    left, right = (int(np.count_nonzero(m)) for m in (moves[:, :_SIDE_CELLS], moves[:, -_SIDE_CELLS:]))
    if max(left, right) < _STIR_CELLS:
        return None
    return "left" if left > right else "right"


def _means(frame: Frame) -> NDArray[np.uint8]:
    """Means of a coarse grid's cells, of the frame's luma or green, each from a few samples."""
    rows, columns = (
        max(side // (cells * _CELL_SAMPLES), 1)
        for side, cells in zip((frame.height, frame.width), _GRID, strict=True)
    )
    plane = frame.planes[0] if frame.image_type.is_yuv else frame.planes[0][..., 1]
    # Samples are far apart: a copy of them is small. A new array in any case, since the caller may fill the
    # frame anew.
    samples: NDArray[np.uint8] = plane[rows // 2 :: rows, columns // 2 :: columns].copy()
    return cv2.resize(samples, _GRID[::-1], interpolation=cv2.INTER_AREA)
