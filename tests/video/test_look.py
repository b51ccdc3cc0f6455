"""Videos whose frames are not simply pictures: interlaced, of changing size, HDR."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import U8, as_it_is, look, make, run, yuv
from tracks import av

from upperbodyseg import InputError, SegmenterOptions
from upperbodyseg.cli import main
from upperbodyseg.video import segment_video
from upperbodyseg.video.tonemap import tone_map

HLG, PQ = 18, 16


def combing(luma: U8) -> float:
    """How much more neighbouring rows differ than those of one field."""
    rows = luma.astype(int)
    return float(np.abs(np.diff(rows, axis=0)).mean() / np.abs(rows[2:] - rows[:-2]).mean())


def test_interlaced_frames_are_deinterlaced(tmp_path: Path) -> None:
    source = tmp_path / "in.ts"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme"})
        stream.height, stream.width, stream.pix_fmt = 120, 160, "yuv420p"
        for i in range(10):
            fields = [np.full((120, 160, 3), 40, np.uint8) for _ in range(2)]
            for k, field in enumerate(fields):
                cv2.rectangle(field, (8 * (2 * i + k), 30), (8 * (2 * i + k) + 30, 90), (220,) * 3, -1)
            fields[0][1::2] = fields[1][1::2]
            frame = av.VideoFrame.from_ndarray(yuv(fields[0]), "yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    summary = run(source, tmp_path / "out.mp4")
    assert summary.notes == ("the video is interlaced; its frames were deinterlaced",)
    before, after = look(source), look(tmp_path / "out.mp4")
    assert len(after.times) == len(before.times) == 10
    assert np.diff([float(t) for t in after.times]) == pytest.approx(1 / 25, abs=1e-3)
    assert min(combing(luma) for luma in before.luma[2:8]) > 2
    assert max(combing(luma) for luma in after.luma[2:8]) < 1


def test_other_sizes_midway_are_fitted_and_padded(tmp_path: Path, pictures: list[U8]) -> None:
    upright = [np.ascontiguousarray(cv2.resize(p, (96, 120))) for p in pictures]
    source = tmp_path / "in.ts"
    with source.open("wb") as joined:
        for i, part in enumerate((pictures, upright)):
            joined.write(make(tmp_path / f"{i}.ts", part, start_s=10 * i + 10).read_bytes())
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image.copy())
        return image

    summary = run(source, tmp_path / "out.mp4", render)
    assert summary.frames == 24
    assert (
        "the video's size changes midway, from 160 x 120 to 96 x 120; such frames were fitted into the first "
        "size and padded"
    ) in summary.notes
    assert look(tmp_path / "out.mp4").size == (120, 160)
    assert {p.shape for p in seen} == {(120, 160, 3)}
    assert not seen[-1][:, :30].any()
    assert not seen[-1][:, -30:].any()
    assert cv2.PSNR(np.ascontiguousarray(seen[-1][:, 32:128]), upright[-1]) > 28


def test_another_pixel_aspect_midway_is_said(tmp_path: Path, pictures: list[U8]) -> None:
    source = tmp_path / "in.ts"
    with source.open("wb") as joined:
        for i, aspect in enumerate((Fraction(16, 15), Fraction(64, 45))):
            part = make(tmp_path / f"{i}.ts", pictures, start_s=10 * i + 10, pixel_aspect=aspect)
            joined.write(part.read_bytes())
    summary = run(source, tmp_path / "out.mp4")
    assert summary.frames == 24
    notes = [note for note in summary.notes if "pixel aspect" in note]
    assert notes == [
        "the video's pixel aspect ratio changes midway, from 16/15 to 64/45; the first was kept, so what "
        "follows is stretched"
    ]
    assert look(tmp_path / "out.mp4").pixel_aspect == Fraction(16, 15)
    plain = make(tmp_path / "plain.ts", pictures, pixel_aspect=Fraction(16, 15))
    assert run(plain, tmp_path / "out.mp4").notes == ()


def pq(nits: float) -> float:
    """SMPTE ST 2084."""
    y = (nits / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_tone_mapped_and_marked_as_bt709(
    transfer: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six greys, from black to the peak, and one red."""
    greys = [0.0, 0.2, 0.4, 0.58, 0.65, 0.75 if transfer == PQ else 1.0]
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = 64, 224, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = (
            transfer,
            9,
            9,
            1,
        )
        rgb = np.zeros((64, 224, 3))
        for i, grey in enumerate(greys):
            rgb[:, 32 * i : 32 * i + 32] = grey
        rgb[:, 192:] = (0.58, 0, 0)
        y = rgb @ [0.2627, 0.6780, 0.0593]
        cb, cr = (rgb[..., 2] - y) / 1.8814, (rgb[..., 0] - y) / 1.4746
        planes = [64 + 876 * y, 512 + 896 * cb[::2, ::2], 512 + 896 * cr[::2, ::2]]
        for i in range(2):
            frame = av.VideoFrame(224, 64, "yuv420p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                rows[:, : plane.width] = values.round()
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = i, Fraction(1, 25)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    seen = []

    def render(image: U8, mask: U8) -> U8:
        seen.append(image.copy())
        return image

    notes = run(source, tmp_path / "out.mp4", render).notes
    assert notes == ("HDR was tone-mapped to 8 bits in BT.709",)
    assert look(tmp_path / "out.mp4").colours == (1, 1, 1, 1)
    shown = seen[0][32, 16::32].astype(int)
    assert np.ptp(shown[:6], axis=1).max() <= 3
    levels = shown[:6].mean(1)
    assert (np.diff(levels) > 4).all()
    assert levels[0] <= 2
    assert levels[-1] >= 250
    blue, green, red = shown[6]
    # Saturated red of BT.2020 lies outside BT.709: without green and blue, as bright as the curves say.
    expected = 255 * tone_map(np.array([0.58, 0, 0]), transfer)
    assert (red, green, blue) == pytest.approx(
        tuple(expected), abs=2
    )  # 1 from 10-bit codes, 1 from the table
    # The new background is what it is in any video.
    command = ["video", str(source), "-o", str(tmp_path / "green.mp4"), "--model", "fast"]
    assert main([*command, "--background", "#00b140"]) == 0
    assert "tone-mapped" in capsys.readouterr().err
    green_video = look(tmp_path / "green.mp4")
    background = yuv(np.full((2, 2, 3), (0x40, 0xB1, 0x00), np.uint8), matrix=1)
    assert np.median(green_video.luma[0]) == pytest.approx(background[0, 0], abs=2)


def test_the_tone_curve_is_bt2390s() -> None:
    """Dark colours keep their light, 1000 cd/m2 become white."""
    greys = np.repeat([pq(nits) for nits in (1, 20, 100, 203, 500, 1000, 4000)], 3).reshape(-1, 3)
    light = tone_map(greys, PQ)[:, 0] ** 2.4 * 203
    assert light[:2] == pytest.approx([1, 20], rel=0.02)
    assert 80 < light[2] <= 100
    assert 100 < light[3] < 203
    assert light[-2:] == pytest.approx([203, 203], rel=0.01)
    assert all(a <= b for a, b in itertools.pairwise(light))


def test_a_video_is_refused_by_its_size_before_its_frames_are_decoded(tmp_path: Path) -> None:
    """The header says 160 x 120; the frames are none, so that decoding them would end otherwise."""
    source = make(tmp_path / "in.mp4", [np.zeros((120, 160, 3), np.uint8)] * 2)
    content = source.read_bytes()
    start = content.index(b"mdat") + 4
    source.write_bytes(
        content[:start]
        + bytes(len(content[start : content.index(b"moov")]))
        + content[content.index(b"moov") :]
    )
    with pytest.raises(InputError, match=r"160 x 120, 19,200 pixels; at most 10,000 .* raise max_pixels"):
        segment_video(
            source, tmp_path / "out.mp4", as_it_is, options=SegmenterOptions(model="fast", max_pixels=10_000)
        )
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_frames_that_grow_beyond_the_limit_are_refused(tmp_path: Path, pictures: list[U8]) -> None:
    """The first part's size is what the header says."""
    source = tmp_path / "in.ts"
    with source.open("wb") as joined:
        for i, part in enumerate((pictures, [cv2.resize(p, (640, 480)) for p in pictures])):
            joined.write(make(tmp_path / f"{i}.ts", part, start_s=10 * i + 10).read_bytes())
    options = SegmenterOptions(model="fast", max_pixels=100_000)
    summary = segment_video(source, tmp_path / "out.mp4", as_it_is, options=options)
    assert summary.damaged >= 12
    assert 12 <= summary.frames < 24
