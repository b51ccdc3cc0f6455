"""A 4:2:0 frame from planes that are described one by one, as Android, GStreamer and V4L2 have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.checks import MAX_INT32, whole_number
from upperbodyseg.errors import InputError
from upperbodyseg.image_buffer import ImageBuffer, ImageType, flat_bytes
from upperbodyseg.likely_layout import likely_step

__all__ = ["join_planes"]

_NAMES = {
    ImageType.I420: ("Y", "U", "V"),
    ImageType.NV12: ("Y", "UV"),
    ImageType.YUV_420_888: ("Y", "VU"),
}


class _Plane(NamedTuple):
    """Rows of samples in somebody's memory; the bytes up to the last sample are there."""

    memory: NDArray[np.uint8]
    rows: int
    columns: int
    step: int
    pixel_stride: int

    @property
    def address(self) -> int:
        return self.memory.ctypes.data

    def samples(self) -> NDArray[np.uint8]:
        return np.lib.stride_tricks.as_strided(
            self.memory, (self.rows, self.columns), (self.step, self.pixel_stride), writeable=False
        )


def join_planes(
    planes: Any,
    *,
    width: int,
    height: int,
    steps: Sequence[int],
    offsets: Sequence[int] | None,
    pixel_stride: int,
    image_type: ImageType,
) -> tuple[ImageBuffer, ImageType]:
    """One buffer of all planes: a view where they lie as a layout has them, else a copy.

    Arguments and errors as for :meth:`upperbodyseg.FrameInput.from_planes`.

    Returns:
        The buffer and its layout: the one asked for, or NV12 or YUV_420_888 where planes of pixel stride 2
        are each other's neighbours.
    """
    kind = ImageType.parse(image_type)
    if not kind.is_yuv:
        raise InputError(f"planes are of the 4:2:0 layouts I420, NV12 and YUV_420_888, got {kind.name}")
    width, height = whole_number("width", width, 1), whole_number("height", height, 1)
    stride = whole_number("pixel_stride", pixel_stride, 1, 2)
    if stride > 1 and kind is not ImageType.I420:
        raise InputError(f"pixel_stride is of separate U and V planes (I420); {kind.name} holds pairs")
    cut = _cut(planes, width, height, steps, offsets, stride, kind)
    return _view(cut, width, height, kind) or (_copy(cut, width, height, kind), kind)


def _cut(
    planes: Any,
    width: int,
    height: int,
    steps: Sequence[int],
    offsets: Sequence[int] | None,
    stride: int,
    kind: ImageType,
) -> list[_Plane]:
    names = _NAMES[kind]
    separate = isinstance(planes, (list, tuple))
    if not separate and offsets is None:
        raise InputError("planes in one memory need offsets=, one a plane; else pass a list of planes")
    memories = [flat_bytes(p) for p in planes] if separate else [flat_bytes(planes)] * len(names)
    given_offsets = [0] * len(names) if offsets is None else offsets
    for name, values in (("planes", memories), ("steps", steps), ("offsets", given_offsets)):
        if not isinstance(values, (list, tuple, np.ndarray)) or len(values) != len(names):
            got = len(values) if isinstance(values, (list, tuple, np.ndarray)) else repr(values)
            raise InputError(f"{kind.name} takes {len(names)} {name} ({', '.join(names)}), got {got}")
    half = (width + 1) // 2
    cut = []
    for number, (name, memory) in enumerate(zip(names, memories, strict=True)):
        offset = whole_number(f"the offset of plane {name}", given_offsets[number], 0, 2**63 - 1)
        step = whole_number(f"the step of plane {name}", steps[number], 1, MAX_INT32)
        rows = (height + 1) // 2 if number else height
        if not number:
            plane = _Plane(memory[offset:], rows, width, step, 1)
        elif kind is ImageType.I420:
            plane = _Plane(memory[offset:], rows, half, step, stride)
        else:
            plane = _Plane(memory[offset:], rows, 2 * half, step, 1)
        _check(plane, name, half, whole=separate and offsets is None)
        cut.append(plane)
    return cut


def _check(plane: _Plane, name: str, half: int, *, whole: bool) -> None:
    memory, rows, columns, step, stride = plane
    row = (columns - 1) * stride + 1
    if step < row:
        raise InputError(f"the step of plane {name} is {step} bytes, but its rows take {row}")
    needed = step * (rows - 1) + row
    if memory.size < needed - (len(name) > 1):  # of pairs the very last byte may be missing
        raise InputError(
            f"plane {name} holds {memory.size} bytes, but {rows} rows of step {step} take {needed}: "
            "check its step and offset"
        )
    if not whole:
        return
    spread = needed + half - 1  # as long as if a byte of something else stood between its samples
    if name in ("U", "V") and stride == 1 and 2 * half <= step and memory.size == spread > needed:
        raise InputError(
            f"plane {name} holds {memory.size} bytes, as planes of pixel_stride=2 do: pass that, "
            "or cut the plane's memory"
        )
    likely = likely_step(memory.size, rows, row, step) if memory.size > step * rows else None
    if likely is not None:
        raise InputError(
            f"plane {name} holds {memory.size} bytes, but {rows} rows of step {step} take {step * rows}: "
            f"its step is probably {likely}; else cut the plane's memory"
        )


def _view(
    planes: list[_Plane], width: int, height: int, kind: ImageType
) -> tuple[ImageBuffer, ImageType] | None:
    """The planes as they are, where they lie in one memory as a layout has them."""
    luma, *chroma = planes
    owner = _owner(luma.memory)
    if owner is None or any(_owner(plane.memory) is not owner for plane in chroma):
        return None  # neighbours by chance: what is between them may be nobody's
    first = min(plane.address for plane in chroma)
    step = luma.step
    if first != luma.address + step * height:
        return None
    if kind is not ImageType.I420:
        fits = chroma[0].step == step
    elif chroma[0].pixel_stride == 2:
        fits = chroma[0].step == chroma[1].step == step and abs(chroma[0].address - chroma[1].address) == 1
        kind = ImageType.NV12 if chroma[0].address == first else ImageType.YUV_420_888
    else:
        half = (step + 1) // 2
        fits = chroma[0].step == chroma[1].step == half
        fits = (
            fits
            and chroma[1].address
            == chroma[0].address + half * chroma[0].rows
            == first + half * chroma[0].rows
        )
    if not fits:
        return None
    ends = [
        p.address + min(p.step * (p.rows - 1) + (p.columns - 1) * p.pixel_stride + 1, p.memory.size)
        for p in chroma
    ]
    size = max(ends) - luma.address
    data = np.lib.stride_tricks.as_strided(luma.memory, (size,), (1,), writeable=False)
    return ImageBuffer(width=width, height=height, step=step, channels=1, data=data), kind


def _owner(array: Any) -> Any:
    """Whose memory it is, at the end of all views; None if that can't be told."""
    while True:
        if isinstance(array, np.ndarray):
            if array.base is None:
                return array
            array = array.base
        elif isinstance(array, memoryview):
            array = array.obj
        else:
            return array


def _copy(planes: list[_Plane], width: int, height: int, kind: ImageType) -> ImageBuffer:
    """The planes one behind the other, without padding."""
    step = width + width % 2
    chroma_rows = (height + 1) // 2
    out = np.zeros(step * (height + chroma_rows), np.uint8)
    luma, *chroma = planes
    out[: step * height].reshape(height, step)[:, :width] = luma.samples()
    rest = out[step * height :]
    if kind is ImageType.I420:
        for into, plane in zip(rest.reshape(2, chroma_rows, step // 2), chroma, strict=True):
            into[:] = plane.samples()
    else:
        pairs = chroma[0]
        into = rest.reshape(chroma_rows, step)
        into[:-1] = pairs._replace(rows=chroma_rows - 1).samples()
        last = pairs.memory[pairs.step * (chroma_rows - 1) :][:step]
        into[-1, : last.size] = last
        out = out[: out.size - step + last.size]
    return ImageBuffer(width=width, height=height, step=step, channels=1, data=out, owns_data=True)
