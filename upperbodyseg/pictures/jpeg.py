"""JPEG files: their headers made safe, and damage that libjpeg passes over in silence."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes
from upperbodyseg.pictures.tiff import read_orientation

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = ["ScanWatch", "safe_jpeg"]

MAX_SCANS = 100
"""Scans of a JPEG. A progressive one has some ten; each costs as much time as the whole picture."""

_MAX_SEGMENTS = 10_000  # of the header; colour profiles and panoramas have some hundred
_UNPACKED = 512  # pixels that one byte of Huffman codes can unfold into, at most: a bit for 8 x 8
_LEAST = 0.01  # share of a picture that must be there

_PADDING = re.compile(rb"\xff*")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # 00: a data byte of 255; D0-D7: restarts
_RESTARTS = range(0xD0, 0xD8)
_END, _END_MARK = 0xD9, b"\xff\xd9"
_SCAN_START = 0xDA
_RESTART_INTERVAL = 0xDD
_LAST_HUFFMAN = 0xC7  # the frames from there on are coded arithmetically, without such a bound
_BASELINE = (0xC0, 0xC1)  # Huffman codes, in one pass where the scan has all components

_AHEAD = 16
"""Bytes that libjpeg may want to see behind the last code: its buffer of bits has 8."""

_MOST_PADDING = 4096


class _Segment(NamedTuple):
    marker: int
    start: int  # of the marker
    end: int


def _segments(content: bytes) -> Iterator[_Segment]:
    """The segments of the header, the first scan's own as the last."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if content[at] != 0xFF:
            raise PictureError("is damaged: its JPEG header has no marker where one should be")
        marker = content[at + 1]
        if marker == 0xFF:
            padding = _PADDING.match(content, at)
            at = padding.end() - 1 if padding else at
            continue
        if marker in (0x01, *range(0xD0, 0xD9)):  # these have no content
            at += 2
            continue
        if marker == _END:
            raise PictureError("is damaged: it ends before its picture")
        (length,) = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + max(length, 2)
        yield _Segment(marker, at, end)
        if marker == _SCAN_START:
            return
        at = end
    raise PictureError(f"is damaged: a JPEG of more than {_MAX_SEGMENTS} segments")


class _Frame(NamedTuple):
    """What a frame header says (ITU-T T.81, B.2.2)."""

    marker: int
    height: int
    width: int
    factors: tuple[tuple[int, int], ...]  # of sampling, across and down, of each component


def _read_frame(content: bytes, segment: _Segment) -> _Frame:
    height, width, components = struct.unpack_from(">HHB", content, segment.start + 5)
    factors = [content[segment.start + 11 + 3 * i] for i in range(components)]
    return _Frame(segment.marker, height, width, tuple((f >> 4, f & 15) for f in factors))


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def _is_one_scan(content: bytes, frame: _Frame, scan_at: int) -> bool:
    """Whether the picture is decoded row by row, in one pass over one scan."""
    return frame.marker in _BASELINE and content[scan_at + 4] == len(frame.factors)


def safe_jpeg(content: bytes, limits: PictureLimits) -> SafeBytes:
    """Without EXIF, XMP, comments and the pictures of multi-picture files; the scans are counted."""
    parts: list[bytes | memoryview] = [content[:2]]
    frames: list[_Frame] = []
    orientation, at = 1, 2
    for found in _segments(content):
        marker, at, end = found
        if marker == _SCAN_START:
            break
        segment = content[at + 4 : end]
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = read_orientation(segment)
        # APP0 JFIF, APP2 ICC, APP14 Adobe: they say what the numbers mean.
        named = (marker, segment[:4]) in ((0xE0, b"JFIF"), (0xE2, b"ICC_"), (0xEE, b"Adob"))
        if named or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            parts.append(content[at:end])
        if _is_frame(marker):
            frames.append(_read_frame(content, found))
    if len(frames) != 1:
        raise PictureError(f"is damaged: a JPEG has one frame header, this one has {len(frames)}")
    _check_frame(frames[0], len(content) - at, limits)
    if not _is_one_scan(content, frames[0], at):
        _count_scans(content, at)
    parts.append(memoryview(content)[at:])
    return SafeBytes(b"".join(parts), orientation)


def _check_frame(frame: _Frame, data: int, limits: PictureLimits) -> None:
    limits.check_size(frame.width, frame.height)
    if not frame.factors or min(map(min, frame.factors)) < 1:
        raise PictureError("is damaged: its header gives no components")
    is_huffman = frame.marker <= _LAST_HUFFMAN
    if is_huffman and data * _UNPACKED < frame.width * frame.height * _LEAST:
        raise PictureError(
            f"is damaged: it has {data} bytes of data for {frame.width} x {frame.height} pixels"
        )


def _count_scans(content: bytes, at: int) -> None:
    # Quick, and never too few.
    if content.count(b"\xff\xda", at) <= MAX_SCANS:
        return
    scans = 0
    while marker := _MARKER.search(content, at):
        at, code = marker.start(), content[marker.start() + 1]
        if code == _END:
            return
        scans += code == _SCAN_START
        if scans > MAX_SCANS:
            raise PictureError(
                f"is a JPEG of more than {MAX_SCANS} scans, which would take too long to decode"
            )
        at += 2 + (int.from_bytes(content[at + 2 : at + 4], "big") or 2)


class ScanWatch:
    """Tells damage within a JPEG of one scan by where its data end.

    libjpeg decodes damaged data in silence. Often they then give more or fewer blocks than there should be.
    So the last byte of the data is held back: a picture that is complete without it has data left over. One
    that isn't complete with it, and a few bytes more, had too few.

    After a restart marker decoding begins anew: of what comes before the last one, the markers alone are
    looked at. The scans of a progressive JPEG are complete only together, and can't be watched.

    Args:
        content: of :func:`safe_jpeg`, with an end mark.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._disordered = False  # markers are missing
        self._asked = 0  # for parts
        self._end = 0  # of the scan's data; 0 where they can't be watched
        *header, scan = _segments(content)
        frame = _read_frame(content, next(s for s in header if _is_frame(s.marker)))
        if _is_one_scan(content, frame, scan.start):
            mark = _find_pair(content, scan.end, _END_MARK)
            self._end = _stripped(content, mark, b"\xff") if mark > 0 else 0
            self._disordered = not _restarts_in_order(
                content[scan.end : mark], _restarts(content, header, frame)
            )

    def watch(self, image: ImageFile) -> None:
        """Let the picture be read by way of this.

        Args:
            image: Pillow's, of the content, its header read but not decoded.
        """
        if self._end:
            image.fp = _Parts(self._parts())

    def tell(self) -> bool:
        """Whether damage was seen in the picture, which is decoded now."""
        return self._disordered or self._asked not in (0, 2)

    def _parts(self) -> Iterator[bytes]:
        """What is asked for one after the other; with its last row Pillow's decoder asks no more."""
        content, end = self._content, self._end
        held = _stripped(content, end, b"\0\xff") - 1  # what a camera pads with is no data
        for part in (content[:held], content[held:end] + b"\xaa" * _AHEAD, content[end:]):
            self._asked += 1
            yield part


def _stripped(content: bytes, end: int, padding: bytes) -> int:
    """Where the content up to ``end`` ends without its padding."""
    start = max(end - _MOST_PADDING, 0)
    return start + len(content[start:end].rstrip(padding))


class _Parts(io.BytesIO):
    """A file that gives its parts one by one, however much is asked for."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts

    def seek(self, _offset: int, _whence: int = 0) -> int:
        return 0

    def read(self, _size: int | None = -1) -> bytes:
        return next(self._parts, b"")


def _find_pair(content: bytes, start: int, pair: bytes) -> int:
    """``content.find(pair, start)`` in an eighth of the time."""
    data = np.frombuffer(content, np.uint8)[start:]
    (number,) = np.frombuffer(pair, np.uint16)
    places = []
    for odd in (0, 1):
        equal = data[odd : odd + (len(data) - odd) // 2 * 2].view(np.uint16) == number
        first = int(equal.argmax()) if len(equal) else 0
        if first < len(equal) and equal[first]:
            places.append(start + odd + 2 * first)
    return min(places, default=-1)


def _restarts_in_order(data: bytes, number: int) -> bool:
    """Whether a scan's data have so many restart markers, and these are counted from 0 to 7 over and over."""
    if not number:
        return True
    numbers = np.frombuffer(data, np.uint8)
    codes = numbers[np.flatnonzero(numbers[:-1] == 0xFF) + 1]
    found = codes[(codes & 0xF8) == _RESTARTS[0]] & 7
    return len(found) == number and bool((found == np.arange(number) % 8).all())


def _restarts(content: bytes, header: list[_Segment], frame: _Frame) -> int:
    """How many restart markers there should be."""
    intervals = [
        struct.unpack_from(">H", content, s.start + 4)[0] for s in header if s.marker == _RESTART_INTERVAL
    ]
    if not intervals or not intervals[-1]:
        return 0
    across, down = (8 * max(factors) for factors in zip(*frame.factors, strict=True))
    if len(frame.factors) == 1:  # its blocks come one by one
        across = down = 8
    units = math.ceil(frame.width / across) * math.ceil(frame.height / down)
    return int((units - 1) // intervals[-1])
