from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import make_frame
from numpy.typing import NDArray

from upperbodyseg import ImageType
from upperbodyseg.c_library.build import CLibrary, build
from upperbodyseg.c_library.environment import current_environment
from upperbodyseg.c_library.errors import BuildError

PROGRAMS = Path(__file__).parent / "programs"
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-g")

LONG = bool(os.environ.get("UPPERBODYSEG_LONG_TESTS"))
"""Whether tests that take minutes run, and run in full."""

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def compiler() -> str:
    """gcc or clang: the tests' own flags are theirs."""
    for name in ("gcc", "clang"):
        if shutil.which(name):
            return name
    pytest.skip("no gcc and no clang is installed")


@pytest.fixture(scope="session")
def libpython() -> Path:
    try:
        return current_environment().library
    except BuildError as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="session")
def library(compiler: str, libpython: Path, tmp_path_factory: pytest.TempPathFactory) -> CLibrary:
    """The library, built once, at a path with a space and letters beyond ASCII."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", "-Werror -Wshadow")
        return build(tmp_path_factory.mktemp("c library ü"), compiler)


def compile_program(
    compiler: str, library: CLibrary, name: str, target: Path, flags: Sequence[str] = (), standard: str = ""
) -> Path:
    """Compile one of ``programs/`` without a warning."""
    source = PROGRAMS / name
    standard = standard or ("c++11" if source.suffix == ".cpp" else "c11")
    command = _command(compiler, standard)
    program = target / f"{source.stem}-{standard}"
    line = [command, f"-std={standard}", *STRICT, *flags, *library.compile_flags, str(source)]
    line += [*library.link_flags, "-pthread", "-lm", "-ldl", "-o", str(program)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def _command(compiler: str, standard: str) -> str:
    command = {"gcc": "g++", "clang": "clang++"}[compiler] if "++" in standard else compiler
    if shutil.which(command) is None:
        pytest.skip(f"no {command} is installed")
    return command


def check_syntax(compiler: str, library: CLibrary, sources: Sequence[Path], standard: str) -> None:
    """Compile without a warning, to nothing."""
    line = [
        _command(compiler, standard),
        f"-std={standard}",
        *STRICT,
        "-fsyntax-only",
        *library.compile_flags,
    ]
    done = subprocess.run([*line, *map(str, sources)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def compiled(compiler: str, library: CLibrary, tmp_path: Path) -> Compile:
    """Compiles a program against the library."""

    def compile_one(name: str, standard: str = "") -> Path:
        return compile_program(compiler, library, name, tmp_path, standard=standard)

    return compile_one


def bare_environment(**more: str) -> dict[str, str]:
    """No environment is activated: what a service or a program started from a desktop has."""
    return {"PATH": "/usr/bin:/bin", **more}


def run_program(program: Path, *arguments: object, timeout: float = 300, **more: str) -> str:
    """What a program prints; it must end well and say nothing on standard error."""
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        env=bare_environment(**more),
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


class FrameFile:
    """A frame as a file, for a program's six arguments."""

    def __init__(self, path: Path, bgr: NDArray[np.uint8], image_type: ImageType, *, still: bool) -> None:
        self.buffer = make_frame(bgr, image_type, padding=20)
        self.image_type, self.still = image_type, still
        assert self.buffer.data is not None
        path.write_bytes(self.buffer.data)
        self.arguments = (
            path,
            self.buffer.width,
            self.buffer.height,
            self.buffer.step,
            int(image_type),
            int(still),
        )


@pytest.fixture
def frame_file(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Callable[..., FrameFile]:
    """Writes the astronaut as a frame with padded rows."""

    def write(width: int, height: int, image_type: ImageType, *, still: bool = False) -> FrameFile:
        picture = cv2.resize(astronaut, (width, height), interpolation=cv2.INTER_AREA)
        path = tmp_path / f"{image_type.name}-{width}x{height}.raw"
        return FrameFile(path, picture, image_type, still=still)

    return write


@pytest.fixture
def linux() -> None:
    if sys.platform != "linux":
        pytest.skip(f"needs /proc or glibc, which {platform.system()} lacks")
