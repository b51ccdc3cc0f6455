"""Writing files whole or not at all, the one way for every file of ours."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

__all__ = ["NewFile", "reason", "write_file"]

_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class NewFile:
    """A file that is written under a random name beside its target, then takes the target's place.

    ::

        with NewFile(Path("mask.png")) as new:
            new.file.write(content)
            new.commit()

    Without :meth:`commit` nothing is left of it, whatever happens. The target is handled as a shell's
    ``>`` does: a link is followed; a pipe or a device is written into; a file keeps its permissions, and
    one that may not be written is refused.

    Args:
        target: the final name; the folder must exist.
        suffix: of the random name, for writers that go by it.

    Attributes:
        path: where to write; of a pipe or a device the target itself.
        file: open there for writing. A writer that opens ``path`` by itself leaves it alone.

    Raises:
        OSError: the target can't be written.
    """

    def __init__(self, target: Path, *, suffix: str = ".part") -> None:
        try:
            mode: int | None = os.stat(target).st_mode  # a link that leads to itself fails here
        except FileNotFoundError:
            mode = None
        self._target = Path(os.path.realpath(target))
        self._mode = None
        self._temporary = mode is None or stat.S_ISREG(mode)
        if mode is not None and self._temporary:
            if not os.access(target, os.W_OK):
                raise PermissionError(13, "the file is there and may not be written", str(target))
            self._mode = stat.S_IMODE(mode)
        if self._temporary:
            # Random, not the process's number: that is 1 in every container. Short: the target's name may
            # be as long as names get.
            self.path = self._target.with_name(f".{secrets.token_hex(8)}{suffix}")
            number = os.open(self.path, _FLAGS, 0o666)  # as open() does: the umask takes away
        else:
            self.path = self._target
            number = os.open(target, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
        self.file: BinaryIO = open(number, "wb")  # noqa: SIM115  (closed by commit and discard)

    def commit(self) -> None:
        """Bring what was written to the disk, and put it in the target's place.

        Raises:
            OSError: that failed; nothing is left of the file.
        """
        try:
            self.file.flush()
            if self._temporary:
                if self._mode is not None and hasattr(os, "fchmod"):
                    os.fchmod(self.file.fileno(), self._mode)
                os.fsync(self.file.fileno())
            self.file.close()
            if self._temporary:
                os.replace(self.path, self._target)
                self._temporary = False
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing of it; after :meth:`commit` there is nothing to leave."""
        with contextlib.suppress(OSError):  # a full disk fails again
            self.file.close()
        if self._temporary:
            self._temporary = False
            with contextlib.suppress(OSError):
                os.unlink(self.path)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def write_file(target: Path, content: bytes) -> None:
    """Write a file: under its name there is all of it, or what was there before.

    Raises:
        OSError: it can't be written.
    """
    with NewFile(target) as new:
        new.file.write(content)
        new.commit()


def reason(exc: OSError) -> str:
    """Why, without Python's number of it."""
    return exc.strerror or str(exc)
