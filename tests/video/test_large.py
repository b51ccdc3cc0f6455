"""Frames so large that few may be held at once."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import U8, as_it_is, look, make, names, run, with_alpha

from upperbodyseg import VideoError
from upperbodyseg.video import encoding, pipeline
from upperbodyseg.video.background import VideoBackground
from upperbodyseg.video.writer import FileWriter


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_QUEUED_BYTES", 0)
    monkeypatch.setattr(encoding, "_LARGE_PIXELS", 0)


@pytest.mark.usefixtures("all_are_large")
@pytest.mark.parametrize(
    ("ending", "layout"),
    [("mp4", "bgr"), ("webm", "bgr"), ("webm", "bgra"), ("mov", "bgra"), ("mkv", "grey")],
)
def test_one_frame_after_the_other_is_read_and_written(
    ending: str, layout: Any, tmp_path: Path, pictures: list[U8], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "in.mp4", pictures, sound=("aac",), options={"crf": "1"})
    events: list[str] = []
    mux = FileWriter._mux

    def mux_and_count(writer: FileWriter, packets: list[Any]) -> None:
        events.extend("packet" for p in packets if p.stream.type == "video" and p.size)
        mux(writer, packets)

    def render(image: U8, mask: U8) -> U8:
        assert not any(t.name in ("video reader", "video writer") for t in threading.enumerate())
        events.append("frame")
        return {"bgr": image, "bgra": with_alpha(image, mask), "grey": mask}[layout]

    monkeypatch.setattr(FileWriter, "_mux", mux_and_count)
    out = tmp_path / f"out.{ending}"
    assert run(source, out, render, layout).frames == 12
    assert events == ["frame", "packet"] * 12
    after = look(out)
    assert np.diff([float(t) for t in after.times]) == pytest.approx(1001 / 30000, abs=2e-3)
    assert len(after.sound) == 1


@pytest.mark.usefixtures("all_are_large")
def test_what_was_done_is_kept(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    count = iter(range(12))

    def render(image: U8, mask: U8) -> U8:
        return image if next(count) < 5 else image[1:]

    with pytest.raises(VideoError, match=r"frame 6 .* the 5 frame"):
        run(source, tmp_path / "out.mp4", render)
    assert names(tmp_path) == ["in.mp4", "out.partial.mp4"]
    assert len(look(tmp_path / "out.partial.mp4").times) == 5
    stopped = run(source, tmp_path / "other.mp4", as_it_is, stop=iter([False] * 3 + [True]).__next__)
    assert (stopped.frames, stopped.complete) == (3, False)


@pytest.mark.usefixtures("all_are_large")
def test_a_background_is_read_frame_by_frame(tmp_path: Path) -> None:
    levels = [50, 190]
    beach = make(
        tmp_path / "beach.mp4",
        [np.full((60, 80, 3), level, np.uint8) for level in levels],
        rate=Fraction(10),
        options={"crf": "1"},
    )
    image, mask = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    with VideoBackground(beach) as background:
        assert not any(t.name == "video reader" for t in threading.enumerate())
        seen = []
        for i in range(4):
            background.seek(i / 10)
            seen.append(round(cv2.mean(background(image, mask))[0]))
    assert seen == pytest.approx([50, 190, 50, 190], abs=2)
