"""What a command says, where anybody listens: neither a closed nor a full output stops the work."""

from __future__ import annotations

import contextlib
import io
import os
import sys

__all__ = ["finish", "one_line", "prepare", "show_warning", "warn"]


def prepare() -> None:
    """Make standard input, output and error usable, whatever they are."""
    # Closed ones would be taken by the next files that are opened, and what libraries print would go there.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (until the end)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (until the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text


def one_line(text: object) -> str:
    """A text, such as a file's name, without what would move a terminal's cursor or colour its text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def warn(text: str) -> None:
    """Say something on standard error, a line or several."""
    with contextlib.suppress(OSError):
        print("\n".join(map(one_line, text.split("\n"))), file=sys.stderr, flush=True)


def show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    """A warning without the line of the program that it came from; for :data:`warnings.showwarning`."""
    warn(f"upperbodyseg: {message}")


def finish() -> None:
    """Let go of what could not be written, so that Python's own flush at the end doesn't fail again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
