"""The sizes that AV1 and HEVC streams give themselves, before a decoder sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from upperbodyseg.pictures.errors import PictureError

__all__ = ["Coded", "of_av1", "of_hevc"]

_MAX_UNITS = 1000
"""OBUs or NAL units of one picture, which has some ten; HEVC allows 600 slices."""

_LONGEST_HEADER = 256  # bytes of a sequence header or parameter set that are read; they have some 10 to 60

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6  # OBU types, AV1 specification, 6.2.2
_PARAMETER_SET, _LAST_VCL = 33, 31  # NAL unit types, ITU-T H.265, table 7-1


class Coded(NamedTuple):
    """What a stream codes.

    Attributes:
        sizes: width and height of each header, the same ones once.
        frames: how many pictures there are, shown or not.
    """

    sizes: frozenset[tuple[int, int]] = frozenset()
    frames: int = 0


class _Bits:
    """Numbers from bits, the highest first."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, bits: int) -> int:
        self._left -= bits
        if self._left < 0:
            raise IndexError
        return self._number >> self._left & ((1 << bits) - 1)

    def exp_golomb(self) -> int:
        """An unsigned Exp-Golomb code, which AV1 names ``uvlc``."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def of_av1(data: bytes) -> Coded:
    """What open bitstream units, such as an AVIF item's, code.

    Raises:
        IndexError: they end within a header.
        PictureError: there are too many of them.
    """
    sizes, frames = set(), 0
    for kind, body in _open_bitstream_units(data):
        if kind == _SEQUENCE_HEADER:
            sizes.add(_av1_size(body))
        frames += kind in (_FRAME, _FRAME_HEADER)
    return Coded(frozenset(sizes), frames)


def _open_bitstream_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(_MAX_UNITS):
        if at >= len(data):
            return
        head = data[at]
        at += 2 if head & 4 else 1
        size = len(data) - at
        if head & 2:
            size = shift = 0
            while True:  # LEB128
                size |= (data[at] & 127) << shift
                shift += 7
                at += 1
                if not data[at - 1] & 128 or shift > 56:
                    break
        yield head >> 3 & 15, data[at : at + min(size, _LONGEST_HEADER)]
        at += size
    raise _too_many()


def _av1_size(header: bytes) -> tuple[int, int]:
    """By a sequence header (AV1 specification, 5.5.1)."""
    bits = _Bits(header)
    bits.take(3 + 1)  # profile, still picture
    if bits.take(1):  # the reduced header of a still picture
        bits.take(5)
    else:
        delay_bits = 0
        if bits.take(1):  # timing
            bits.take(32 + 32)
            if bits.take(1):
                bits.exp_golomb()
            if bits.take(1):  # the decoder's model
                delay_bits = bits.take(5) + 1
                bits.take(32 + 5 + 5)
        delays = bits.take(1)
        for _ in range(bits.take(5) + 1):  # operating points
            bits.take(12)
            if bits.take(5) > 7:  # level; the higher ones have a tier
                bits.take(1)
            if delay_bits and bits.take(1):
                bits.take(2 * delay_bits + 1)
            if delays and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def of_hevc(configuration: bytes, data: bytes) -> Coded:
    """What an ``hvcC`` box (ISO/IEC 14496-15, 8.3.3) and the NAL units of its item code.

    Raises:
        IndexError: they end within a header.
    """
    length_size = (configuration[21] & 3) + 1
    sizes, frames = set(), 0
    for unit in (*_configured_units(configuration), *_network_units(data, length_size)):
        kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
        if layer:  # a further view; its header is another
            continue
        if kind == _PARAMETER_SET:
            sizes.add(_hevc_size(unit))
        frames += kind <= _LAST_VCL and len(unit) > 2 and unit[2] >> 7  # the first slice of a picture
    return Coded(frozenset(sizes), frames)


def _too_many() -> PictureError:
    return PictureError(f"is damaged: a picture in it has more than {_MAX_UNITS} parts")


def _configured_units(configuration: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(configuration[22]):
        count = int.from_bytes(configuration[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, _MAX_UNITS)):
            size = int.from_bytes(configuration[at : at + 2], "big")
            if size > 1:
                yield configuration[at + 2 : at + 2 + min(size, _LONGEST_HEADER)]
            at += 2 + size
            if at > len(configuration):
                return


def _network_units(data: bytes, length_size: int) -> Iterator[bytes]:
    at = 0
    for _ in range(_MAX_UNITS):
        size = int.from_bytes(data[at : at + length_size], "big")
        at += length_size
        if at + 2 > len(data):
            return
        if size > 1:
            yield data[at : at + min(size, _LONGEST_HEADER)]
        at += size
    raise _too_many()


def _hevc_size(unit: bytes) -> tuple[int, int]:
    """By a sequence parameter set (ITU-T H.265, 7.3.2.2)."""
    # After two zero bytes a 3 is put in, so that no start code comes about.
    bits = _Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)  # profile, tier and level
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exp_golomb()
    if bits.exp_golomb() == 3:  # 4:4:4
        bits.take(1)
    return bits.exp_golomb(), bits.exp_golomb()
