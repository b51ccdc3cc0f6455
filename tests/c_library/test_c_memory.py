"""The library under the tools that find memory errors. What they find in Python itself is left out."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from c_programs import LONG, FrameFile, bare_environment, compile_program, run_program

from upperbodyseg import ImageType
from upperbodyseg.c_library.build import CLibrary, build

WriteFrame = Callable[..., FrameFile]

SANITIZE = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
)

# Python and its extension modules keep what they allocate until the process ends, which is a leak to the
# sanitizer. Only stacks that pass through them are excused. None of the library's own does: it calls Python,
# Python never calls it.
EXCUSED = "leak:libpython3\nleak:.cpython-\nleak:.abi3.so\nleak:libcrypto\n"


@pytest.fixture(scope="module")
def sanitized(compiler: str, libpython: Path, tmp_path_factory: pytest.TempPathFactory) -> CLibrary:
    folder = tmp_path_factory.mktemp("sanitized")
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    found = subprocess.run([compiler, *SANITIZE, str(probe), "-o", str(folder / "probe")], check=False)
    if found.returncode:
        pytest.skip(f"{compiler} has no address and undefined-behaviour sanitizers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", " ".join(SANITIZE))
        patch.setenv("ASAN_OPTIONS", "detect_leaks=0")
        return build(folder / "library", compiler)


@pytest.fixture
def sanitizer_options(tmp_path: Path) -> dict[str, str]:
    excused = tmp_path / "excused"
    excused.write_text(EXCUSED)
    return {
        # The programs look at the signals' handlers, so the sanitizer leaves those alone.
        "ASAN_OPTIONS": "detect_leaks=1:handle_segv=0:handle_sigfpe=0:handle_sigbus=0:exitcode=99",
        "LSAN_OPTIONS": f"suppressions={excused}:print_suppressions=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("name", ["sample.cpp", "misuse.c", "threads.c", "buffers.cpp", "opened.c"])
def test_sanitizers_find_nothing(
    name: str,
    compiler: str,
    sanitized: CLibrary,
    libpython: Path,
    sanitizer_options: dict[str, str],
    frame_file: WriteFrame,
    tmp_path: Path,
) -> None:
    frame = frame_file(96, 96, ImageType.BGRA_8888).arguments
    nv21 = frame_file(97, 95, ImageType.YUV_420_888).arguments
    arguments = {
        "sample.cpp": (tmp_path / "masks", "model=fast", *frame, *nv21),
        "misuse.c": frame,
        "threads.c": (5, *frame),
        "buffers.cpp": (),
        "opened.c": (sanitized.binary, libpython, "none"),
    }[name]
    program = compile_program(compiler, sanitized, name, tmp_path, SANITIZE)
    run_program(program, *arguments, **sanitizer_options)


@pytest.mark.usefixtures("linux")
def test_the_excuses_cover_no_leak_of_a_program(
    compiler: str, sanitized: CLibrary, sanitizer_options: dict[str, str], tmp_path: Path
) -> None:
    source = tmp_path / "leak.c"
    source.write_text(
        "#include <stdlib.h>\n#include <humanx/humanx_naver_c.h>\n"
        "void *volatile lost;\n"
        "int main(void) {\n"
        "    dpxl_coreai_upperbodyseg_naver_destroy(dpxl_coreai_upperbodyseg_naver_create());\n"
        "    lost = malloc(77);\n"
        "    lost = NULL;\n"
        "    return 0;\n"
        "}\n"
    )
    program = compile_program(compiler, sanitized, str(source), tmp_path, SANITIZE)
    environment = bare_environment(**sanitizer_options)
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 99
    assert "77 byte(s) leaked in 1 allocation(s)" in done.stderr


def blamed(error: ET.Element) -> list[str]:
    """The files that an error is laid to: of each of its stacks, the first that isn't the C library's or
    valgrind's own, which do what their caller says."""
    system = ("vgpreload_", "libc.so", "ld-linux", "libc-", "ld-2", "libm.so", "libpthread")
    found = []
    for stack in error.iter("stack"):
        files = [Path(frame.findtext("obj", "")).name for frame in stack.iter("frame")]
        found += [file for file in files if not file.startswith(system)][:1]
    return found


@pytest.mark.skipif(not LONG, reason="takes minutes: set UPPERBODYSEG_LONG_TESTS=1")
@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("name", ["sample.c", "misuse.c"])
def test_valgrind_finds_nothing_in_the_library(
    name: str, compiler: str, library: CLibrary, frame_file: WriteFrame, tmp_path: Path
) -> None:
    """Python, NumPy and OpenCV give hundreds of reports by themselves (without the library, too)."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not installed")
    frame = frame_file(48, 48, ImageType.BGRA_8888).arguments
    arguments = frame if name == "misuse.c" else (tmp_path / "masks", "model=fast", *frame)
    program = compile_program(compiler, library, name, tmp_path)
    report = tmp_path / "report.xml"
    options = ("--xml=yes", f"--xml-file={report}", "--leak-check=full", "--num-callers=40")
    done = subprocess.run(
        [valgrind, *options, str(program), *map(str, arguments)],
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    errors = list(ET.parse(report).getroot().iter("error"))
    assert errors, "the report is empty"
    ours = [
        ET.tostring(error, encoding="unicode")
        for error in errors
        if any(file.startswith((library.binary.name, program.name)) for file in blamed(error))
    ]
    assert ours == []
