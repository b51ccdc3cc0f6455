"""Videos and targets that can't be used, and damaged ones."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import (
    U8,
    as_it_is,
    look,
    make,
    names,
    run,
)

from upperbodyseg import (
    InputError,
    MissingDependencyError,
    VideoError,
)
from upperbodyseg.cli import main

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


def test_a_damaged_frame_is_passed_over_and_said(
    tmp_path: Path, pictures: list[U8], capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "in.mp4", pictures, codec="mpeg4", options={"g": "1"}, sound=("aac",))
    with av.open(str(source)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    position, size = packets[6]
    content[position : position + size] = bytes(size)
    source.write_bytes(content)
    out = tmp_path / "out.mp4"
    assert main(["video", str(source), "-o", str(out), "--model", "fast", "--background", "mask"]) == 1
    printed = capsys.readouterr()
    assert "damaged in 1 place(s)" in printed.err
    assert "11 frame(s)" in printed.out
    assert len(look(out).times) == 11
    assert len(look(out).sound[0]) > 10


def test_a_truncated_file_gives_what_it_holds(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mkv", pictures, options={"g": "1", "bf": "0"})
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    summary = run(source, tmp_path / "out.mp4")
    assert 4 < summary.frames < 12
    assert len(look(tmp_path / "out.mp4").times) == summary.frames


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "can't be opened"), (b"no video at all" * 100, "can't be opened"), ("sound", "no video track")],
    ids=["empty", "text", "sound"],
)
def test_files_without_video_are_refused(content: bytes | str, message: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        with av.open(str(source), "w") as container:
            track = container.add_stream("aac", rate=44100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
            frame.sample_rate = 44100
            for packet in (*track.encode(frame), *track.encode(None)):
                container.mux(packet)
    with pytest.raises(VideoError, match=message):
        run(source, tmp_path / "out.mp4")
    assert names(tmp_path) == ["in.mp4"]


def test_a_video_whose_every_frame_is_damaged_is_an_error(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:3], codec="mpeg4", options={"g": "1"})
    with av.open(str(source)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    for position, size in packets:
        content[position : position + size] = bytes(size)
    source.write_bytes(content)
    (tmp_path / "out.mp4").write_text("before")
    with pytest.raises(VideoError, match=r"no frame of .* could be decoded"):
        run(source, tmp_path / "out.mp4")
    assert names(tmp_path) == ["in.mp4", "out.mp4"]
    assert (tmp_path / "out.mp4").read_text() == "before"


@pytest.mark.parametrize(
    ("target", "layout", "message"),
    [
        ("out.avi", "bgr", "must end in"),
        ("out.mp4", "bgra", "hold no alpha"),
        ("missing/out.mp4", "bgr", "there is no folder"),
        ("missing/frames/%04d.png", "bgr", "there is no folder"),
        ("full", "bgr", "not empty"),
        ("full/%04d.png", "bgr", "not empty"),
        ("%%.png", "bgr", "one number"),
        ("out.mp4", "rgb", "layout must be"),
        ("in.mp4", "bgr", "is the video to be read"),
        ("hard.mp4", "bgr", "is the video to be read"),
        ("soft.mp4", "bgr", "is the video to be read"),
    ],
)
def test_targets_are_checked_before_anything_is_read(
    target: str, layout: Any, message: str, tmp_path: Path
) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"never opened")
    os.link(source, tmp_path / "hard.mp4")
    (tmp_path / "soft.mp4").symlink_to(source)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    before = names(tmp_path)
    with pytest.raises(InputError, match=message):
        run(source, tmp_path / target, as_it_is, layout)
    assert names(tmp_path) == before
    assert source.read_bytes() == b"never opened"


def test_a_missing_or_unreadable_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no"):
        run(tmp_path / "none.mp4", tmp_path / "out.mp4")
    if not hasattr(os, "mkfifo"):
        return  # Windows
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="is no file"):
        run(tmp_path / "pipe.mp4", tmp_path / "out.mp4")
    assert names(tmp_path) == ["pipe.mp4"]


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'upperbodyseg\[video\]'"):
        run(tmp_path / "in.mp4", tmp_path / "out.mp4")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rtsp://camera.local/stream", "is an address and no file.* save it first"),
        ("rtsp:/camera.local/stream", "is an address"),
        ("https://example.org/talk.mp4", "is an address"),
        ("udp://@239.0.0.1:1234", "is an address"),
        ("/dev/video0", "is a device and no file.*webcam --camera"),
        ("0", "is a device"),
        ("video=Integrated Camera", "is a device"),
        ("none.mp4", "there is no file none.mp4"),
        (".", "is a folder"),
    ],
)
def test_what_is_no_file_is_told_apart(
    source: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        run(source, tmp_path / "out.mp4")
    for command in (["video", source, "-o", "out.mp4"], ["webcam", "--input", source, "--no-window"]):
        assert main([*command, *(["--virtual-camera"] if command[0] == "webcam" else [])]) == 2
        printed = capsys.readouterr().err
        assert re.search(words, printed)
        assert len(printed.splitlines()) == 1
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="such names can't be on Windows")
def test_files_may_be_named_like_addresses(
    tmp_path: Path, pictures: list[U8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "in.mp4", pictures[:2]).rename("0")
    assert run(Path("0"), tmp_path / "out.mp4").frames == 2
    (tmp_path / "http:").mkdir()
    (tmp_path / "0").rename("http:/talk.mp4")
    assert run(Path("http:/talk.mp4"), tmp_path / "out.mp4").frames == 2
