"""Checks of what callers give: numbers, switches and the array that takes a result.

Every function returns the checked value, or raises :class:`InputError` with a message that names
the argument, what it should be and what came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InputError

__all__ = ["MAX_INT32", "number", "result_array", "switch", "whole_number"]

MAX_INT32 = 2**31 - 1
"""Largest size, step and count: the original SDK keeps them in ``int32``."""


def whole_number(name: str, value: Any, least: int, most: int = MAX_INT32, hint: str = "") -> int:
    """An int from ``least`` to ``most``; NumPy's integers are taken, booleans are not.

    Args:
        name: of the argument, for the message.
        value: what the caller gave.
        least, most: limits, both included.
        hint: added to the message after the limits, such as ``", or None"``.

    Raises:
        InputError: not a whole number, or out of the limits.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise InputError(f"{name} must be a whole number from {least} to {most}{hint}, got {value!r}")
    return int(value)


def number(name: str, value: Any, most: float, what: str = "a number from 0", *, least: float = 0.0) -> float:
    """A float from ``least`` to ``most``; NumPy's numbers are taken, booleans and NaN are not.

    Args:
        name: of the argument, for the message.
        value: what the caller gave.
        most: largest value accepted.
        what: the message's wording, which ``to {most}`` follows.
        least: smallest value accepted.

    Raises:
        InputError: not a number, NaN, infinite, below ``least`` or above ``most``.
    """
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # no comparison holds for NaN
        raise InputError(f"{name} must be {what} to {most:g}, got {value!r}")
    return float(value)


def switch(name: str, value: Any, hint: str = "") -> bool:
    """True or False; NumPy's booleans are taken.

    Args:
        name, value, hint: as for :func:`whole_number`.

    Raises:
        InputError: anything else.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False{hint}, got {value!r}")
    return bool(value)


def result_array(
    out: Any, shape: tuple[int, ...], given: Mapping[str, Sequence[NDArray[Any]]], packed: bool = False
) -> NDArray[np.uint8]:
    """The caller's array for a result.

    Args:
        out: what the caller gave.
        shape: of the result.
        given: what is still read while ``out`` is written, by the name that the caller knows.
        packed: whether the pixels of a row must follow each other in memory.

    Raises:
        InputError: not a writeable uint8 array of that shape, not packed, or memory shared with
            ``given``.
    """
    if not isinstance(out, np.ndarray) or out.dtype != np.uint8 or out.shape != shape:
        got = f"{out.shape} of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InputError(f"out must be a uint8 array of shape {shape}, got {got}")
    if not out.flags.writeable:
        raise InputError("out must be writeable: give an array of your own, or a copy")
    if packed:
        height, width = shape[:2]
        row_is_packed = out.strides[1] == 1 or width == 1
        if not row_is_packed or (height > 1 and out.strides[0] < width):
            raise InputError(
                "out must have its pixels one after the other in memory, "
                f"got strides {out.strides} for shape {shape}"
            )
    for name, arrays in given.items():
        if any(_may_overlap(out, array) for array in arrays):
            raise InputError(
                f"out must share no memory with {name}, which is still read while out is written: "
                "give another array"
            )
    return out


def _may_overlap(one: NDArray[Any], other: NDArray[Any]) -> bool:
    try:
        most: Any = 10_000  # NumPy's types know only its two special values
        return np.shares_memory(one, other, max_work=most)
    except RuntimeError:  # too hard to tell
        return True
