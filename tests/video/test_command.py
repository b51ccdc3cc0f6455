"""``upperbodyseg video``."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import (
    U8,
    look,
    make,
    names,
    segment,
    yuv,
)

from upperbodyseg.cli import main

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


def test_a_terminal_sees_speed_and_time_left(
    tmp_path: Path, pictures: list[U8], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "in.mp4", pictures[:4])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["video", str(source), "-o", str(tmp_path / "out.mp4"), "--model", "fast"]) == 0
    lines = capsys.readouterr().err.split("\r")
    assert len([line for line in lines if re.match(r"\[#+ *\] [1-4]/4  \d+\.\d fps  \d+ s left", line)]) == 4
    assert lines[-1] == "\x1b[K"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--background", "alpha", "-o", "out.mp4"], 2, "hold no alpha"),
        (["--background", "alpha", "-o", "out.webm"], 0, "4 frame(s): out.webm"),
        (["--background", "mask", "-o", "masks"], 0, "4 frame(s): masks"),
        (["--background", "#00ff00", "-o", "out.mkv"], 0, "4 frame(s): out.mkv"),
        (["--background", "beach.png", "-o", "out.mkv"], 0, "4 frame(s): out.mkv"),
        (["--background", "none.png", "-o", "out.mkv"], 2, "none.png"),
        (["--blur-sigma", "-1", "-o", "out.mkv"], 2, "blur_sigma"),
        (["--max-pixels", "100", "-o", "out.mkv"], 2, "160 x 120"),
        (["-o", "missing/out.mkv"], 2, "there is no folder missing"),
    ],
)
def test_the_command(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    pictures: list[U8],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "in.mp4", pictures[:4])
    cv2.imwrite("beach.png", np.full((30, 70, 3), (200, 30, 30), np.uint8))
    handler = signal.getsignal(signal.SIGTERM)
    assert main(["video", "in.mp4", "--model", "fast", *arguments]) == code
    printed = capsys.readouterr()
    assert words in printed.out + printed.err
    assert signal.getsignal(signal.SIGTERM) is handler
    if code:
        assert names(tmp_path) == ["beach.png", "in.mp4"]
    if "#00ff00" in arguments or "beach.png" in arguments:
        y, (u, v) = look(tmp_path / "out.mkv").luma[0], look(tmp_path / "out.mkv").chroma[0]
        background = segment(pictures[0]) == 0
        expected = yuv(np.full((2, 2, 3), (0, 255, 0) if "#00ff00" in arguments else (200, 30, 30), np.uint8))
        assert np.median(y[background]) == pytest.approx(expected[0, 0], abs=3)
        assert np.median(u[background[::2, ::2]]) == pytest.approx(expected[2, 0], abs=3)
        assert np.median(v[background[::2, ::2]]) == pytest.approx(expected[2, 1], abs=3)
