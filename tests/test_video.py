from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from upperbodyseg import (
    FrameInput,
    InputError,
    MissingDependencyError,
    SegmenterOptions,
    UpperBodySegmenter,
    VideoError,
)
from upperbodyseg.cli import main
from upperbodyseg.video import VideoSummary, segment_video

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")

U8 = NDArray[np.uint8]
NTSC = Fraction(30000, 1001)
FAST = SegmenterOptions(model="fast")
HEIGHT, WIDTH = 120, 160


def as_it_is(image: U8, mask: U8) -> U8:
    return image


def the_mask(image: U8, mask: U8) -> U8:
    return mask


def with_alpha(image: U8, mask: U8) -> U8:
    return np.dstack([image, mask])


@pytest.fixture(scope="session")
def pictures(portrait: U8) -> list[U8]:
    """Twelve BGR frames 120 x 160: a woman's head and shoulders move by two pixels a frame."""
    frames = []
    person = cv2.resize(portrait, (112, 120), interpolation=cv2.INTER_AREA)
    for i in range(12):
        frame = np.full((HEIGHT, WIDTH, 3), (150, 140, 130), np.uint8)
        frame[:, 2 * i : 2 * i + 112] = person
        frames.append(frame)
    return frames


def segment(picture: U8) -> U8:
    """The mask of a picture as such, by the models that the videos here are segmented with."""
    with UpperBodySegmenter(FAST) as engine:
        frame = FrameInput.from_array(picture, is_still=True)
        return engine.process(frame).mask


def make(
    path: Path,
    pictures: Sequence[U8],
    *,
    codec: str = "libx264",
    rate: Fraction = NTSC,
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    sound: Sequence[str] = (),
    pixel_aspect: Fraction | None = None,
    title: str = "",
    start_s: int = 0,
    full: bool = False,
    matrix: int = 2,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of BGR pictures; ``times`` in units of ``time_base``, ``matrix`` as in H.273 (1, 5, 6 or 2)."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        if title:
            container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        if codec == "mjpeg":
            stream.pix_fmt = "yuvj420p"
        if time_base is not None:
            context.time_base = time_base
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        if full or codec == "mjpeg":
            context.color_range = 2
        context.colorspace = matrix
        if matrix != 2:
            context.color_primaries = context.color_trc = 1 if matrix == 1 else 6
        tracks = []
        for name in sound:
            track = container.add_stream(name, rate=48000 if name == "libopus" else 44100, layout="stereo")
            track.metadata["language"] = "fra" if tracks else "eng"
            tracks.append(track)
        for number, track in enumerate(tracks):
            seconds = len(pictures) / float(rate)
            t = np.arange(int(track.codec_context.sample_rate * seconds)) / track.codec_context.sample_rate
            wave = (np.sin(2 * np.pi * (440 + 220 * number) * t) * 8000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
            frame.sample_rate = track.codec_context.sample_rate
            frame.pts = round(start_s * frame.sample_rate)
            for packet in (*track.encode(frame), *track.encode(None)):
                container.mux(packet)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(yuv(picture, matrix, full or codec == "mjpeg"), stream.pix_fmt)
            frame.time_base = 1 / rate if time_base is None else time_base
            frame.pts = (i if times is None else times[i]) + round(start_s / frame.time_base)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def yuv(bgr: U8, matrix: int = 2, full: bool = False) -> U8:
    """BGR as planar 4:2:0 by the textbook (ITU-T H.273); odd sizes are cropped to even ones."""
    bgr = bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2]
    kr, kb = (0.2126, 0.0722) if matrix == 1 else (0.299, 0.114)
    b, g, r = np.moveaxis(bgr.astype(np.float64), -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if not full:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    half = [cv2.resize(c, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) + 128 for c in (u, v)]
    height, width = bgr.shape[:2]
    planes = np.concatenate([y.ravel(), half[0].ravel(), half[1].ravel()])
    return np.clip(planes.round(), 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)


def look(path: Path) -> SimpleNamespace:
    """What a player would find in a file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tracks = [stream, *container.streams.audio]
        packets: dict[int, list[tuple[Any, bytes]]] = {t.index: [] for t in tracks}
        frames = []
        for packet in container.demux(*tracks):
            if packet.pts is not None:
                packets[packet.stream_index].append((packet.pts * packet.time_base, bytes(packet)))
            if packet.stream_index == stream.index:
                frames += packet.decode()
        context = stream.codec_context
        return SimpleNamespace(
            codec=context.name,
            size=(context.height, context.width),
            rate=stream.average_rate,
            times=[f.pts * f.time_base for f in frames],
            luma=[plane(f, 0) for f in frames],
            chroma=[(plane(f, 1), plane(f, 2)) for f in frames],
            sound=[packets[t.index] for t in container.streams.audio],
            sound_codecs=[t.codec_context.codec.canonical_name for t in container.streams.audio],
            languages=[t.metadata.get("language") for t in container.streams.audio],
            colours=(
                context.color_range,
                context.colorspace,
                context.color_primaries,
                context.color_trc,
            ),
            pixel_aspect=stream.sample_aspect_ratio,
            title=container.metadata.get("title"),
            duration=container.duration / 1e6,
            turned=any(f.side_data.get("DISPLAYMATRIX") is not None for f in frames),
        )


def plane(frame: Any, number: int) -> U8:
    part = frame.planes[number]
    return np.frombuffer(part, np.uint8).reshape(part.height, part.line_size)[:, : part.width].copy()


def iou(one: U8, other: U8) -> float:
    one, other = one >= 128, other >= 128
    return float((one & other).sum() / (one | other).sum())


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def turn(path: Path, matrix: Sequence[int]) -> Path:
    """Ask players to turn a video: write a display matrix (a, b, c, d) into an MP4's track header."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), content.index(b"tkhd"))
    a, b, c, d = (65536 * m for m in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def run(
    source: Path, target: Path, render: Any = as_it_is, layout: Any = "bgr", **keywords: Any
) -> VideoSummary:
    return segment_video(source, target, render, layout=layout, options=FAST, **keywords)


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_frames_times_rate_sound_and_title_survive(ending: str, tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / f"in.{ending}", pictures, sound=("aac", "aac"), title="Grüße")
    out = tmp_path / f"out.{ending}"
    summary = run(source, out)
    before, after = look(source), look(out)
    assert summary == VideoSummary(out, 12, 0, True, ())
    assert after.times == before.times
    assert len(after.times) == 12
    assert after.rate == before.rate == NTSC
    assert after.codec == "h264"
    assert len(after.sound) == 2
    assert after.sound == before.sound
    assert min(len(track) for track in after.sound) > 10
    assert after.languages == ["eng", "fra"]
    assert after.title == "Grüße"
    assert after.duration == pytest.approx(before.duration, abs=0.025)  # a packet of AAC
    for one, other in zip(before.luma, after.luma, strict=True):
        assert cv2.PSNR(one, other) > 35


def test_tags_in_other_encodings_are_handed_on(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:2], title="Gruesse")
    content = source.read_bytes()
    assert content.count(b"Gruesse") == 1
    source.write_bytes(content.replace(b"Gruesse", b"Gr\xfc\xdfe  "))  # Latin-1
    run(source, tmp_path / "out.mp4")
    assert b"Gr\xfc\xdfe" in (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_variable_frame_rates_keep_every_time(ending: str, tmp_path: Path, pictures: list[U8]) -> None:
    times = [100, 133, 150, 151, 400, 401, 1000, 1500, 1533, 1567, 1600, 3000]
    source = make(tmp_path / "in.mkv", pictures, times=times, time_base=Fraction(1, 1000))
    out = tmp_path / f"out.{ending}"
    run(source, out)
    assert [round(t * 1000) for t in look(out).times] == times
    assert look(out).times == look(source).times


def test_broadcasts_start_at_zero_with_sound_and_picture_together(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.ts", pictures, sound=("aac",), start_s=100)
    out = tmp_path / "out.mp4"
    assert run(source, out).notes == ()
    before, after = look(source), look(out)
    assert before.times[0] > 99
    shift = before.times[0] - after.times[0]
    assert 0 <= after.times[0] < 0.1
    assert [t + shift for t in after.times] == before.times
    assert float(before.sound[0][0][0] - after.sound[0][0][0] - shift) == pytest.approx(0, abs=1e-3)


def test_a_clock_that_begins_anew_goes_on(tmp_path: Path, pictures: list[U8]) -> None:
    part = make(tmp_path / "part.ts", pictures, sound=("aac",), start_s=100)
    source = tmp_path / "in.ts"
    source.write_bytes(part.read_bytes() * 2)
    summary = run(source, tmp_path / "out.mp4")
    after = look(tmp_path / "out.mp4")
    assert (summary.frames, len(after.times)) == (24, 24)
    assert "went backwards" in summary.notes[0]
    assert np.diff([float(t) for t in after.times]) == pytest.approx(1001 / 30000, abs=1e-4)
    assert len(after.sound[0]) == 2 * len(look(part).sound[0])
    assert np.diff([float(t) for t, _ in after.sound[0]]) == pytest.approx(1024 / 44100, abs=1e-3)


# Turned by a quarter, a half, and mirrored: where x and y go (see libavutil/display.h).
@pytest.mark.parametrize(
    ("matrix", "lay"),
    [
        ((0, 1, -1, 0), lambda p: np.rot90(p, 1)),
        ((0, -1, 1, 0), lambda p: np.rot90(p, -1)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    ],
    ids=["90", "-90", "180", "mirrored"],
)
def test_turned_videos_are_segmented_and_written_upright(
    matrix: tuple[int, ...], lay: Any, tmp_path: Path, pictures: list[U8]
) -> None:
    upright = np.ascontiguousarray(pictures[0][:, :128])
    held = np.ascontiguousarray(lay(upright))
    source = turn(make(tmp_path / "in.mp4", [held] * 3, pixel_aspect=Fraction(4, 3)), matrix)
    assert look(source).turned
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image.copy())
        return mask

    run(source, tmp_path / "out.mp4", render, "grey")
    after = look(tmp_path / "out.mp4")
    assert cv2.PSNR(seen[0], upright) > 28
    assert after.size == upright.shape[:2]
    assert not after.turned
    assert after.pixel_aspect == (Fraction(3, 4) if matrix[0] == 0 else Fraction(4, 3))
    assert iou(after.luma[0], segment(upright)) > 0.85


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize(("matrix", "full"), [(1, False), (1, True), (6, False), (6, True), (2, True)])
def test_colours_are_read_and_written_as_the_file_says(
    ending: str, matrix: int, full: bool, tmp_path: Path
) -> None:
    patches = np.zeros((64, 96, 3), np.uint8)
    colours = [(255, 255, 255), (0, 0, 0), (40, 40, 220), (200, 60, 30), (60, 180, 60), (120, 120, 120)]
    for i, colour in enumerate(colours):
        patches[:, 16 * i : 16 * i + 16] = colour
    source = make(tmp_path / "in.mkv", [patches] * 2, matrix=matrix, full=full, options={"crf": "1"})
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image.copy())
        return image

    out = tmp_path / f"out.{ending}"
    run(source, out, render)
    before, after = look(source), look(out)
    middles = np.arange(8, 96, 16)
    np.testing.assert_allclose(seen[0][32, middles].astype(int), colours, atol=6)
    kept = 2 if ending == "webm" else 4  # WebM says range and matrix in the codec's own header
    assert after.colours[:kept] == before.colours[:kept]
    assert after.colours[0] == (2 if full else before.colours[0])
    assert after.colours[1] == before.colours[1]
    np.testing.assert_allclose(after.luma[0][32, middles], before.luma[0][32, middles].astype(int), atol=4)
    for one, other in zip(after.chroma[0], before.chroma[0], strict=True):
        np.testing.assert_allclose(one[16, middles // 2], other[16, middles // 2].astype(int), atol=6)


def test_jpeg_videos_stay_full_range(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mov", pictures[:3], codec="mjpeg")
    run(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").colours[0] == 2


def test_odd_sizes_grow_by_a_pixel_in_h264_and_stay_in_vp9(tmp_path: Path, pictures: list[U8]) -> None:
    odd = [np.ascontiguousarray(p[:119, :159]) for p in pictures[:4]]
    source = tmp_path / "in.avi"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 159, 119, "bgr0"
        for picture in odd:
            frame = av.VideoFrame.from_ndarray(np.dstack([picture, picture[..., :1]]), "bgra")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image.copy())
        return mask

    summary = run(source, tmp_path / "out.mp4", render, "grey")
    np.testing.assert_array_equal(seen, odd)
    assert look(tmp_path / "out.mp4").size == (120, 160)
    assert "159 x 119 became 160 x 120" in summary.notes[0]
    assert run(source, tmp_path / "out.webm", the_mask, "grey").notes == ()
    assert look(tmp_path / "out.webm").size == (119, 159)
    assert iou(look(tmp_path / "out.webm").luma[0], segment(odd[0])) > 0.85


def test_the_mask_video_holds_the_masks(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    masks = []

    def render(image: U8, mask: U8) -> U8:
        masks.append(mask.copy())
        return mask

    run(source, tmp_path / "mask.mp4", render, "grey")
    after = look(tmp_path / "mask.mp4")
    assert after.colours[0] == 2
    for written, mask, picture in zip(after.luma, masks, pictures, strict=True):
        assert iou(written, mask) > 0.98
        assert iou(mask, segment(picture)) > 0.85
        assert written[mask == 255].min() > 200
    for planes in after.chroma:
        assert {int(v) for p in planes for v in np.unique(p)} == {128}


def test_alpha_goes_into_webm_and_png(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:5], sound=("aac",))
    out, folder = tmp_path / "out.webm", tmp_path / "frames"
    notes = run(source, out, with_alpha, "bgra").notes
    assert "sound track 1 was re-encoded: .webm can't hold aac" in notes
    masks = []
    with av.open(str(out)) as container:
        assert container.streams.video[0].metadata["ALPHA_MODE"] == "1"
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own decoder leaves alpha out
        for packet in container.demux(video=0):
            masks += [plane(f, 3) for f in decoder.decode(packet) if f.format.name == "yuva420p"]
    assert run(source, folder, with_alpha, "bgra").notes == ("PNG pictures have no sound: it was left out",)
    assert names(folder) == [f"{i:06d}.png" for i in range(1, 6)]
    assert len(masks) == 5
    for i, alpha in enumerate(masks):
        png = cv2.imread(str(folder / f"{i + 1:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert png is not None
        assert iou(alpha, png[..., 3]) > 0.97
        assert iou(png[..., 3], segment(pictures[i])) > 0.85
        assert cv2.PSNR(np.ascontiguousarray(png[..., :3]), pictures[i]) > 25
    (tmp_path / "named").mkdir()
    run(source, tmp_path / "named" / "f%03d.png", the_mask, "grey")
    assert names(tmp_path / "named") == [f"f{i:03d}.png" for i in range(1, 6)]


def test_pcm_is_re_encoded_where_the_container_has_none(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mov", pictures, sound=("pcm_mulaw", "aac"))
    summary = run(source, tmp_path / "out.mp4")
    before, after = look(source), look(tmp_path / "out.mp4")
    assert summary.notes == ("sound track 1 was re-encoded: .mp4 can't hold pcm_mulaw",)
    assert after.sound_codecs == ["aac", "aac"]
    assert [p for _, p in after.sound[1]] == [p for _, p in before.sound[1]]
    assert float(after.sound[0][-1][0]) == pytest.approx(0.4, abs=0.05)


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
    with pytest.raises(VideoError, match=r"frame 4 .*render must give.*the 3 frame\(s\) .*partial2.mp4"):
        run(source, tmp_path / "out.mp4", lambda i, m: i if seen.append(i) or len(seen) < 4 else m)
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

    monkeypatch.setattr(Path, "replace", interrupt)
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


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'upperbodyseg\[video\]'"):
        run(tmp_path / "in.mp4", tmp_path / "out.mp4")
