"""``upperbodyseg c-library``: what it makes, and what it says where it can't."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from c_programs import PROGRAMS, bare_environment, run_program

import upperbodyseg
from upperbodyseg.c_library import environment as environment_module
from upperbodyseg.c_library.build import CLibrary
from upperbodyseg.c_library.environment import current_environment
from upperbodyseg.c_library.errors import BuildError
from upperbodyseg.c_library.machine import machine_of
from upperbodyseg.cli import main

CUSTOMER = """
#include <humanx/humanx_naver_c.h>

int main(void) {
    DpxlCoreAIUpperBodySegmentationNaver *h = dpxl_coreai_upperbodyseg_naver_create();
    bool ready = h && dpxl_coreai_upperbodyseg_naver_initialize(h);
    dpxl_coreai_upperbodyseg_naver_destroy(h);
    return ready ? 0 : 1;
}
"""


@pytest.fixture
def customer(tmp_path: Path) -> Path:
    path = tmp_path / "customer.c"
    path.write_text(CUSTOMER)
    return path


def test_build_then_flags_then_a_program(
    compiler: str, libpython: Path, customer: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my sdk"
    assert main(["c-library", "build", "-o", str(folder), "--compiler", compiler]) == 0
    assert str(CLibrary(folder).binary) in capfd.readouterr().out
    assert main(["c-library", "build", "-o", str(folder), "--compiler", compiler]) == 0, "over the old one"
    capfd.readouterr()
    assert main(["c-library", "flags", "-o", str(folder)]) == 0
    both = capfd.readouterr().out
    main(["c-library", "flags", "-o", str(folder), "--cflags"])
    compile_flags = capfd.readouterr().out
    main(["c-library", "flags", "-o", str(folder), "--libs"])
    link_flags = capfd.readouterr().out
    assert shlex.split(both) == shlex.split(compile_flags) + shlex.split(link_flags)
    program = tmp_path / "program"
    line = f"{compiler} {shlex.quote(str(customer))} {both.strip()} -o {shlex.quote(str(program))}"
    subprocess.run(["sh", "-c", line], check=True)
    run_program(program)
    assert not list(folder.rglob(".*")), "nothing half-written is left"


def test_pkg_config_knows_it_wherever_it_is(
    compiler: str, library: CLibrary, customer: Path, tmp_path: Path
) -> None:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    moved = tmp_path / "moved"
    shutil.copytree(library.folder, moved)
    environment = bare_environment(PKG_CONFIG_PATH=str(moved / "lib" / "pkgconfig"))

    def ask(what: str) -> str:
        line = ["pkg-config", what, "upperbodyseg"]
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout

    assert ask("--modversion").strip() == upperbodyseg.__version__
    program = tmp_path / "program"
    flags = shlex.split(ask("--cflags")), shlex.split(ask("--libs"))
    subprocess.run([compiler, *flags[0], str(customer), *flags[1], "-o", str(program)], check=True)
    run_program(program)


def test_cmake_finds_the_package(library: CLibrary, customer: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\n"
        "project(customer C)\n"
        f"find_package(upperbodyseg {upperbodyseg.__version__} REQUIRED CONFIG)\n"
        "find_package(upperbodyseg 99 QUIET CONFIG)\n"
        'if(upperbodyseg_FOUND)\n  message(FATAL_ERROR "99 was found")\nendif()\n'
        "find_package(upperbodyseg REQUIRED CONFIG)\n"
        "add_executable(customer customer.c)\n"
        "target_link_libraries(customer PRIVATE upperbodyseg::upperbodyseg)\n"
    )
    made = tmp_path / "made"
    configure = ["cmake", "-S", str(tmp_path), "-B", str(made), f"-DCMAKE_PREFIX_PATH={library.folder}"]
    for line in (configure, ["cmake", "--build", str(made)]):
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    run_program(made / "customer")


def test_only_the_api_is_exported(library: CLibrary) -> None:
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    line = ["nm", "-D", "--defined-only", str(library.binary)]
    out = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    names = {row.split()[-1] for row in out.splitlines()}
    start = "dpxl_coreai_upperbodyseg_naver_"
    ends = "create create_with_options destroy initialize is_initialized process last_error version"
    assert names == {start + end for end in ends.split()}


def test_the_binary_is_bound_to_no_python(library: CLibrary) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("readelf is not installed")
    line = ["readelf", "-d", str(library.binary)]
    out = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert "python" not in out.lower().replace(str(library.folder).lower(), "")


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["c-library", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def test_no_compiler(
    libpython: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    said = failure(capsys, "build", "-o", str(tmp_path / "sdk"))
    assert "no C compiler was found" in said
    assert "--compiler" in said
    assert "'nonsense' was not found" in failure(
        capsys, "build", "-o", str(tmp_path / "sdk"), "--compiler", "nonsense"
    )
    monkeypatch.setenv("CC", "rubbish -m64")
    assert "'rubbish -m64' was not found" in failure(capsys, "build", "-o", str(tmp_path / "sdk"))
    assert not (tmp_path / "sdk").exists()


def test_a_compiler_that_fails_is_quoted(
    libpython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'no such target' >&2\nexit 4\n")
    broken.chmod(0o755)
    said = failure(capsys, "build", "-o", str(tmp_path / "sdk"), "--compiler", str(broken))
    assert "does not compile:\nno such target" in said
    assert not (tmp_path / "sdk").exists()


def test_a_static_libpython(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"INSTSONAME": "libpython3.99.a", "LDLIBRARY": "libpython3.99.a", "LIBDIR": str(tmp_path)}
    monkeypatch.setattr(sysconfig, "get_config_var", values.get)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    (tmp_path / "libpython3.99.a").write_bytes(b"!<arch>\n")
    said = failure(capsys, "build", "-o", str(tmp_path / "sdk"))
    assert "has no shared libpython" in said
    assert "--enable-shared" in said
    assert environment_module._print() == 1
    assert capsys.readouterr().out.count("\n") == 1, "one line, for the C code"


def test_a_missing_libpython(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", {"INSTSONAME": "libpython3.99.so.1.0"}.get)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert f"Looked for:\n  {tmp_path}/lib/libpython3.99.so.1.0" in failure(
        capsys, "build", "-o", str(tmp_path / "sdk")
    )


def test_another_architecture(
    compiler: str,
    libpython: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    head = bytearray(libpython.read_bytes()[:64])
    if head[:4] != b"\x7fELF":
        pytest.skip("not an ELF system")
    struct.pack_into("<H" if head[5] == 1 else ">H", head, 18, 22)
    other = tmp_path / "libpython3.so"
    other.write_bytes(head)
    monkeypatch.setattr(
        "upperbodyseg.c_library.build.current_environment",
        lambda: dataclasses.replace(current_environment(), library=other),
    )
    said = failure(capsys, "build", "-o", str(tmp_path / "sdk"), "--compiler", compiler)
    assert "but Python's" in said
    assert "is S390" in said
    assert not (tmp_path / "sdk").exists()


def test_a_library_that_would_not_work_is_not_written(
    compiler: str,
    libpython: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = tmp_path / "lib" / libpython.name
    empty.parent.mkdir()
    empty.write_bytes(b"")
    monkeypatch.setattr(
        "upperbodyseg.c_library.build.current_environment",
        lambda: dataclasses.replace(current_environment(), library=empty),
    )
    said = failure(capsys, "build", "-o", str(tmp_path / "sdk"), "--compiler", compiler)
    assert "does not work here: the Python library can't be loaded" in said
    assert not (tmp_path / "sdk").exists()


def test_a_folder_that_takes_no_files(
    compiler: str, libpython: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sdk").write_text("a file")
    assert "can't be written" in failure(capsys, "build", "-o", str(tmp_path / "sdk"), "--compiler", compiler)


def test_flags_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "c-library build" in failure(capsys, "flags", "-o", str(tmp_path))


def test_the_environment_is_the_running_one(libpython: Path) -> None:
    found = current_environment()
    assert machine_of(found.library)
    line = [str(found.executable), "-I", "-m", "upperbodyseg.c_library.environment"]
    out = subprocess.run(line, env=bare_environment(), capture_output=True, text=True, check=True).stdout
    assert dict(row.split("=", 1) for row in out.splitlines())["library"] == os.fspath(found.library)


def test_sources_and_headers_are_package_data() -> None:
    package = Path(upperbodyseg.__file__).parent / "c_library"
    assert {path.suffix for path in (package / "src").iterdir()} == {".c", ".h"}
    assert (package / "include" / "humanx" / "humanx_naver_c.h").is_file()
    assert len(list(PROGRAMS.iterdir())) >= 10


@pytest.mark.parametrize(
    ("head", "machines"),
    [
        (b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H", 183), {"Arm64"}),
        (b"\x7fELF\x02\x02" + bytes(12) + struct.pack(">H", 22), {"S390"}),
        (b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C), {"Arm64"}),
        (
            b"\xca\xfe\xba\xbe" + struct.pack(">I5I5I", 2, 0x01000007, 0, 0, 0, 0, 0x0100000C, 0, 0, 0, 0),
            {"x86-64", "Arm64"},
        ),
        (b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", 0x8664), {"x86-64"}),
        (b"\x7fELF", set()),
        (b"", set()),
    ],
)
def test_the_machine_of_a_file(head: bytes, machines: set[str], tmp_path: Path) -> None:
    path = tmp_path / "library"
    path.write_bytes(head)
    assert machine_of(path) == machines


def test_an_unknown_build_error_is_one_of_ours() -> None:
    assert issubclass(BuildError, upperbodyseg.UpperBodySegError)
