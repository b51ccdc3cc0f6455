from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import InputError, MissingDependencyError, SegmenterOptions, VideoError
from upperbodyseg.cli import main
from upperbodyseg.webcam import (
    Background,
    CapturedFrame,
    FrameSource,
    VirtualCamera,
    Window,
    run_live,
)

U8 = NDArray[np.uint8]
FAST = SegmenterOptions(model="fast")


def as_it_is(image: U8, mask: U8) -> U8:
    return image


def the_mask(image: U8, mask: U8) -> U8:
    return cv2.merge([mask] * 3)


BACKGROUNDS = [Background("camera", as_it_is), Background("mask", the_mask)]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, webcam: U8) -> Path:
    """Six frames 180 x 320 at 50 fps; a light square says which is which."""
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, (320, 180))
    small = cv2.resize(webcam, (320, 180), interpolation=cv2.INTER_AREA)
    for i in range(6):
        frame = small.copy()
        frame[:20] = 0
        frame[:20, 20 * i : 20 * i + 20] = 255
        writer.write(frame)
    writer.release()
    return path


def number_of(bgr: U8) -> int:
    return int(bgr[:20, :120].mean(axis=(0, 2)).reshape(6, 20).mean(axis=1).argmax())


class Recorder:
    """An output that keeps what it is shown and presses keys at given frames."""

    def __init__(self, keys: dict[int, str] | None = None) -> None:
        self.keys = keys or {}
        self.shown: list[U8] = []
        self.status: list[str] = []

    def show(self, bgr: U8, status: str) -> Sequence[str]:
        self.shown.append(bgr.copy())
        self.status.append(status)
        return list(self.keys.get(len(self.shown), ""))

    def close(self) -> None:
        pass


def test_a_file_runs_over_and_over_in_the_cameras_place(clip: Path) -> None:
    recorder = Recorder()
    with FrameSource(clip) as source:
        assert source.fps == 50
        summary = run_live(source, [recorder], BACKGROUNDS, options=FAST, max_frames=10)
    with pytest.raises(VideoError, match="is closed"):
        source.read()
    assert not any(t.name.startswith("frames of") for t in threading.enumerate())
    assert summary.frames == len(recorder.shown) == 10
    assert summary.fps > 0
    assert summary.latency_ms > 0
    numbers = [number_of(f) for f in recorder.shown]
    assert any(later < earlier for earlier, later in itertools.pairwise(numbers))
    assert recorder.shown[0].shape == (180, 320, 3)


def test_keys_change_the_background_the_blur_and_the_mirror(clip: Path) -> None:
    recorder = Recorder({1: "b", 2: "b", 3: "m", 4: "m", 5: "]+", 6: "[-[-", 8: "q"})
    with FrameSource(clip) as source:
        summary = run_live(source, [recorder], BACKGROUNDS, options=FAST, blur_sigma=1)
    assert summary.frames == 8
    assert [s.split("  ")[2] for s in recorder.status[:4]] == ["camera", "mask", "camera", "camera"]
    blurs = [s.split("blur ")[1] for s in recorder.status]
    assert blurs == ["1", "1", "1", "1", "1", "2", "0", "0"]
    mask = recorder.shown[1]
    assert np.array_equal(mask[..., 0], mask[..., 1])
    assert mask[30:90, 125:170].mean() > 220  # head and shoulders
    assert mask[30:, :60].mean() < 50
    assert recorder.shown[3][:20, 200:].mean() > 10 > recorder.shown[3][:20, :120].mean()
    assert recorder.shown[4][:20, :120].mean() > 10


def test_slow_programs_see_the_newest_frame_and_no_queue() -> None:
    capture = FakeCamera(frames=200)
    with camera(capture) as source:
        capture.given.wait(5)
        for _ in range(3):
            capture.go.set()
            capture.all_given.wait(5)
            newest = source.read()
            assert newest.bgr[0, 0, 0] == capture.count % 256
            capture.again()
    assert capture.released


class FakeCamera:
    """cv2.VideoCapture's face; gives ``frames`` frames each time it is let go, then waits."""

    def __init__(self, frames: int, works: bool = True) -> None:
        self.frames, self.works = frames, works
        self.count = 0
        self.go, self.given, self.all_given = threading.Event(), threading.Event(), threading.Event()
        self.released = False
        self.asked: dict[int, float] = {}

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, code: int, value: float) -> bool:
        self.asked[code] = value
        return True

    def get(self, code: int) -> float:
        return 0.0

    def again(self) -> None:
        self.all_given.clear()

    def read(self) -> tuple[bool, U8 | None]:
        self.given.set()
        if not self.works:
            return False, None
        if self.count and self.count % self.frames == 0:
            self.go.clear()
            self.all_given.set()
            if not self.go.wait(2):
                return False, None
        self.count += 1
        return True, np.full((4, 4, 3), self.count % 256, np.uint8)

    def release(self) -> None:
        self.released = True


class camera:  # noqa: N801
    """A FrameSource of a fake camera."""

    def __init__(self, capture: FakeCamera, **keywords: Any) -> None:
        self.capture, self.keywords = capture, keywords

    def __enter__(self) -> FrameSource:
        patch = pytest.MonkeyPatch()
        patch.setattr(cv2, "VideoCapture", lambda *_: self.capture)
        try:
            self.source = FrameSource(0, **self.keywords)
        finally:
            patch.undo()
        return self.source

    def __exit__(self, *_: object) -> None:
        self.capture.go.set()
        self.source.close()


def test_what_is_asked_of_a_camera_is_handed_on() -> None:
    capture = FakeCamera(frames=1)
    with camera(capture, width=1280, height=720, fps=24.0) as source:
        assert source.fps == 30  # this camera doesn't say
    assert capture.asked == {
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 24,
    }


def test_a_camera_that_gives_nothing_is_an_error_and_no_hang() -> None:
    capture = FakeCamera(frames=1, works=False)
    with camera(capture, timeout_s=0.2) as source:
        recorder = Recorder()
        with pytest.raises(VideoError, match=r"camera 0 has given no frame for 0\.2 s"):
            run_live(source, [recorder], BACKGROUNDS, options=FAST)
    assert capture.released
    with pytest.raises(VideoError, match="closed"):
        source.read()


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match="can't be opened"):
        FrameSource(tmp_path / "text.mp4")
    with pytest.raises(InputError, match="there is no file"):
        FrameSource(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="at least one"):
        run_live(None, [], [])  # type: ignore[arg-type]


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Pygame, on SDL's driver without a screen."""
    pygame = pytest.importorskip(
        "pygame", reason="pygame-ce is not installed: pip install 'upperbodyseg[webcam]'"
    )
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield pygame
    pygame.quit()


def test_the_window_shows_the_frame_and_gives_the_keys(window: Any, webcam: U8) -> None:
    shown = Window()
    assert shown.show(webcam, "30.0 fps  25 ms  blur  blur 0.5") == []
    surface = window.display.get_surface()
    assert surface.get_size() == (640, 360)
    pixels = window.surfarray.array3d(surface).swapaxes(0, 1)[..., ::-1]
    np.testing.assert_array_equal(pixels[60:], webcam[60:])
    assert np.abs(pixels[:40, :300].astype(int) - webcam[:40, :300]).max() > 100  # the text
    events = [(window.K_b, "b"), (window.K_RIGHTBRACKET, "]"), (window.K_ESCAPE, "\x1b")]
    for key, character in events:
        window.event.post(window.event.Event(window.KEYDOWN, key=key, unicode=character))
    window.event.post(window.event.Event(window.QUIT))
    assert shown.show(webcam, "") == ["b", "]", "quit", "quit"]
    big = np.zeros((3000, 400, 3), np.uint8)
    big[:] = (10, 20, 30)
    shown.show(big, "")  # drawn as large as the window allows
    middle = window.surfarray.array3d(window.display.get_surface()).swapaxes(0, 1)[200, :, ::-1]
    assert middle[320].tolist() == [10, 20, 30]
    assert middle[0].tolist() == [0, 0, 0]
    shown.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")
def test_no_display_is_said(monkeypatch: pytest.MonkeyPatch, clip: Path, capfd: Any) -> None:
    pytest.importorskip("pygame", reason="pygame-ce is not installed: pip install 'upperbodyseg[webcam]'")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert main(["webcam", "--input", str(clip)]) == 1
    assert "there is no display" in capfd.readouterr().err


class FakeVirtualCamera:
    """pyvirtualcam.Camera's face."""

    made: list[FakeVirtualCamera] = []  # noqa: RUF012

    def __init__(self, width: int, height: int, fps: float, *, fmt: str) -> None:
        self.size, self.fps, self.fmt = (height, width), fps, fmt
        self.sent: list[U8] = []
        self.closed = False
        self.made.append(self)

    def send(self, frame: U8) -> None:
        assert frame.flags.c_contiguous
        self.sent.append(frame.copy())

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def virtual_camera(monkeypatch: pytest.MonkeyPatch) -> list[FakeVirtualCamera]:
    FakeVirtualCamera.made = []
    module = SimpleNamespace(Camera=FakeVirtualCamera, PixelFormat=SimpleNamespace(BGR="BGR"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeVirtualCamera.made


def test_the_command_feeds_a_virtual_camera_without_a_window(
    clip: Path, virtual_camera: list[FakeVirtualCamera], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["webcam", "--input", str(clip), "--virtual-camera", "--no-window", "--model", "fast"]
    assert main([*arguments, "--background", "#0000ff", "--frames", "4"]) == 0
    (made,) = virtual_camera
    assert (made.size, made.fps, made.fmt, made.closed) == ((180, 320), 50, "BGR", True)
    assert len(made.sent) == 4
    assert made.sent[-1][90, 20].tolist() == [255, 0, 0]  # blue, in BGR
    assert np.abs(made.sent[-1][140, 160].astype(int) - [255, 0, 0]).max() > 40  # the person
    assert "4 frame(s)" in capsys.readouterr().out


def test_the_command_shows_a_window_and_obeys_its_keys(
    clip: Path, window: Any, virtual_camera: list[FakeVirtualCamera], monkeypatch: pytest.MonkeyPatch
) -> None:
    post = window.event.post
    flip = window.display.flip
    flips = []

    def press() -> None:
        flips.append(window.surfarray.array3d(window.display.get_surface())[20, 90, ::-1].tolist())
        key = {2: "b", 5: "q"}.get(len(flips))
        if key:
            post(window.event.Event(window.KEYDOWN, key=ord(key), unicode=key))
        flip()

    monkeypatch.setattr(window.display, "flip", press)
    backgrounds = ["--background", "#0000ff", "--background", "#ff0000"]
    arguments = ["--input", str(clip), "--model", "fast", "--virtual-camera"]
    assert main(["webcam", *arguments, *backgrounds]) == 0
    assert flips[0] == [255, 0, 0]
    assert flips[-1] == [0, 0, 255]
    assert len(virtual_camera[0].sent) == len(flips) == 6
    assert virtual_camera[0].closed


class Metronome:
    """A source whose frames come a tenth of a second apart."""

    def __init__(self, bgr: U8) -> None:
        self._bgr, self._count = bgr, 0

    def read(self) -> CapturedFrame:
        self._count += 1
        return CapturedFrame(self._bgr.copy(), 1000 + self._count / 10)


def test_a_background_video_runs_while_it_is_shown(webcam: U8) -> None:
    """It stands still behind another background."""

    class Clock:
        def __init__(self) -> None:
            self.times: list[float] = []

        def seek(self, time_s: float) -> None:
            self.times.append(time_s)

        def __call__(self, image: U8, mask: U8) -> U8:
            return image

    clock = Clock()
    source: Any = Metronome(cv2.resize(webcam, (320, 180)))
    recorder = Recorder({3: "b", 6: "b"})
    run_live(source, [recorder], [Background("beach", clock), *BACKGROUNDS[1:]], options=FAST, max_frames=8)
    assert clock.times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_the_command_shows_people_before_a_video(
    clip: Path, virtual_camera: list[FakeVirtualCamera], tmp_path: Path
) -> None:
    beach = tmp_path / "beach.avi"
    writer = cv2.VideoWriter(str(beach), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 180))
    for _ in range(3):
        writer.write(np.full((180, 320, 3), (200, 60, 20), np.uint8))
    writer.release()
    arguments = ["webcam", "--input", str(clip), "--virtual-camera", "--no-window", "--model", "fast"]
    assert main([*arguments, "--background", str(beach), "--frames", "4"]) == 0
    (made,) = virtual_camera
    assert len(made.sent) == 4
    for sent in made.sent:
        assert np.abs(sent[90, 20].astype(int) - (200, 60, 20)).max() < 8
        assert np.abs(sent[140, 160].astype(int) - (200, 60, 20)).max() > 40  # the person
    assert not [t for t in threading.enumerate() if t.name == "video reader"]


def test_no_virtual_camera_is_said(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found")

    module = SimpleNamespace(Camera=refuse, PixelFormat=SimpleNamespace(BGR="BGR"))
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    arguments = ["webcam", "--input", str(clip), "--virtual-camera", "--no-window", "--model", "fast"]
    assert main(arguments) == 1
    assert "No v4l2 loopback device found" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(MissingDependencyError, match=r"upperbodyseg\[virtual-camera\]"):
        VirtualCamera(30)
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(MissingDependencyError, match=r"upperbodyseg\[webcam\]"):
        Window()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--camera", "99"], 1, "camera 99 can't be opened"),
        (["--camera", "-1"], 2, "--camera"),
        (["--input", "none.mp4"], 2, "there is no file none.mp4"),
        (["--no-window"], 2, "--virtual-camera"),
        (["--width", "0"], 2, "--width"),
        (["--background", "none.png"], 2, "none.png"),
        (["--background", "none.mp4"], 2, "there is no file none.mp4"),
        (["--blur-sigma", "nan"], 2, "blur_sigma"),
    ],
)
def test_what_cannot_work_is_said_at_once(
    arguments: list[str],
    code: int,
    words: str,
    virtual_camera: list[FakeVirtualCamera],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    extra = [] if "--no-window" in arguments else ["--virtual-camera", "--no-window"]
    assert main(["webcam", *arguments, *extra]) == code
    printed = capfd.readouterr().err
    assert words in printed
    assert len(printed.strip().splitlines()) == 1
    assert os.environ["SDL_VIDEODRIVER"] == "dummy"
