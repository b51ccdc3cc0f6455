"""What is kept of a video: frames, times, colours, sound, tags."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import (
    NTSC,
    U8,
    iou,
    look,
    make,
    names,
    plane,
    run,
    segment,
    the_mask,
    turn,
    with_alpha,
)

from upperbodyseg.video import VideoSummary

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")


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
    steps = np.diff([float(t) for t in after.times])
    assert np.delete(steps, 11) == pytest.approx(1001 / 30000, abs=1e-4)
    # The sound is longer than the picture, which waits for it: one offset for both.
    sound = [float(t) for t, _ in after.sound[0]]
    assert len(sound) == 2 * len(look(part).sound[0])
    assert np.diff(sound) == pytest.approx(1024 / 44100, abs=1e-3)
    picture_moved = float(after.times[12] - after.times[0])
    assert picture_moved == pytest.approx(sound[len(sound) // 2] - sound[0], abs=1e-3)


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
