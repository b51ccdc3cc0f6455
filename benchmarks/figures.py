"""Writes the figures that the documentation includes, each file by the command it names.

``publish(main, "pool")`` gives a benchmark the option ``--write FOLDER``: what it prints is then also written
to ``FOLDER/pool.md``, below a comment with the command, the machine, the versions and the date.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import re
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import __version__
from upperbodyseg.models.interpreter import available_runtimes, choose_runtime

FOLDER = "docs/figures"


def cpu_name() -> str:
    """The processor's name with its family and model, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found: dict[str, str] = dict(
        re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", text, re.MULTILINE)
    )
    name = found.get("model name", platform.machine())
    if not {"cpu family", "model"} <= set(found):
        return name
    return f"{name} (family {found['cpu family']}, model {found['model']})"


def _load() -> str:
    """What else the machine was doing: well above 1, times are too long and only ratios are of use."""
    return f" at a load of {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def versions() -> str:
    """The machine, what runs on it, and the day."""
    runtimes = ", ".join(f"{k} {v}" for k, v in available_runtimes().items())
    return (
        f"{cpu_name()}, {os.cpu_count()} cores{_load()}; "
        f"{platform.system()}, Python {platform.python_version()}; "
        f"upperbodyseg {__version__} (by default on {choose_runtime('auto')}), {runtimes}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}; {datetime.now(timezone.utc):%Y-%m-%d}."
    )


def command() -> str:
    """The command that runs now, its paths cut down to names."""
    spec = sys.modules["__main__"].__spec__
    arguments = []
    for argument, before in zip(sys.argv[1:], sys.argv, strict=False):
        if before == "--write":
            arguments.append(FOLDER)
        elif Path(argument).is_dir():
            arguments.append("DATA")
        else:
            arguments.append(Path(argument).name if os.sep in argument else argument)
    return " ".join(["python -m", spec.name if spec else "?", *arguments])


def write(folder: Path, name: str, text: str) -> None:
    """Write ``text`` (Markdown) to ``folder/name.md``, with where it comes from above and below it."""
    folder.mkdir(parents=True, exist_ok=True)
    source = f"`{command()}` on {versions()}"
    page = f"<!-- Written by {source} Not to be edited. -->\n\n{text.strip()}\n\nBy {source}\n"
    (folder / f"{name}.md").write_text(page, encoding="utf-8")


def publish(main: Callable[[], None], name: str) -> None:
    """Run ``main``; with ``--write FOLDER`` among the arguments also write what it prints."""
    if "--write" not in sys.argv:
        return main()
    given = list(sys.argv)
    at = given.index("--write")
    printed = io.StringIO()
    sys.argv = given[:at] + given[at + 2 :]
    with contextlib.redirect_stdout(printed):
        main()
    sys.argv = given
    print(printed.getvalue())
    return write(Path(given[at + 1]), name, printed.getvalue())
