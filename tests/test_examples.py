"""The programs in examples/, run as they stand: without arguments, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

EXAMPLES = Path(__file__).parent.parent / "examples"
ASTRONAUT = EXAMPLES / "astronaut.jpg"

# Where the person in astronaut.jpg certainly is, and certainly not: top, bottom, left, right in shares of its
# height (it is 420 x 400).
FACE = (0.22, 0.36, 0.44, 0.56)
WALL = (0.02, 0.25, 0.7, 0.85)


def run(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path: Path, *, alpha: bool = False) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED if alpha else cv2.IMREAD_COLOR)
    assert picture is not None, path
    return picture


def part(picture: NDArray[np.uint8], box: tuple[float, ...], left: int = 0) -> NDArray[np.uint8]:
    """A part of the astronaut, whose picture is as high as this one and begins at column ``left``."""
    top, bottom, first, last = (round(share * len(picture)) for share in box)
    return picture[top:bottom, left + first : left + last]


def assert_mask(mask: NDArray[np.uint8], left: int = 0) -> None:
    assert part(mask, FACE, left).min() > 200
    assert part(mask, WALL, left).mean() < 10


def test_image(tmp_path: Path) -> None:
    printed = run("image", tmp_path)
    names = {"mask.png", "cut_out.png", "on_green.png", "blurred.png"}
    assert {p.name for p in tmp_path.iterdir()} == set(printed.split()) == names
    mask = read(tmp_path / "mask.png")[..., 0]
    assert mask.shape == (400, 420)
    assert_mask(mask)
    cut_out = read(tmp_path / "cut_out.png", alpha=True)
    assert np.array_equal(cut_out[..., 3], mask)
    green = read(tmp_path / "on_green.png")
    assert np.all(green[mask == 0] == (64, 177, 0))
    blurred = read(tmp_path / "blurred.png")
    assert np.array_equal(blurred[mask == 255], green[mask == 255])  # the picture itself
    flag = (0.1, 0.4, 0.0, 0.15)
    detail, left = (cv2.Laplacian(part(p, flag), cv2.CV_32F).std() for p in (read(ASTRONAUT), blurred))
    assert left < 0.2 * detail


def test_image_of_ones_own_into_a_folder_that_is_made(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((40, 60, 3), 128, np.uint8))
    run("image", tmp_path, "grey.png", "--out", "results/of grey")
    assert not read(tmp_path / "results" / "of grey" / "mask.png").any()


def test_image_says_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(AssertionError, match=r"notes\.txt is no picture that OpenCV can read"):
        run("image", tmp_path, "notes.txt")


def test_main_person(tmp_path: Path) -> None:
    *names, confidence = run("main_person", tmp_path).splitlines()
    assert names == ["main_person.png", "person_0.png"]
    for name in names:
        assert_mask(read(tmp_path / name, alpha=True)[..., 3])
    assert 0.5 < float(confidence.removeprefix("confidence: ")) <= 1


def test_yuv_camera(tmp_path: Path) -> None:
    lines = run("yuv_camera", tmp_path).splitlines()
    assert len(lines) == 30
    assert [int(line.split(" ms:")[0]) for line in lines] == [n * 1000 // 30 for n in range(30)]
    assert all("1 person(s)" in line and "total" in line for line in lines)
    mask = read(tmp_path / "last_mask.png")[..., 0]
    assert mask.shape == (480, 640)
    assert_mask(mask, left=2 * 29)


def test_video_background(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'upperbodyseg[video]'")
    assert run("video_background", tmp_path).startswith("25 frames")
    clips = [cv2.VideoCapture(str(tmp_path / name)) for name in ("clip.mp4", "new_background.mp4")]
    assert [clip.get(cv2.CAP_PROP_FPS) for clip in clips] == [25, 25]
    for number in range(25):
        before, after = (clip.read()[1] for clip in clips)
        assert after.shape == (400, 480, 3)
        left = 2 * number
        assert cv2.norm(part(before, FACE, left), part(after, FACE, left), cv2.NORM_INF) < 60  # H.264 twice
        blue, _, red = part(after, WALL, left).mean((0, 1))
        assert blue > red + 30  # the evening sky's upper part; the wall is grey
    assert not any(clip.read()[0] for clip in clips)


def test_video_background_says_which_extra_is_missing(tmp_path: Path) -> None:
    program = str(EXAMPLES / "video_background.py")
    hidden = f"import runpy, sys; sys.modules['av'] = None; runpy.run_path({program!r})"
    done = subprocess.run(
        [sys.executable, "-c", hidden], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install 'upperbodyseg[video]'" in done.stderr


def test_asyncio_frames(tmp_path: Path) -> None:
    printed = run("asyncio_frames", tmp_path)
    assert printed.count("1 person(s)") == 20
    masks = sorted((tmp_path / "asyncio_masks").iterdir())
    assert [m.name for m in masks] == [f"{50 * n:04d}_ms.png" for n in range(20)]
    for number, path in enumerate(masks):
        assert_mask(read(path)[..., 0], left=2 * number)


def test_thread_pool(tmp_path: Path) -> None:
    lines = run("thread_pool", tmp_path).splitlines()
    assert len(lines) == 8
    masks = {p.name: read(p)[..., 0] for p in (tmp_path / "pool_masks").glob("*.png")}
    assert {name: mask.shape for name, mask in masks.items()} == {
        f"{percent}{kind}_mask.png": (4 * percent, 420 * percent // 100)
        for percent in (50, 75, 100, 150)
        for kind in ("", "_mirrored")
    }
    for name, mask in masks.items():
        assert_mask(mask[:, ::-1] if "mirrored" in name else mask)


def test_thread_pool_takes_pictures_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = read(ASTRONAUT)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), picture[:300])
    run("thread_pool", tmp_path, str(ASTRONAUT), "photos", "--out", "masks")
    assert {p.name for p in (tmp_path / "masks").iterdir()} == {
        "astronaut_mask.png",
        "a_mask.png",
        "b_mask.png",
    }
    assert_mask(read(tmp_path / "masks" / "astronaut_mask.png")[..., 0])
