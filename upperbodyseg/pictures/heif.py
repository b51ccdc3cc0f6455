"""AVIF and HEIC: what the coded pictures within them say of their size.

Both are ISO base media files (ISO/IEC 14496-12 and 23008-12). The container claims a size; the decoders
allocate what the coded pictures say. Tiles, layers and alpha are coded pictures of their own.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from upperbodyseg.pictures.bitstreams import Coded, of_av1, of_hevc
from upperbodyseg.pictures.errors import PictureError
from upperbodyseg.pictures.limits import PictureLimits
from upperbodyseg.pictures.safe_bytes import SafeBytes
from upperbodyseg.pictures.tiff import check_exif

__all__ = ["safe_avif", "safe_heic"]

_MAX_BOXES = 10_000
_MAX_ITEMS = 4000  # a picture of 100 million pixels in tiles of 256 x 256 has 1,500
_MAX_EXTENTS = 20_000  # pieces of the items' data
_MAX_DEPTH = 8  # of pictures that are made of others
_MAX_TRACKS = 16
_MAX_REFERENCES = 100_000
_MAX_EXIF = 16  # blocks, of which a file needs one

_CODED = {"AVIF": (b"av01",), "HEIC": (b"hvc1", b"hev1")}
_DERIVED = (b"grid", b"iovl", b"iden", b"tmap")
_CONFIGURATIONS = (b"av1C", b"hvcC")
_EXIF = re.compile(rb"II\*\0|MM\0\*")


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its content
    end: int


@dataclass
class _Item:
    """A picture in the file: coded, or made of others."""

    kind: bytes = b""
    pieces: list[bytes] = field(default_factory=list)  # of its data
    configurations: list[bytes] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)  # the items that it is made of


def safe_avif(content: bytes, limits: PictureLimits) -> SafeBytes:
    """As it is, with what is coded in it."""
    return SafeBytes(content, coded_pixels=_coded_pixels(content, "AVIF", limits))


def safe_heic(content: bytes, limits: PictureLimits) -> SafeBytes:
    """As it is, with what is coded in it."""
    return SafeBytes(content, coded_pixels=_coded_pixels(content, "HEIC", limits))


def _coded_pixels(content: bytes, kind: str, limits: PictureLimits) -> int:
    """How many pixels a decoder of the first picture works on, tiles and alpha included."""
    _check_exif_within(content)
    top = _by_kind(_boxes(content, 0, len(content)), b"meta", b"moov", b"mini")
    if b"mini" in top:
        raise PictureError(f"is {kind} with a minimized header, which isn't read")
    pixels = 0
    if b"meta" in top:
        pixels = _Items(content, top[b"meta"]).pixels(kind, limits)
    if b"moov" in top:
        pixels = max(pixels, _first_samples(content, top[b"moov"], kind, limits))
    if not pixels:
        raise PictureError("is damaged: it has no coded picture")
    return pixels


def _boxes(content: bytes, start: int, end: int) -> Iterator[_Box]:
    at = start
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", content, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, at + 8)
            head = 16
        elif size == 0:
            size = end - at
        if size < head:
            raise PictureError("is damaged: a box in it is smaller than its header")
        yield _Box(kind, at + head, min(at + size, end))
        at += size
    raise PictureError(f"is damaged: it has more than {_MAX_BOXES} boxes")


def _by_kind(boxes: Iterator[_Box], *kinds: bytes) -> dict[bytes, _Box]:
    """Those of some kinds. Of two of a kind it would be open which one a decoder takes."""
    found: dict[bytes, _Box] = {}
    for box in boxes:
        if box.kind in kinds:
            if box.kind in found:
                raise PictureError("is damaged: a part of its header is there twice")
            found[box.kind] = box
    return found


def _pixels(coded: Coded, limits: PictureLimits) -> int:
    for size in coded.sizes:
        limits.check_size(*size)
    return max((w * h for w, h in coded.sizes), default=0) * max(coded.frames, 1)


def _code(kind: str, configuration: bytes, data: bytes) -> Coded:
    if kind == "HEIC":
        return of_hevc(configuration, data)
    units = of_av1(data)
    return Coded(units.sizes | of_av1(configuration[4:]).sizes, units.frames)


# --- the items of a still picture --------------------------------------------------------------------


class _Items:
    """The items of a ``meta`` box."""

    def __init__(self, content: bytes, meta: _Box) -> None:
        self._content = content
        self._items: dict[int, _Item] = {}
        self._primary: int | None = None
        self._alphas: list[tuple[int, int]] = []  # an item, and what it belongs to
        self._left = 2 * len(content)  # bytes of data; many items may name the same ones
        self._extents = 0
        inner = _boxes(content, meta.start + 4, meta.end)
        found = _by_kind(inner, b"iinf", b"iloc", b"idat", b"iprp", b"iref", b"pitm")
        if b"iinf" in found:
            self._read_kinds(found[b"iinf"])
        if b"iloc" in found:
            self._read_places(found[b"iloc"], found.get(b"idat"))
        if b"iprp" in found:
            self._read_properties(found[b"iprp"])
        if b"iref" in found:
            self._read_references(found[b"iref"])
        if b"pitm" in found:
            box = found[b"pitm"]
            self._primary = _Numbers(content, box.start + 4).take(4 if content[box.start] else 2)

    def _item(self, number: int) -> _Item:
        if len(self._items) > _MAX_ITEMS:
            raise PictureError(f"is damaged: it has more than {_MAX_ITEMS} parts")
        return self._items.setdefault(number, _Item())

    def _read_kinds(self, box: _Box) -> None:
        head = 6 if self._content[box.start] == 0 else 8
        for entry in _boxes(self._content, box.start + head, box.end):
            version = self._content[entry.start]
            if entry.kind == b"infe" and version >= 2:
                numbers = _Numbers(self._content, entry.start + 4)
                item = self._item(numbers.take(2 if version == 2 else 4))
                item.kind = self._content[numbers.at + 2 : numbers.at + 6]

    def _read_places(self, box: _Box, idat: _Box | None) -> None:
        version = self._content[box.start]
        numbers = _Numbers(self._content, box.start + 4)
        sizes = numbers.take(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        wide = 4 if version == 2 else 2
        for _ in range(numbers.take(wide)):
            item = self._item(numbers.take(wide))
            method = numbers.take(2) & 15 if version else 0
            if method > 1:
                raise PictureError("has pictures within parts of itself, which aren't read")
            numbers.take(2)  # in this file
            base = numbers.take(base_size)
            within = idat if method == 1 else _Box(b"", 0, len(self._content))
            count = numbers.take(2)
            self._extents += count
            if self._extents > _MAX_EXTENTS:
                raise PictureError(f"is damaged: its data are in more than {_MAX_EXTENTS} pieces")
            for _ in range(count):
                numbers.take(index_size)
                start, size = base + numbers.take(offset_size), numbers.take(length_size)
                if within is None:
                    continue
                start += within.start
                data = self._content[start : min(start + size if size else within.end, within.end)]
                self._left -= len(data)
                if self._left < 0:
                    raise PictureError("is damaged: its parts are larger than the file")
                item.pieces.append(data)

    def _read_properties(self, box: _Box) -> None:
        boxes = list(_boxes(self._content, box.start, box.end))
        properties = [
            self._content[b.start : b.end] if b.kind in _CONFIGURATIONS else None
            for container in boxes
            if container.kind == b"ipco"
            for b in _boxes(self._content, container.start, container.end)
        ]
        for association in boxes:
            if association.kind != b"ipma":
                continue
            version, flags = self._content[association.start], self._content[association.start + 3]
            numbers = _Numbers(self._content, association.start + 4)
            for _ in range(numbers.take(4)):
                item = self._item(numbers.take(4 if version else 2))
                for _ in range(numbers.take(1)):
                    index = numbers.take(2) & 0x7FFF if flags & 1 else numbers.take(1) & 0x7F
                    found = properties[index - 1] if 0 < index <= len(properties) else None
                    if found is not None:
                        item.configurations.append(found)

    def _read_references(self, box: _Box) -> None:
        wide = 4 if self._content[box.start] else 2
        left = _MAX_REFERENCES
        for reference in _boxes(self._content, box.start + 4, box.end):
            numbers = _Numbers(self._content, reference.start)
            source, count = numbers.take(wide), numbers.take(2)
            left -= count
            if left < 0:
                raise PictureError(f"is damaged: it has more than {_MAX_REFERENCES} references")
            targets = [numbers.take(wide) for _ in range(count)]
            if reference.kind == b"dimg":
                self._item(source).parts += targets
            elif reference.kind == b"auxl":
                self._alphas += [(source, target) for target in targets]

    def pixels(self, kind: str, limits: PictureLimits) -> int:
        """Those of the first picture; every coded one is within the limits."""
        own = {
            number: _pixels(_code(kind, item.configurations[0], b"".join(item.pieces)), limits)
            for number, item in self._items.items()
            if item.kind in _CODED[kind] and any(item.pieces) and item.configurations
        }
        seen: dict[int, int] = {}
        first = self._all(self._primary, own, seen, kind)
        alphas = {source for source, target in self._alphas if target in seen}
        return first + sum(self._all(source, own, seen, kind) for source in alphas)

    def _all(
        self, number: int | None, own: dict[int, int], seen: dict[int, int], kind: str, depth: int = 0
    ) -> int:
        """Pixels of an item and of those that it is made of, as often as they are used."""
        if number is None or number not in self._items:
            return 0
        if depth > _MAX_DEPTH:
            raise PictureError(f"is damaged: pictures in it are made of others more than {_MAX_DEPTH} deep")
        if number not in seen:
            item = self._items[number]
            if item.kind not in (*_CODED[kind], *_DERIVED):
                name = item.kind.decode("ascii", "replace")
                raise PictureError(f"is {kind} with a picture coded as {name!r}, which isn't read")
            if any(item.pieces) and item.kind in _CODED[kind] and not own.get(number):
                raise PictureError("is damaged: a picture in it has no size")
            seen[number] = own.get(number, 0)  # for one that is a part of itself
            seen[number] += sum(self._all(part, own, seen, kind, depth + 1) for part in item.parts)
        return seen[number]


class _Numbers:
    """Numbers of so many bytes, one after the other."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content = content
        self.at = at

    def take(self, size: int) -> int:
        number = self._content[self.at : self.at + size]
        if len(number) < size:
            raise IndexError
        self.at += size
        return int.from_bytes(number, "big")


# --- the tracks of a sequence ------------------------------------------------------------------------

_ENTRY = 78  # bytes of a VisualSampleEntry before its boxes


def _first_samples(content: bytes, moov: _Box, kind: str, limits: PictureLimits) -> int:
    """Pixels of the first picture of all tracks: one has the colours, another alpha."""
    tracks = [box for box in _boxes(content, moov.start, moov.end) if box.kind == b"trak"]
    if len(tracks) > _MAX_TRACKS:
        raise PictureError(f"is damaged: it has more than {_MAX_TRACKS} tracks")
    pixels = 0
    for track in tracks:
        tables = _tables(content, track)
        pixels += sum(
            _pixels(_code(kind, configuration, _first_sample(content, tables)), limits)
            for configuration in _sample_configurations(content, tables, kind, limits)
        )
    return pixels


def _tables(content: bytes, track: _Box) -> dict[bytes, _Box]:
    box = track
    for kind in (b"mdia", b"minf", b"stbl"):
        inner = _by_kind(_boxes(content, box.start, box.end), kind)
        if kind not in inner:
            return {}
        box = inner[kind]
    return _by_kind(_boxes(content, box.start, box.end), b"stsd", b"stco", b"co64", b"stsz")


def _sample_configurations(
    content: bytes, tables: dict[bytes, _Box], kind: str, limits: PictureLimits
) -> Iterator[bytes]:
    if b"stsd" not in tables:
        return
    for entry in _boxes(content, tables[b"stsd"].start + 8, tables[b"stsd"].end):
        if entry.kind in _CODED[kind]:
            limits.check_size(*struct.unpack_from(">HH", content, entry.start + 24))
            for box in _boxes(content, entry.start + _ENTRY, entry.end):
                if box.kind in _CONFIGURATIONS:
                    yield content[box.start : box.end]


def _first_sample(content: bytes, tables: dict[bytes, _Box]) -> bytes:
    chunks = tables.get(b"stco") or tables.get(b"co64")
    sizes = tables.get(b"stsz")
    if chunks is None or sizes is None:
        return b""
    numbers = _Numbers(content, chunks.start + 8)
    start = numbers.take(8 if chunks.kind == b"co64" else 4)
    size, count = struct.unpack_from(">II", content, sizes.start + 4)
    if not size and count:
        (size,) = struct.unpack_from(">I", content, sizes.start + 12)
    return content[start : start + size]


def _check_exif_within(content: bytes) -> None:
    """The decoders read EXIF themselves: look through it first, wherever it is."""
    starts = [match.start() for match in itertools.islice(_EXIF.finditer(content), _MAX_EXIF + 1)]
    if len(starts) > _MAX_EXIF:
        raise PictureError(f"is damaged: it has more than {_MAX_EXIF} blocks of EXIF")
    for at in starts:
        with contextlib.suppress(struct.error, OverflowError):  # chance, or damaged: then nothing is read
            check_exif(content[at : at + 2**20])
