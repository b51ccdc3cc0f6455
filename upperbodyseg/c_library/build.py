"""Compile the shared library, and lay out the folder that a program is built against.

::

    DIR/include/humanx/             headers
    DIR/lib/libupperbodyseg.so      .dylib on macOS; on Windows bin/upperbodyseg.dll and lib/upperbodyseg.lib
    DIR/lib/pkgconfig/              upperbodyseg.pc
    DIR/lib/cmake/upperbodyseg/     upperbodyseg::upperbodyseg for find_package
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from upperbodyseg import __version__
from upperbodyseg.c_library.bridge import INTERFACE
from upperbodyseg.c_library.environment import PythonEnvironment, current_environment
from upperbodyseg.c_library.errors import BuildError
from upperbodyseg.c_library.machine import machine_of
from upperbodyseg.c_library.package_files import cmake_config, cmake_version, pkg_config

__all__ = ["CLibrary", "build", "find_built"]

SOURCES = ("upper_body_segmentation.c", "python_runtime.c", "python_environment.c", "platform.c")
_COMPILERS = ("cl", "gcc", "clang") if os.name == "nt" else ("cc", "gcc", "clang")
_PATH_BYTES = 4096
"""PATH_SIZE in python_environment.h."""


@dataclass(frozen=True)
class CLibrary:
    """A built library: the folder that holds it, and its parts."""

    folder: Path

    @property
    def include(self) -> Path:
        """The folder to pass with ``-I``."""
        return self.folder / "include"

    @property
    def lib(self) -> Path:
        """The folder to pass with ``-L``."""
        return self.folder / "lib"

    @property
    def binary(self) -> Path:
        """The shared library itself."""
        if os.name == "nt":
            return self.folder / "bin" / "upperbodyseg.dll"
        return self.lib / ("libupperbodyseg.dylib" if sys.platform == "darwin" else "libupperbodyseg.so")

    @property
    def compile_flags(self) -> list[str]:
        """What the compiler takes."""
        return [f"-I{self.include}"]

    @property
    def link_flags(self) -> list[str]:
        """What the linker takes; the program then finds the library where it is now."""
        if os.name == "nt":
            return [str(self.lib / "upperbodyseg.lib")]
        return [f"-L{self.lib}", "-lupperbodyseg", f"-Wl,-rpath,{self.lib}"]


def find_built(folder: Path) -> CLibrary:
    """The library that was built into ``folder``.

    Raises:
        BuildError: there is none.
    """
    library = CLibrary(folder.resolve())
    if not library.binary.is_file():
        raise BuildError(
            f"{library.binary} does not exist: run upperbodyseg c-library build -o {folder} first"
        )
    return library


def build(folder: Path, compiler: str | None = None) -> CLibrary:
    """Compile the library for the Python that runs this, and try it.

    ``CFLAGS`` and ``LDFLAGS`` are passed on. A library that is there already is replaced at once, so that
    programs that use it go on with the old one.

    Args:
        folder: made when it doesn't exist.
        compiler: command, with arguments if need be; None for ``CC``, or the first of the usual names.

    Raises:
        BuildError: no compiler, no shared libpython, another architecture, or a library that doesn't work.
    """
    environment = current_environment()
    command = _compiler(compiler)
    library = CLibrary(folder.resolve())
    with as_file(files("upperbodyseg.c_library")) as package, tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "build_config.h").write_text(_config(environment), encoding="ascii")
        made = CLibrary(work / "made")
        for part in (made.include, made.lib, made.binary.parent):
            part.mkdir(parents=True, exist_ok=True)
        shutil.copytree(package / "include", made.include, dirs_exist_ok=True)
        _compile(command, package, work, made)
        _check_machine(made.binary, environment.library)
        _check_it_runs(command, package, work, made)
        _write_package_files(made)
        _install(made.folder, library.folder)
    return library


def _compiler(named: str | None) -> list[str]:
    text = named or os.environ.get("CC")
    if text:
        command = shlex.split(text, posix=os.name != "nt")
        if not command or shutil.which(command[0]) is None:
            raise BuildError(f"the C compiler {text!r} was not found: check --compiler or CC")
        return command
    for name in _COMPILERS:
        if shutil.which(name):
            return [name]
    raise BuildError(
        f"no C compiler was found (looked for {', '.join(_COMPILERS)}): install one (Debian and Ubuntu: "
        "apt install gcc; macOS: xcode-select --install; Windows: Visual Studio's Build Tools), or name it "
        "with --compiler"
    )


def _config(environment: PythonEnvironment) -> str:
    """``build_config.h``: what is fixed when the library is built."""
    texts = {
        "VERSION": __version__,
        "PYTHON_LIBRARY": environment.library,
        "PYTHON_EXECUTABLE": environment.executable,
        "PYTHON_HOME": environment.home,
        "PYTHON_SITE_PACKAGES": environment.site_packages,
        "PYTHON_VERSION": environment.version,
    }
    lines = [f"#define BUILD_INTERFACE {INTERFACE}"]
    for name, value in texts.items():
        content = os.fsencode(str(value)) if os.name != "nt" else str(value).encode()
        if len(content) >= _PATH_BYTES:
            raise BuildError(f"the path is longer than {_PATH_BYTES - 1} bytes: {value}")
        # Octal, so that no character of a path means anything to C.
        lines.append(
            f'#define BUILD_{name} "{"".join(f"{chr(92)}{byte:03o}" for byte in content)}" /* {name} */'
        )
    return "\n".join(lines) + "\n"


def _is_msvc(command: Sequence[str]) -> bool:
    return Path(command[0]).stem.lower() in ("cl", "clang-cl")


def _compile(command: Sequence[str], package: Path, work: Path, made: CLibrary) -> None:
    sources = [str(package / "src" / name) for name in SOURCES]
    includes = [str(path) for path in (work, package / "src", package / "include")]
    more, linker = (shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS"))
    if _is_msvc(command):
        flags = ["/nologo", "/std:c11", "/O2", "/W3", "/LD", "/DHUMANX_BUILD", "/D_CRT_SECURE_NO_WARNINGS"]
        flags += [f"/I{path}" for path in includes]
        end = ["/link", f"/OUT:{made.binary}", f"/IMPLIB:{made.lib / 'upperbodyseg.lib'}", *linker]
        _run([*command, *flags, *more, *sources, *end], work, "the C library does not compile")
        return
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-pedantic", "-DHUMANX_BUILD", "-fvisibility=hidden"]
    flags += [f"-I{path}" for path in includes]
    if os.name == "nt":
        end = ["-shared", f"-Wl,--out-implib,{made.lib / 'upperbodyseg.lib'}"]
    elif sys.platform == "darwin":
        end = ["-fPIC", "-dynamiclib", f"-Wl,-install_name,@rpath/{made.binary.name}"]
    else:
        # nodelete: Python can't be unloaded, so neither is the library that started it.
        end = ["-fPIC", "-shared", "-pthread", f"-Wl,-soname,{made.binary.name}", "-Wl,-z,nodelete"]
    end += ["-o", str(made.binary), *linker]
    end += ["-ldl"] if sys.platform == "linux" else []
    _run([*command, *flags, *more, *sources, *end], work, "the C library does not compile")


def _run(command: Sequence[str], folder: Path, failure: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as exc:
        raise BuildError(f"{failure}: {command[0]} can't be started ({exc})") from exc
    if done.returncode:
        said = (done.stderr + done.stdout).strip() or f"exit code {done.returncode}"
        raise BuildError(f"{failure}:\n{said}\nThe command was: {shlex.join(command)}")


def _check_machine(binary: Path, python: Path) -> None:
    built, wanted = machine_of(binary), machine_of(python)
    if built and wanted and not built & wanted:
        raise BuildError(
            f"the compiler makes {'/'.join(sorted(built))} code, but Python's {python} is "
            f"{'/'.join(sorted(wanted))}: use another compiler (--compiler), or a Python of that architecture"
        )


def _check_it_runs(command: Sequence[str], package: Path, work: Path, made: CLibrary) -> None:
    """Start a C program that loads the models, so that what doesn't work is found now."""
    program = work / ("check.exe" if os.name == "nt" else "check")
    source = str(package / "src" / "check.c")
    more, linker = (shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS"))
    if _is_msvc(command):
        end = [f"/Fe:{program}", *made.link_flags, "/link", *linker]
        line = [*command, "/nologo", "/std:c11", f"/I{made.include}", *more, source, *end]
    else:
        line = [*command, "-std=c11", *made.compile_flags, *more, source, *made.link_flags, *linker]
        line += ["-o", str(program)]
    _run(line, work, "a program can't be linked with the C library")
    environment = {k: v for k, v in os.environ.items() if k != "UPPERBODYSEG_PYTHON"}
    if os.name == "nt":
        environment["PATH"] = os.pathsep.join((str(made.binary.parent), environment.get("PATH", "")))
    done = subprocess.run(
        [program], env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise BuildError(f"the C library was built, but does not work here: {said}")


def _write_package_files(made: CLibrary) -> None:
    version = __version__
    config = made.lib / "pkgconfig" / "upperbodyseg.pc"
    cmake = made.lib / "cmake" / "upperbodyseg"
    for folder in (config.parent, cmake):
        folder.mkdir(parents=True)
    config.write_text(pkg_config(version), encoding="utf-8")
    binary = made.binary.relative_to(made.folder)
    (cmake / "upperbodyseg-config.cmake").write_text(cmake_config(binary), encoding="utf-8")
    (cmake / "upperbodyseg-config-version.cmake").write_text(cmake_version(version), encoding="utf-8")


def _install(made: Path, folder: Path) -> None:
    """Put every file in its place, each at once."""
    for source in sorted(path for path in made.rglob("*") if path.is_file()):
        target = folder / source.relative_to(made)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f".{target.name}.new")
            shutil.copyfile(source, new)
            os.replace(new, target)
        except OSError as exc:
            raise BuildError(f"{target} can't be written: {exc}") from exc
