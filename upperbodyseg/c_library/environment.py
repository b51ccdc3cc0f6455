"""Which Python a shared library runs in. ``python -m upperbodyseg.c_library.environment`` prints it.

The shared library calls that for the Python which ``UPPERBODYSEG_PYTHON`` names.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from upperbodyseg import __version__
from upperbodyseg.c_library.errors import BuildError

__all__ = ["PythonEnvironment", "current_environment"]


@dataclass(frozen=True)
class PythonEnvironment:
    """What a program needs to run this Python inside itself.

    Attributes:
        library: the shared libpython.
        executable: the environment's ``python``; Python finds the environment's packages by it.
        home: ``sys.base_prefix``, where the standard library is.
        site_packages: the folder with upperbodyseg, or with the link to it.
        version: such as "3.11".
    """

    library: Path
    executable: Path
    home: Path
    site_packages: Path
    version: str


def current_environment() -> PythonEnvironment:
    """The environment of the Python that runs this.

    Raises:
        BuildError: it has no shared libpython.
    """
    return PythonEnvironment(
        library=_library(),
        executable=Path(sys.executable),
        home=Path(sys.base_prefix),
        site_packages=Path(sysconfig.get_path("purelib")),
        version=f"{sys.version_info.major}.{sys.version_info.minor}",
    )


def _library() -> Path:
    candidates = _candidates()
    for path in candidates:
        if path.is_file():
            return path.resolve()
    static = "" if candidates else " (it is linked into the executable)"
    looked = "".join(f"\n  {path}" for path in candidates)
    raise BuildError(
        f"Python {sys.version.split()[0]} at {sys.executable} has no shared libpython{static}, which a C "
        f"program needs to run it. Looked for:{looked or ' nothing'}\n"
        "Install it (Debian and Ubuntu: apt install libpython3-dev; Fedora: dnf install python3-libs; pyenv: "
        "PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install VERSION), or use another Python."
    )


def _candidates() -> list[Path]:
    """Where this Python's shared library may be, the likeliest first."""
    home = Path(sys.base_prefix)
    suffix = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    if os.name == "nt":
        return [home / f"python{sys.version_info.major}{sys.version_info.minor}{suffix}.dll"]
    names = [str(sysconfig.get_config_var(name) or "") for name in ("INSTSONAME", "LDLIBRARY")]
    framework = sysconfig.get_config_var("PYTHONFRAMEWORKPREFIX")
    if framework:  # macOS: the names start with Python.framework/
        return [Path(framework) / name for name in names if name]
    shared = [name for name in dict.fromkeys(names) if ".so" in name or name.endswith(".dylib")]
    if not shared and sys.platform == "linux":
        # Debian's executable holds Python itself, and the library comes in a package of its own.
        shared = [f"libpython{sys.version_info.major}.{sys.version_info.minor}{suffix}.so.1.0"]
    folders = [sysconfig.get_config_var("LIBDIR"), home / "lib", home / "lib64"]
    architecture = sysconfig.get_config_var("MULTIARCH")
    places = [
        Path(folder) / part
        for folder in folders
        if folder
        for part in ((".", architecture) if architecture else (".",))
    ]
    return list(dict.fromkeys(place / name for place in places for name in shared))


def _print() -> int:
    """Print one ``name=value`` a line, for C; on failure the reason."""
    try:
        found = current_environment()
    except BuildError as exc:
        print(str(exc).split(". Looked for", maxsplit=1)[0].replace("\n", " "))
        return 1
    lines = {**vars(found), "upperbodyseg": __version__}
    for name, value in lines.items():
        sys.stdout.buffer.write(os.fsencode(f"{name}={value}\n"))
    return 0


if __name__ == "__main__":
    sys.exit(_print())
