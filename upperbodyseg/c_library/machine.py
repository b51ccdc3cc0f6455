"""Which machine a shared library is for, by the first bytes of its file."""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["machine_of"]

# The numbers are those of elf.h, mach/machine.h and the PE format's description.
_ELF = {3: "x86", 62: "x86-64", 40: "Arm", 183: "Arm64", 243: "RISC-V", 21: "PowerPC64", 22: "S390"}
_MACH_O = {7: "x86", 0x01000007: "x86-64", 12: "Arm", 0x0100000C: "Arm64"}
_PE = {0x14C: "x86", 0x8664: "x86-64", 0x1C4: "Arm", 0xAA64: "Arm64"}


def machine_of(path: Path) -> frozenset[str]:
    """The machines that the file holds code for: several in a universal file; none if it isn't known."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        order = "<" if head[5] == 1 else ">"
        number = struct.unpack_from(f"{order}H", head, 18)[0]
        return frozenset({_ELF.get(number, f"ELF machine {number}")})
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        number = struct.unpack_from("<I", head, 4)[0]
        return frozenset({_MACH_O.get(number, f"Mach-O machine {number}")})
    if head[:4] == b"\xca\xfe\xba\xbe":
        count = struct.unpack_from(">I", head, 4)[0]
        numbers = [struct.unpack_from(">I", head, 8 + 20 * i)[0] for i in range(min(count, 16))]
        return frozenset(_MACH_O.get(number, f"Mach-O machine {number}") for number in numbers)
    if head[:2] == b"MZ" and len(head) >= 64:
        start = struct.unpack_from("<I", head, 60)[0]
        if head[start : start + 4] == b"PE\0\0":
            number = struct.unpack_from("<H", head, start + 4)[0]
            return frozenset({_PE.get(number, f"PE machine {number}")})
    return frozenset()
