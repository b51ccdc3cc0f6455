"""Work that ends before the video does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import (
    U8,
    look,
    make,
    names,
    run,
    the_mask,
)

from upperbodyseg import (
    InputError,
    VideoError,
)
from upperbodyseg.video import VideoSummary

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


def test_an_error_in_the_middle_keeps_what_was_done(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures, sound=("aac",))
    (tmp_path / "out.mp4").write_text("before")
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image)
        if len(seen) == 6:
            raise ZeroDivisionError
        return image

    with pytest.raises(ZeroDivisionError):
        run(source, tmp_path / "out.mp4", render)
    assert names(tmp_path) == ["in.mp4", "out.mp4", "out.partial.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "before"
    assert len(look(tmp_path / "out.partial.mp4").times) == 5
    seen.clear()

    def three_pictures(image: U8, mask: U8) -> U8:
        seen.append(image)
        return image if len(seen) < 4 else mask

    with pytest.raises(VideoError, match=r"frame 4 .*render must give.*the 3 frame\(s\) .*partial2.mp4"):
        run(source, tmp_path / "out.mp4", three_pictures)
    assert len(look(tmp_path / "out.partial2.mp4").times) == 3
    with pytest.raises(InputError, match="render must give"):
        run(source, tmp_path / "new.mp4", the_mask)
    assert "new.mp4" not in names(tmp_path)


def test_progress_and_stop_are_called_for_every_frame(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    calls: list[tuple[int, int | None]] = []
    summary = run(
        source, tmp_path / "out.mp4", on_progress=lambda *a: calls.append(a), stop=lambda: len(calls) > 4
    )
    assert calls == [(i, 12) for i in range(5)]
    assert summary == VideoSummary(tmp_path / "out.partial.mp4", 4, 0, False, ())
    assert len(look(tmp_path / "out.partial.mp4").times) == 4
    summary = run(source, tmp_path / "out.mp4", stop=lambda: True)
    assert (summary.target, summary.frames, summary.complete) == (None, 0, False)
    summary = run(source, tmp_path / "f", the_mask, "grey", on_progress=lambda n, _: calls.append((n, 0)))
    assert len(names(tmp_path / "f")) == 12
    assert names(tmp_path) == ["f", "in.mp4", "out.partial.mp4"]


SIGNALLED = """
import os, signal, sys
import upperbodyseg.cli.video as video
frames = 0
def render(image, mask):
    global frames
    frames += 1
    if frames in {at}:
        os.kill(os.getpid(), signal.{name})
    return image
video._render = lambda *_: (render, "bgr")
from upperbodyseg.cli import main
sys.exit(main(["video", sys.argv[1], "-o", sys.argv[2], "--model", "fast"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("name", "at", "code", "left"),
    [
        ("SIGINT", (7,), 130, ["out.mp4", "out.partial.mp4"]),
        ("SIGTERM", (7,), 130, ["out.mp4", "out.partial.mp4"]),
        ("SIGKILL", (7,), -9, ["HIDDEN", "out.mp4"]),
    ],
)
def test_interrupted_it_leaves_a_playable_part_or_nothing(
    name: str, at: tuple[int, ...], code: int, left: list[str], tmp_path: Path, pictures: list[U8]
) -> None:
    source = make(tmp_path / "in.mp4", pictures, sound=("aac",))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "out.mp4").write_text("before")
    program = SIGNALLED.format(name=name, at=at)
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), str(folder / "out.mp4")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert ["HIDDEN" if n.startswith(".") else n for n in names(folder)] == left
    assert (folder / "out.mp4").read_text() == "before"
    if code == 130:
        part = look(folder / "out.partial.mp4")
        assert len(part.times) == 7
        assert part.times == look(source).times[:7]
        assert f"interrupted: 7 frame(s) are in {folder / 'out.partial.mp4'}" in done.stderr


def test_an_interrupt_while_the_file_is_finished_leaves_nothing(
    tmp_path: Path, pictures: list[U8], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "in.mp4", pictures)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out.mp4")
    assert names(tmp_path) == ["in.mp4"]


FULL_DISK = """
import resource, sys
import numpy as np
from upperbodyseg.cli import main
import upperbodyseg.cli.video as video
noise = np.random.default_rng(0).integers(0, 256, (12, 120, 160, 3), np.uint8)
noise[:3] = 0
frames = iter(noise)
video._render = lambda *_: ((lambda image, mask: next(frames)), "bgr")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.exit(main(["video", sys.argv[1], "-o", sys.argv[2], "--model", "fast"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_a_full_disk_leaves_no_video(target: str, tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / target).write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(source), str(folder / target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "can't write" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == [target]
    assert (folder / target).read_text() == "before"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_full_disk_leaves_the_whole_pictures(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(source), str(tmp_path / "frames")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "the 3 frame(s) before it are in" in done.stderr
    assert names(tmp_path) == ["frames.partial", "in.mp4"]
    assert names(tmp_path / "frames.partial") == ["000001.png", "000002.png", "000003.png"]
