"""What a buffer of another length than described probably holds, for the messages of errors."""

from __future__ import annotations

from collections.abc import Iterator

from upperbodyseg.image_buffer import ImageType

__all__ = ["likely_layout", "likely_step"]

_STEP_ALIGNMENTS = (4, 8, 16, 32, 64, 128, 256, 512)  # bytes
_HEIGHT_ALIGNMENTS = (2, 4, 8, 16, 32, 64)  # rows
_MOST_NAMED = 2


def likely_step(size: int, rows: int, row: int, step: int) -> int | None:
    """The step above ``step`` with which rows fill a buffer exactly; None where no usual one does.

    Args:
        size: bytes of the buffer.
        rows: how many rows it should hold.
        row: bytes of a row without padding.
        step: bytes from one row to the next, as described.
    """
    for aligned in _aligned(row, _STEP_ALIGNMENTS):
        if aligned > step and size in (aligned * rows, aligned * (rows - 1) + row):
            return aligned
    return None


def likely_layout(size: int, width: int, height: int, step: int, image_type: ImageType) -> str:
    """What a 4:2:0 buffer of ``size`` bytes probably holds, as a part of a sentence; empty if unknown.

    Args:
        size: bytes of the buffer.
        width, height: of the picture.
        step: of the luma rows, as described.
        image_type: a 4:2:0 layout.
    """
    found = dict.fromkeys(
        (*_steps(size, width, height, step, image_type), *_planes(size, width, height, step, image_type))
    )
    return ", or ".join(list(found)[:_MOST_NAMED])


def _steps(size: int, width: int, height: int, step: int, image_type: ImageType) -> Iterator[str]:
    """One step for all rows, the last row's padding there or not."""
    chroma_rows, half = (height + 1) // 2, (width + 1) // 2
    rows = height + chroma_rows
    planar = image_type is ImageType.I420
    nearest = (size // rows, size // rows + 1, size // max(rows - 1, 1))
    for candidate in sorted({*nearest, *_aligned(width, _STEP_ALIGNMENTS)}, key=lambda s: (s % 4 > 0, s)):
        chroma_step = (candidate + 1) // 2 if planar else candidate
        most = candidate * height + chroma_step * chroma_rows * (2 if planar else 1)
        least = most - chroma_step + (half if planar else 2 * half)
        if candidate >= width and candidate != step and size in (least, most):
            yield f"step={candidate}"


def _planes(size: int, width: int, height: int, step: int, image_type: ImageType) -> Iterator[str]:
    """A step for each plane, as GStreamer has them, or planes of more rows than the picture's."""
    half = (width + 1) // 2
    planar = image_type is ImageType.I420
    for luma_step in dict.fromkeys((step, *_aligned(width, _STEP_ALIGNMENTS))):
        chroma_steps = [luma_step]
        if planar:
            chroma_steps = [(luma_step + 1) // 2, *_aligned(half, _STEP_ALIGNMENTS)]
        for rows in (height, *_aligned(height, _HEIGHT_ALIGNMENTS)):
            for chroma_step in chroma_steps:
                plane = chroma_step * ((rows + 1) // 2)
                if luma_step * rows + plane * (2 if planar else 1) != size:
                    continue
                offsets, steps = [0, luma_step * rows], [luma_step, chroma_step]
                if planar:
                    offsets.append(offsets[1] + plane)
                    steps.append(chroma_step)
                yield f"FrameInput.from_planes with offsets={offsets}, steps={steps}"


def _aligned(value: int, alignments: tuple[int, ...]) -> list[int]:
    return list(dict.fromkeys(-(-value // alignment) * alignment for alignment in alignments))
