"""What the numbers of a video's pixels mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["FULL", "HLG", "PQ", "Colours", "read_colours"]

# AVCOL_RANGE_*, AVCOL_SPC_* and AVCOL_TRC_* of FFmpeg's libavutil/pixfmt.h, which are ITU-T H.273's.
LIMITED, FULL = 1, 2
UNSPECIFIED = 2
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_BT709, _BT601 = 1, 6
PQ, HLG = 16, 18
_HD_HEIGHT = 720


@dataclass(frozen=True)
class Colours:
    """Range, matrix, primaries and transfer, as ITU-T H.273 numbers them.

    Attributes:
        range: 1 limited, 2 full, 0 where the file doesn't say.
        matrix: 2 where the file doesn't say.
        known_matrix: the same, guessed there.
        primaries: 2 where the file doesn't say.
        transfer: 2 where the file doesn't say.
        is_rgb: the pixels are RGB or grey, no matrix applies.
    """

    range: int
    matrix: int
    known_matrix: int
    primaries: int
    transfer: int
    is_rgb: bool

    @property
    def is_full(self) -> bool:
        """Whether levels go from 0 to 255."""
        return self.range == FULL

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG (ITU-R BT.2100)."""
        return self.transfer in (PQ, HLG)

    @property
    def written(self) -> Colours:
        """The colours of what is written: HDR is tone-mapped to BT.709, RGB becomes limited-range YUV."""
        if self.is_hdr:
            return Colours(LIMITED, _BT709, _BT709, _BT709, _BT709, False)
        if self.is_rgb:
            return replace(self, range=LIMITED, matrix=self.known_matrix, is_rgb=False)
        return self

    @property
    def matrix_name(self) -> str:
        """FFmpeg's name of the matrix."""
        return _MATRICES[self.known_matrix]


def read_colours(frame: Any, context: Any) -> Colours:
    """The colours of a decoded PyAV frame, of the codec context where the frame doesn't say."""
    name = frame.format.name
    is_rgb = frame.format.is_rgb or name.startswith(("gray", "pal8", "mono"))
    matrix = frame.colorspace if frame.colorspace in _MATRICES else context.colorspace
    # Where the file doesn't say, as players guess it: by the picture's height.
    guess = _BT709 if min(frame.height, frame.width) >= _HD_HEIGHT else _BT601
    primaries, transfer = (
        of_frame if (of_frame := getattr(frame, name, UNSPECIFIED)) not in (0, UNSPECIFIED) else of_context
        for name, of_context in (
            ("color_primaries", context.color_primaries),
            ("color_trc", context.color_trc),
        )
    )
    if is_rgb:
        return Colours(FULL, UNSPECIFIED, guess, primaries, transfer, True)
    is_known = matrix in _MATRICES
    range_ = FULL if name.startswith("yuvj") else frame.color_range or context.color_range
    return Colours(
        range_,
        matrix if is_known else UNSPECIFIED,
        matrix if is_known else guess,
        primaries,
        transfer,
        False,
    )
