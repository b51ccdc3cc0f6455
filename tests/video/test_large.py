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
from tracks import av

from upperbodyseg import SegmenterOptions, UpperBodySegError, VideoError
from upperbodyseg.video import encoding, pipeline, segment_video
from upperbodyseg.video.background import VideoBackground
from upperbodyseg.video.writer import FileWriter


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_QUEUED_BYTES", 0)
    monkeypatch.setattr(encoding, "LARGE_PIXELS", 0)


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


def claim(source: Path, height: int, width: int) -> Path:
    """Let a Matroska header tell another size than its frames' 640 x 480."""

    def sides(height: int, width: int) -> bytes:
        return b"\xb0\x82" + width.to_bytes(2, "big") + b"\xba\x82" + height.to_bytes(2, "big")

    content = source.read_bytes()
    assert content.count(sides(480, 640)) == 1
    source.write_bytes(content.replace(sides(480, 640), sides(height, width)))
    return source


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx", "libx264"])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_a_header_that_claims_small_frames_does_not_let_large_ones_in(
    codec: str, has_alpha: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_alpha and codec == "libx264":
        return
    source = tmp_path / ("in.mkv" if codec == "libx264" else "in.webm")
    make(source, [np.full((480, 640, 3), 90, np.uint8)] * 2, codec=codec)
    if has_alpha:  # its decoder is libvpx, which knows no limit
        content = source.read_bytes()
        tagged = tmp_path / "tagged.webm"
        with av.open(str(source)) as given, av.open(str(tagged), "w") as copy:
            stream = copy.add_stream_from_template(given.streams.video[0])
            stream.metadata["alpha_mode"] = "1"
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
        assert tagged.read_bytes() != content
        source = tagged
    claim(source, 64, 80)
    shapes: list[Any] = []
    monkeypatch.setattr("upperbodyseg.video.reader.Reader._filtered", lambda _, f: shapes.append(f))
    with pytest.raises(UpperBodySegError, match=r"at most 100,000|no frame of"):
        run_with_limit(source, tmp_path / "out.mp4")
    assert shapes == []


def run_with_limit(source: Path, target: Path) -> None:
    options = SegmenterOptions(model="fast", max_pixels=100_000)
    segment_video(source, target, as_it_is, options=options)


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx", "libx264"])
def test_small_frames_are_read_whatever_the_header_claims(codec: str, tmp_path: Path) -> None:
    source = make(tmp_path / "in.mkv", [np.zeros((480, 640, 3), np.uint8)] * 2, codec=codec)
    assert run(claim(source, 9_800, 10_240), tmp_path / "out.mp4").frames == 2
    assert look(tmp_path / "out.mp4").size == (480, 640)
