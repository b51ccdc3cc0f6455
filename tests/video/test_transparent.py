"""Videos that are transparent in places."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import FAST, U8, make, run, segment, the_mask
from tracks import av

from upperbodyseg.cli import main
from upperbodyseg.effects import cut_out
from upperbodyseg.video import segment_video

RED = (0, 0, 255)
RIGHT = 100
"""Columns from here on are erased; the person reaches across."""


def erase(image: U8, mask: U8) -> U8:
    picture = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
    picture[:, RIGHT:] = (*RED, 0)
    return picture


@pytest.fixture(params=["gif", "mov", "webm"])
def source(request: pytest.FixtureRequest, tmp_path: Path, pictures: list[U8]) -> Path:
    path = tmp_path / f"erased.{request.param}"
    run(make(tmp_path / "whole.mp4", pictures[:4]), path, erase, "bgra")
    return path


def test_what_is_erased_stays_erased(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[U8, U8]] = []

    def render(image: U8, mask: U8) -> U8:
        seen.append((image.copy(), mask.copy()))
        return cut_out(image, mask)

    assert run(source, tmp_path / "out", render, "bgra").frames == len(seen) == 4
    for image, mask in seen:
        assert not mask[:, RIGHT + 2 :].any()
        assert image[:, RIGHT + 2 :].min() > 240  # white: the hidden red is not seen
        assert mask[70:, 50:90].mean() > 200
    written = cv2.imread(str(tmp_path / "out" / "000001.png"), cv2.IMREAD_UNCHANGED)
    assert written is not None
    np.testing.assert_array_equal(written[..., 3], seen[0][1])


def test_the_background_is_seen_where_a_video_is_transparent(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert main(["video", str(source), "-o", str(out), "--model", "fast", "--background", "#00ff00"]) == 0
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(frame[20:100, RIGHT + 6 :].astype(int) - (0, 255, 0)).mean() < 12


def test_half_transparent_people_stay_half_transparent(tmp_path: Path, pictures: list[U8]) -> None:
    def fade(image: U8, mask: U8) -> U8:
        return np.dstack([image, np.full_like(mask, 128)])

    run(make(tmp_path / "in.mp4", pictures[:2]), tmp_path / "half.mov", fade, "bgra")
    masks: list[U8] = []

    def render(image: U8, mask: U8) -> U8:
        masks.append(mask.copy())
        return mask

    segment_video(tmp_path / "half.mov", tmp_path / "out", render, layout="grey", options=FAST)
    whole = segment(pictures[0])
    assert masks[0][whole == 255].mean() == pytest.approx(128, abs=6)
    assert masks[0][whole == 0].mean() < 2


def test_opaque_gifs_are_as_other_videos(tmp_path: Path, pictures: list[U8]) -> None:
    run(make(tmp_path / "in.mp4", pictures[:2]), tmp_path / "in.gif")
    assert run(tmp_path / "in.gif", tmp_path / "out", the_mask, "grey").frames == 2
    mask = cv2.imread(str(tmp_path / "out" / "000001.png"), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    assert mask[60:, 40:80].mean() > 200
