"""The Python side of the C library, called as C calls it."""

from __future__ import annotations

import ctypes
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    ImageType,
    InputError,
    SegmenterOptions,
    UpperBodySegmenter,
    segment,
)
from upperbodyseg.c_library import bridge
from upperbodyseg.c_library.errors import BuildError
from upperbodyseg.c_structs import CSegmentationOutput, frame_input_to_c


@pytest.fixture
def handle() -> Iterator[int]:
    made = ctypes.c_uint64()
    assert bridge.create(b"model=fast", ctypes.addressof(made)) == ""
    yield made.value
    bridge.destroy(made.value)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (b"", SegmenterOptions()),
        (b" ;\n;", SegmenterOptions()),
        (b"model=fast", SegmenterOptions(model="fast")),
        (
            b" num_threads = 2 ;\nmax_pixels=10000\nrefine=TRUE; temporal_smoothing=false",
            SegmenterOptions(num_threads=2, max_pixels=10000, refine=True, temporal_smoothing=False),
        ),
        (b"score_threshold=0.25;refine=none", SegmenterOptions(score_threshold=0.25)),
        (b"score_threshold=None", SegmenterOptions()),
        ("models_dir=/mödels/a=b, c".encode(), SegmenterOptions(models_dir="/mödels/a=b, c")),
        (b"runtime=tflite-runtime", SegmenterOptions(runtime="tflite-runtime")),
    ],
)
def test_options_are_read_from_pairs(text: bytes, options: SegmenterOptions) -> None:
    assert bridge.parse_options(text) == options


@pytest.mark.parametrize(
    "text",
    [
        b"fast",
        b"=fast",
        b"Model=fast",
        b"model=none",
        b"num_threads=true",
        b"num_threads=1.5",
        b"num_threads=1;num_threads=1",
        b"refine=1",
        b"refine=",
        b"score_threshold=high",
        b"\xff=\xff",
    ],
)
def test_other_options_are_refused(text: bytes) -> None:
    with pytest.raises(InputError):
        bridge.parse_options(text)


def test_a_frame_goes_in_and_its_mask_comes_out(handle: int, portrait: NDArray[np.uint8]) -> None:
    assert bridge.is_initialized(handle) != ""
    assert bridge.initialize(handle) == ""
    assert bridge.is_initialized(handle) == ""
    frame = frame_input_to_c(FrameInput(ImageBuffer.view(portrait), 9, ImageType.BGR_888, is_still=True))
    output = CSegmentationOutput()
    assert bridge.process(handle, ctypes.addressof(frame), 0.5, ctypes.addressof(output)) == ""
    assert output.success
    mask = np.ctypeslib.as_array(output.mask.data, (output.mask.height, output.mask.width))
    assert mask.shape == portrait.shape[:2]
    assert np.abs(mask.astype(int) - segment(portrait)).mean() < 10  # the models differ


def test_memory_that_is_filled_anew_is_read_anew(handle: int, portrait: NDArray[np.uint8]) -> None:
    assert bridge.initialize(handle) == ""
    memory = portrait.copy()
    frame = frame_input_to_c(FrameInput(ImageBuffer.view(memory), 0, ImageType.BGR_888, is_still=True))
    output = CSegmentationOutput()
    addresses = ctypes.addressof(frame), 0.5, ctypes.addressof(output)
    masks = []
    for picture, height in ((portrait, 331), (portrait[:, ::-1], 331), (portrait[:, ::-1], 200)):
        memory[:] = picture
        frame.height = height
        assert bridge.process(handle, *addresses) == ""
        assert output.mask.height == height
        mask = np.ctypeslib.as_array(output.mask.data, (output.mask.height, output.mask.width)).copy()
        with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
            still = FrameInput(ImageBuffer.view(memory[:height]), 0, ImageType.BGR_888, is_still=True)
            np.testing.assert_array_equal(mask, engine.process(still).mask)
        masks.append(mask)
    assert (masks[0] != masks[1]).any()


def test_nothing_is_raised_whatever_comes(handle: int) -> None:
    for call in (bridge.initialize, bridge.is_initialized, bridge.destroy):
        for bad in (0, 1, handle + 1, 2**64 - 1):
            assert "no handle" in call(bad)
    assert "InputError" not in bridge.create(b"nonsense", 0)
    assert "TypeError" in bridge.create(b"")  # a call of another shape
    output = CSegmentationOutput()
    assert "initialize" in bridge.process(
        handle, ctypes.addressof(frame := _frame()), 0.5, ctypes.addressof(output)
    )
    assert not output.success
    assert frame.width == 4


def _frame() -> ctypes.Structure:
    return frame_input_to_c(FrameInput(ImageBuffer.view(np.zeros((4, 4, 4), np.uint8))))


def test_handles_never_come_back() -> None:
    seen = set()
    for _ in range(50):
        made = ctypes.c_uint64()
        bridge.create(b"", ctypes.addressof(made))
        assert made.value not in seen
        seen.add(made.value)
        assert bridge.destroy(made.value) == ""
        assert bridge.destroy(made.value) != ""


def test_a_message_is_always_utf_8(handle: int) -> None:
    made = ctypes.c_uint64()
    assert bridge.create(b"models_dir=/\xff\xfe", ctypes.addressof(made)) == ""
    message = bridge.initialize(made.value)
    assert message
    assert message.encode("utf-8")
    bridge.destroy(made.value)


def test_a_library_built_for_another_version_is_refused() -> None:
    with pytest.raises(BuildError, match="build it anew"):
        bridge.connect(bridge.INTERFACE + 1, 0)


def test_the_end_of_python_is_written_where_c_looks() -> None:
    code = (
        "import atexit, ctypes\n"
        "from upperbodyseg.c_library import bridge\n"
        "ended = ctypes.c_int(0)\n"
        "atexit.register(lambda: print('before' if not ended.value else 'after'))\n"
        "bridge.connect(bridge.INTERFACE, ctypes.addressof(ended))\n"
        "atexit.register(lambda: print('before' if not ended.value else 'after'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["before", "after"]


@pytest.mark.usefixtures("heeded_interrupts")
def test_ctrl_c_still_reaches_the_hosts_python(monkeypatch: pytest.MonkeyPatch, handle: int) -> None:
    def interrupted(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bridge, "_session", interrupted)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (it comes with one of the next instructions)
        assert bridge.initialize(handle) == "interrupted"
        for _ in range(10_000):
            pass
    monkeypatch.undo()


def test_only_the_runtimes_greeting_is_withheld(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bridge, "_greeted", False)
    with bridge._runtimes_greeting_withheld():
        os.write(2, b"INFO: Created a delegate.\nsomebody else's line\nhalf a ")
    os.write(2, b"line\n")
    assert capfd.readouterr().err == "somebody else's line\nhalf a line\n"
    with bridge._runtimes_greeting_withheld():
        os.write(2, b"INFO: later\n")
    assert capfd.readouterr().err == "INFO: later\n"


def test_models_load_without_a_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch, handle: int
) -> None:
    def no_folder() -> io.BytesIO:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(bridge, "_greeted", False)
    monkeypatch.setattr(tempfile, "TemporaryFile", no_folder)
    assert bridge.initialize(handle) == ""
