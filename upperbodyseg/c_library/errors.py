"""Why a C library can't be built."""

from __future__ import annotations

from upperbodyseg.errors import UpperBodySegError

__all__ = ["BuildError"]


class BuildError(UpperBodySegError):
    """The C library can't be built, or what was built doesn't work here."""
