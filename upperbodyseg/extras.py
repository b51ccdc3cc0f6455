"""Packages that only an extra installs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from upperbodyseg.errors import MissingDependencyError

__all__ = ["needs_extra"]


@contextlib.contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Imports inside may fail for want of a package; then the error names the extra that has it.

    Args:
        what: needs the package, for the message.
        extra: that installs it.

    Raises:
        MissingDependencyError: a package that is not ours is missing.
    """
    try:
        yield
    except ImportError as exc:
        if (exc.name or "").split(".")[0] == "upperbodyseg":
            raise
        message = f"{what} needs the package {exc.name}: pip install 'upperbodyseg[{extra}]'"
        raise MissingDependencyError(message) from exc
