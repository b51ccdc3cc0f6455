"""Programs of every kind that load the library, and what surrounds them."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from c_programs import Compile, FrameFile, bare_environment, compile_program, run_program

from upperbodyseg import FrameInput, ImageType, UpperBodySegmenter, segment
from upperbodyseg.c_library.build import CLibrary, build
from upperbodyseg.c_library.environment import current_environment

WriteFrame = Callable[..., FrameFile]

# A caller in another language: the C functions by their names, the structures by their layout.
CALLER = """
import ctypes, json, sys

class Frame(ctypes.Structure):
    _fields_ = [("timestamp", ctypes.c_uint32), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t),
                ("width", ctypes.c_int32), ("height", ctypes.c_int32), ("stride", ctypes.c_int32),
                ("image_type", ctypes.c_int32), ("is_still", ctypes.c_bool)]

class Output(ctypes.Structure):
    _fields_ = [("timestamp", ctypes.c_uint32), ("success", ctypes.c_bool), ("width", ctypes.c_int32),
                ("height", ctypes.c_int32), ("step", ctypes.c_int32), ("channels", ctypes.c_int32),
                ("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("owns", ctypes.c_int32)]

library, path, *numbers = sys.argv[1:]
lib = ctypes.CDLL(library)  # RTLD_LOCAL
name = "dpxl_coreai_upperbodyseg_naver_"
create, initialize, process, destroy, last_error = (
    getattr(lib, name + end) for end in ("create", "initialize", "process", "destroy", "last_error"))
create.restype, last_error.restype = ctypes.c_void_p, ctypes.c_char_p
initialize.restype = process.restype = ctypes.c_bool
destroy.restype = None
initialize.argtypes = destroy.argtypes = last_error.argtypes = [ctypes.c_void_p]
process.argtypes = [ctypes.c_void_p, ctypes.POINTER(Frame), ctypes.c_double, ctypes.POINTER(Output)]

handle = create()
if not handle:
    print(json.dumps(last_error(None).decode()))
    sys.exit()
assert initialize(handle), last_error(handle)
memory = open(path, "rb").read()
width, height, stride, image_type, is_still = map(int, numbers)
pointer = ctypes.cast(memory, ctypes.c_void_p)
frame = Frame(5, pointer, len(memory), width, height, stride, image_type, is_still)
output = Output()
assert process(handle, frame, 0.5, output), last_error(handle)
mask = ctypes.string_at(output.data, output.size)
destroy(handle)
print(json.dumps([output.timestamp, output.width, output.height, mask.hex()]))
"""


def called_from(python: str, library: CLibrary, frame: FrameFile, folder: Path) -> object:
    """What the caller says: a message, or the output's fields and mask."""
    script = folder / "caller.py"
    script.write_text(CALLER)
    line = [python, "-I", str(script), str(library.binary), *map(str, frame.arguments)]
    done = subprocess.run(line, env=bare_environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def expected(frame: FrameFile) -> object:
    buffer = frame.buffer
    mask = segment(buffer.as_array(), frame.image_type)
    assert mask.any()
    return [5, buffer.width, buffer.height, mask.tobytes().hex()]


def test_a_foreign_caller_with_the_environments_python(
    library: CLibrary, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(160, 120, ImageType.BGRA_8888, still=True)
    assert called_from(sys.executable, library, frame, tmp_path) == expected(frame)


# Threads of a Python program, half of which keep Python's lock during the call.
KEEPERS = """
import ctypes, sys, threading

results = []

def run(lib):
    create = lib.dpxl_coreai_upperbodyseg_naver_create_with_options
    create.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(create(b"model=fast"))
    results.append(lib.dpxl_coreai_upperbodyseg_naver_initialize(handle) & 1)
    lib.dpxl_coreai_upperbodyseg_naver_destroy(handle)

kinds = [ctypes.PyDLL, ctypes.CDLL] * 4
threads = [threading.Thread(target=run, args=[kind(sys.argv[1])]) for kind in kinds]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(results))
"""


def test_a_host_may_keep_pythons_lock(library: CLibrary) -> None:
    line = [sys.executable, "-I", "-c", KEEPERS, str(library.binary)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout.strip(), done.stderr) == ("8", "")


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="not in a virtual environment")
def test_a_host_whose_own_python_lacks_upperbodyseg_gets_the_environments(
    library: CLibrary, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(160, 120, ImageType.BGRA_8888, still=True)
    assert called_from(sys._base_executable, library, frame, tmp_path) == expected(frame)  # type: ignore[attr-defined]


def test_a_host_of_another_python_version_is_told(
    library: CLibrary, frame_file: WriteFrame, tmp_path: Path
) -> None:
    names = [f"python3.{minor}" for minor in range(8, 20) if minor != sys.version_info.minor]
    found = [path for path in map(shutil.which, names) if path and "shims" not in path]
    if not found:
        pytest.skip("no other version of Python is on the PATH")
    said = called_from(found[0], library, frame_file(160, 120, ImageType.BGRA_8888), tmp_path)
    assert re.search(rf"runs Python 3\.\d+.* environment's Python is 3\.{sys.version_info.minor}", str(said))


@pytest.mark.usefixtures("linux")
@pytest.mark.parametrize("mode", ["none", "local", "global", "unstarted"])
def test_a_host_that_opens_the_library_for_itself_alone(
    mode: str, compiled: Compile, library: CLibrary, libpython: Path
) -> None:
    home = {"PYTHONHOME": sys.base_prefix}  # of the host's own Python
    assert run_program(compiled("opened.c"), library.binary, libpython, mode, **home) == ""


def test_pythons_variables_and_a_hostile_folder_do_not_count(
    compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(160, 120, ImageType.BGRA_8888, still=True)
    program = compiled("sample.c")
    for name in (
        "numpy",
        "cv2",
        "encodings",
        "site",
        "ctypes",
        "sitecustomize",
        "usercustomize",
        "upperbodyseg",
    ):
        # The program runs in this folder.
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not the one that was meant')\n")
    folder = str(tmp_path)
    masks = tmp_path / "masks"
    hostile = {
        "PYTHONHOME": folder,
        "PYTHONPATH": folder,
        "PYTHONSTARTUP": f"{folder}/numpy.py",
        "PYTHONUSERBASE": folder,
        "PYTHONWARNINGS": "error",
        "PYTHONVERBOSE": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONIOENCODING": "nonsense",
        "PYTHONMALLOC": "debug",
        "PYTHONPLATLIBDIR": "nonsense",
        "PYTHONSAFEPATH": "",
        "VIRTUAL_ENV": folder,
        "LC_ALL": "C",
    }
    assert run_program(program, masks, "", *frame.arguments, **hostile) == ""
    assert masks.read_bytes() == segment(frame.buffer.as_array(), frame.image_type).tobytes()


@pytest.mark.parametrize("kind", ["executable", "folder", "quoted"])
def test_the_environment_can_be_named_at_run_time(
    kind: str, compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(64, 64, ImageType.BGRA_8888, still=True)
    folder = tmp_path / 'it\'s "an" $environment'
    folder.symlink_to(sys.prefix)
    named = {"executable": sys.executable, "folder": sys.prefix, "quoted": str(folder)}[kind]
    if not Path(sys.prefix, "bin", "python").exists() and kind != "executable":
        pytest.skip("the folder of this Python has no bin/python")
    hostile = {"PYTHONHOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    arguments = (tmp_path / "masks", "model=fast", *frame.arguments)
    assert run_program(compiled("sample.c"), *arguments, UPPERBODYSEG_PYTHON=named, **hostile) == ""


def test_an_environment_that_cannot_serve_is_named_with_its_reason(
    compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    program = compiled("sample.c")
    frame = frame_file(64, 64, ImageType.BGRA_8888)
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    without = tmp_path / "without"
    without.write_text("#!/bin/sh\necho 'No module named upperbodyseg' >&2\nexit 1\n")
    without.chmod(0o755)
    for named, reason in (
        (tmp_path / "nowhere", "not found"),
        (tmp_path, "not found"),
        (silent, "printed nothing"),
        (without, "No module named upperbodyseg"),
        ("x" * 5000, "longer"),
    ):
        done = subprocess.run(
            [str(program), str(tmp_path / "masks"), "", *map(str, frame.arguments)],
            env=bare_environment(UPPERBODYSEG_PYTHON=str(named)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "last error: UPPERBODYSEG_PYTHON" in done.stderr
        assert reason in done.stderr


def test_a_python_that_was_removed_is_named(
    compiler: str, libpython: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's libpython is gone, as after an update of the system."""
    link = tmp_path / libpython.name
    link.symlink_to(libpython)
    monkeypatch.setattr(
        "upperbodyseg.c_library.build.current_environment",
        lambda: dataclasses.replace(current_environment(), library=link),
    )
    library = build(tmp_path / "library", compiler)
    program = compile_program(compiler, library, "starts.c", tmp_path)
    run_program(program)
    link.unlink()
    done = subprocess.run([program], env=bare_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the Python library can't be loaded" in done.stderr
    assert "c-library build" in done.stderr


def test_the_frames_of_a_stream_are_followed_as_in_python(
    compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(160, 120, ImageType.YUV_420_888)
    run_program(compiled("sample.c"), tmp_path / "masks", "", *frame.arguments * 12)
    with UpperBodySegmenter() as engine:
        masks = [engine.process(FrameInput(frame.buffer, 0, frame.image_type)).mask for _ in range(12)]
    assert (tmp_path / "masks").read_bytes() == b"".join(mask.tobytes() for mask in masks)
