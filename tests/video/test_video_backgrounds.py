"""Videos as backgrounds, and files with alpha."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import U8, as_it_is, look, make, names, plane, run, the_mask, with_alpha
from tracks import av

from upperbodyseg import InputError
from upperbodyseg.cli import main
from upperbodyseg.effects import cut_out, replace_background
from upperbodyseg.video.background import VideoBackground, is_video


def shades(path: Path, levels: list[int], fps: int) -> Path:
    frames = [np.full((60, 80, 3), level, np.uint8) for level in levels]
    return make(path, frames, rate=Fraction(fps), options={"crf": "1"})


def test_a_background_video_runs_at_its_own_pace_and_loops(tmp_path: Path, pictures: list[U8]) -> None:
    """Ten frames a second behind thirty: each is shown three times, and after the third the first again."""
    source = make(tmp_path / "in.mp4", pictures, rate=Fraction(30))
    beach = shades(tmp_path / "beach.mp4", [50, 120, 190], 10)
    with VideoBackground(beach) as background:
        levels = []

        def render(image: U8, mask: U8) -> U8:
            shown = background(image, np.zeros_like(mask))
            levels.append(int(np.median(shown)))
            return shown

        class Render:
            seek = background.seek
            __call__ = staticmethod(render)

        run(source, tmp_path / "out.mp4", Render())
    assert levels == pytest.approx([50] * 3 + [120] * 3 + [190] * 3 + [50] * 3, abs=2)


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_the_command_puts_people_before_a_video(ending: str, tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures)
    beach = shades(tmp_path / "short.mp4", [200, 40], 5)
    if ending == "gif":
        run(beach, tmp_path / "short.gif")
        beach = tmp_path / "short.gif"
    out = tmp_path / "out.mp4"
    assert main(["video", str(source), "-o", str(out), "--model", "fast", "--background", str(beach)]) == 0
    corners = [int(np.median(luma[:20, -12:])) for luma in look(out).luma]
    assert len(corners) == 12
    assert min(corners[:6]) > 150
    assert max(corners[6:]) < 70


def test_backgrounds_that_can_not_be_read_are_refused(
    tmp_path: Path, pictures: list[U8], capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "in.mp4", pictures[:2])
    (tmp_path / "text.mp4").write_text("no video")
    command = ["video", str(source), "-o", str(tmp_path / "out.mp4"), "--background"]
    assert main([*command, str(tmp_path / "none.mp4")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "text.mp4")]) == 1
    assert "can't be opened as a video" in capsys.readouterr().err
    with pytest.raises(InputError, match="160 x 120"):
        VideoBackground(source, max_pixels=1000)
    assert names(tmp_path) == ["in.mp4", "text.mp4"]
    assert is_video("Beach.MOV")
    assert not is_video("beach.jpg")


def test_prores_holds_the_alpha(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:3], sound=("aac",))
    masks = []

    def render(image: U8, mask: U8) -> U8:
        masks.append(mask.copy())
        return with_alpha(image, mask)

    assert run(source, tmp_path / "out.mov", render, "bgra").notes == ()
    with av.open(str(tmp_path / "out.mov")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag) == ("prores", "ap4h")
        frames = [f.reformat(format="bgra").to_ndarray() for f in container.decode(video=0)]
    assert len(frames) == 3
    for frame, mask, picture in zip(frames, masks, pictures, strict=False):
        assert cv2.PSNR(np.ascontiguousarray(frame[..., 3]), mask) > 45
        assert cv2.PSNR(np.ascontiguousarray(frame[..., :3]), picture) > 28


def test_gif_holds_pictures_and_alpha_at_most_50_a_second(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures, rate=Fraction(100), sound=("aac",))
    out = tmp_path / "out.gif"
    summary = run(source, out)
    assert summary.frames == 12
    assert summary.notes == (
        ".gif holds no sound: left out",
        "6 frame(s) were left out: .gif shows 50 a second",
    )
    with av.open(str(out)) as container:
        shown = [(f.time, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]
    assert [t for t, _ in shown] == pytest.approx([0.02 * i for i in range(6)])
    assert cv2.PSNR(shown[3][1], pictures[6]) > 25
    run(source, out, with_alpha, "bgra")
    masks = []

    def keep_mask(image: U8, mask: U8) -> U8:
        masks.append(mask.copy())
        return mask

    run(source, tmp_path / "mask.mkv", keep_mask, "grey")
    with av.open(str(out)) as container:
        alphas = [f.to_ndarray(format="bgra")[..., 3] for f in container.decode(video=0)]
    for alpha, mask in zip(alphas, masks[::2], strict=True):
        assert set(np.unique(alpha)) <= {0, 255}
        assert ((alpha == 255) == (mask >= 128)).mean() > 0.99


def test_gif_comes_in_with_its_times(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mkv", pictures, rate=Fraction(20))
    run(source, tmp_path / "in.gif")
    assert run(tmp_path / "in.gif", tmp_path / "out.mp4").frames == 12
    after = look(tmp_path / "out.mp4")
    assert np.diff([float(t) for t in after.times]) == pytest.approx(0.05, abs=1e-3)
    assert after.duration == pytest.approx(0.6, abs=0.02)


def test_a_render_may_fill_one_picture_again_and_again(tmp_path: Path, pictures: list[U8]) -> None:
    """It is written in another thread, a little later."""
    source = make(tmp_path / "in.mp4", pictures)
    out = np.zeros((120, 160, 3), np.uint8)
    count = iter(range(12))

    def render(image: U8, mask: U8) -> U8:
        out[:] = 20 * next(count)
        return out

    run(source, tmp_path / "out", render)
    written = [cv2.imread(str(p))[0, 0, 0] for p in sorted((tmp_path / "out").iterdir())]
    assert written == [20 * i for i in range(12)]


def test_a_quick_cut_out_looks_like_the_person(webcam: U8) -> None:
    from upperbodyseg import segment

    mask = segment(webcam)
    green = np.empty_like(webcam)
    green[:] = (0, 200, 0)
    expected = replace_background(webcam, mask, green).astype(float)
    cut = cut_out(webcam, mask, quick=True)
    np.testing.assert_array_equal(cut[..., 3], mask)
    np.testing.assert_array_equal(cut[mask == 255][:, :3], webcam[mask == 255])
    alpha = mask[..., None] / 255
    shown = cut[..., :3] * alpha + green * (1 - alpha)
    soft = (mask > 0) & (mask < 255)
    assert np.abs(shown - expected)[soft].mean() < 6


def test_grey_and_plain_videos_go_into_gif(tmp_path: Path, pictures: list[U8]) -> None:
    source = make(tmp_path / "in.mp4", pictures[:3])
    run(source, tmp_path / "mask.gif", the_mask, "grey")
    with av.open(str(tmp_path / "mask.gif")) as container:
        frames = [plane(f.reformat(format="gray"), 0) for f in container.decode(video=0)]
    assert frames[0].max() > 200
    assert frames[0].min() < 20
    assert run(source, tmp_path / "odd.gif", as_it_is).notes == ()
