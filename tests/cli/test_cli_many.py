"""Several pictures at a time, streams, raw frames, formats, crops and lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import upperbodyseg.cli.picture_workshop as workshop
from upperbodyseg import FrameInput, ImageType, UpperBodySegmenter, segment
from upperbodyseg.backgrounds import parse_background
from upperbodyseg.cli import main
from upperbodyseg.crop import crop_box
from upperbodyseg.effects import blur_background, portrait_blur

U8 = NDArray[np.uint8]
PEOPLE = ("a.png", "b.png", "c.png")


@pytest.fixture
def folder(tmp_path: Path, portrait: U8) -> Path:
    path = tmp_path / "in"
    (path / "deep" / "er").mkdir(parents=True)
    for name in (*PEOPLE, "deep/d.png", "deep/er/a.png"):
        cv2.imwrite(str(path / name), portrait)
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def piped(*arguments: str | Path, content: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "upperbodyseg", "segment", *map(str, arguments)],
        input=content,
        capture_output=True,
        check=False,
    )


def decoded(content: bytes) -> U8:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_several_files_and_patterns_go_into_a_folder(folder: Path, tmp_path: Path, portrait: U8) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(folder / "a.png"), str(folder / "[bc].png"), "-o", str(out)]) == 0
    assert names(out) == [*PEOPLE]
    for name in PEOPLE:
        np.testing.assert_array_equal(cv2.imread(str(out / name), 0), segment(portrait))


def test_several_files_without_output_get_names_in_the_current_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    new.mkdir()
    monkeypatch.chdir(new)
    assert main(["segment", str(folder / "a.png"), str(folder / "b.png"), "--cutout"]) == 0
    assert names(new) == ["a_cutout.png", "b_cutout.png"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["IN/x*.png"], "no file fits"),
        (["-", "IN/a.png"], "one picture"),
        (["IN/a.png", "IN/b.png", "-o", "-"], "takes one picture"),
        (["IN/a.png", "IN/b.png", "-o", "IN/a.png"], "must be a folder"),
        (["IN/a.png", "IN/deep/er/a.png"], "/a.png have the same name"),
        (["https://example.com/me.jpg"], "https://example.com/me.jpg is a URL, and no network is used"),
        (["--raw", "4x4:bgr24", "IN/a.png", "-o", "IN/a.png"], "a.png is to be read"),
        (["IN", "--jobs", "0"], "--jobs must"),
        (["IN", "--jobs", "257"], "--jobs must"),
        (["IN/a.png", "-o", "x.jpg"], "must end in .png"),
        (["IN/a.png", "-o", "x.gif", "--overlay"], ".png, .jpg, .jpeg, .webp"),
        (["IN/a.png", "--cutout", "--format", "jpg"], "must end in .png"),
        (["IN/a.png", "--blur-strength", "0.2"], "--background blur"),
        (["IN/a.png", "--background", "blur", "--blur-strength", "2"], "--blur-strength must"),
        (["IN/a.png", "--crop", "--crop-aspect", "0:1"], "--crop-aspect must"),
        (["IN/a.png", "--crop", "--crop-margin", "-1"], "--crop-margin must"),
        (["--raw", "0x4:bgr24"], "--raw must"),
        (["--raw", "4x4:png"], "--raw must"),
        (["--raw", "5x4:nv12"], "even width"),
        (["--raw", "4x4:bgr24", "--crop"], "not --crop"),
    ],
)
def test_wrong_arguments_are_told_by_the_options_name(
    arguments: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(folder)
    assert main(["segment", *(a.replace("IN", str(folder), 1) for a in arguments)]) == 2
    assert told in capsys.readouterr().err
    assert names(folder) == before


def test_subfolders_are_kept_and_the_output_is_not_read(folder: Path) -> None:
    out = folder / "out"
    command = ["segment", str(folder), "-o", str(out), "--recursive", "--model", "fast"]
    assert main(command) == 0
    expected = [*PEOPLE, "deep/d.png", "deep/er/a.png"]
    assert names(out) == expected
    assert main(command) == 0
    assert names(out) == expected


def test_results_that_are_there_are_left_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"mine")
    command = ["segment", str(folder), "-o", str(out), "--skip-existing"]
    assert main(command) == 0
    assert (out / "b.png").read_bytes() == b"mine"
    told = capsys.readouterr()
    assert "1 picture(s) are done already" in told.err
    assert "2 picture(s), 2 person(s)" in told.out
    assert main(command) == 0
    assert "3 picture(s) are done already" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_any_number_of_jobs_gives_the_same(jobs: str, folder: Path, tmp_path: Path, portrait: U8) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path / "out"
    threads = cv2.getNumThreads()
    assert main(["segment", str(folder), "-o", str(out), "--jobs", jobs]) == 1
    assert cv2.getNumThreads() == threads
    for name in PEOPLE:
        np.testing.assert_array_equal(cv2.imread(str(out / name), 0), segment(portrait))
    assert names(out) == [*PEOPLE]


def test_pictures_wait_for_the_memory_of_others() -> None:
    budget = workshop._Budget(10)
    order: list[str] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with budget.of(15):  # more than there is: alone
            first_is_in.set()
            go_on.wait(60)
            order.append("first")

    def second() -> None:
        first_is_in.wait(60)
        with budget.of(4), budget.of(6):
            order.append("second")

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    first_is_in.wait(60)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert order == ["first", "second"]


def test_standard_input_and_output(portrait: U8) -> None:
    png = cv2.imencode(".png", portrait)[1].tobytes()
    done = piped("-", content=png)
    assert done.returncode == 0
    np.testing.assert_array_equal(decoded(done.stdout), segment(portrait))
    assert b"1 person(s)" in done.stderr
    empty = piped("-", content=b"")
    assert (empty.returncode, empty.stdout) == (1, b"")
    assert b"standard input: is empty" in empty.stderr


@pytest.mark.parametrize(
    ("layout", "convert"),
    [
        ("bgr24", None),
        ("rgb24", cv2.COLOR_BGR2RGB),
        ("bgra", cv2.COLOR_BGR2BGRA),
        ("rgba", cv2.COLOR_BGR2RGBA),
        ("yuv420p", cv2.COLOR_BGR2YUV_I420),
    ],
)
def test_raw_frames_are_a_stream(layout: str, convert: int | None, webcam: U8) -> None:
    frame = webcam if convert is None else cv2.cvtColor(webcam, convert)
    done = piped("--raw", f"640x360:{layout}", "--json", content=frame.tobytes() * 3)
    assert done.returncode == 0, done.stderr
    masks = np.frombuffer(done.stdout, np.uint8).reshape(3, 360, 640)
    kinds = {
        "bgr24": ImageType.BGR_888,
        "rgb24": ImageType.RGB_888,
        "bgra": ImageType.BGRA_8888,
        "rgba": ImageType.RGBA_8888,
        "yuv420p": ImageType.I420,
    }
    with UpperBodySegmenter() as engine:
        for mask in masks:
            expected = engine.process(FrameInput.from_array(np.ascontiguousarray(frame), kinds[layout])).mask
            np.testing.assert_array_equal(mask, expected)
    lines = [json.loads(line) for line in done.stderr.decode().splitlines() if line.startswith("{")]
    assert [line["frame"] for line in lines] == [1, 2, 3]
    assert all(line["persons"] == 1 for line in lines)


def test_raw_frames_get_backgrounds(webcam: U8) -> None:
    nv12 = cv2.cvtColor(webcam, cv2.COLOR_BGR2YUV_I420)
    done = piped("--raw", "640x360:yuv420p", "--background", "lime", content=nv12.tobytes())
    shown = np.frombuffer(done.stdout, np.uint8).reshape(360, 640, 3)
    assert (shown[0, 0] == (0, 255, 0)).all()
    cut = piped("--raw", "640x360:bgr24", "--cutout", content=webcam.tobytes())
    assert len(cut.stdout) == 360 * 640 * 4


def test_a_frame_that_is_cut_short_is_told_and_those_before_it_are_written(webcam: U8) -> None:
    done = piped("--raw", "640x360:bgr24", content=webcam.tobytes() + b"end")
    assert done.returncode == 1
    assert len(done.stdout) == 640 * 360
    assert b"ends within frame 2, after 3 of its 691200 bytes" in done.stderr


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".png"])
def test_opaque_results_can_be_smaller_files(suffix: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / f"x{suffix}"
    assert main(["segment", str(folder / "a.png"), "-o", str(out), "--background", "navy"]) == 0
    shown = cv2.imread(str(out))
    assert shown.shape == (331, 311, 3)
    assert out.read_bytes()[:2] == {".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8"}.get(
        suffix, out.read_bytes()[:2]
    )


def test_the_results_of_a_folder_have_a_format(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(folder), "-o", str(out), "--overlay", "--format", "webp"]) == 0
    assert names(out) == ["a.webp", "b.webp", "c.webp"]


def test_colours_have_names() -> None:
    assert parse_background("Green") == (0, 128, 0)
    assert parse_background("rebeccapurple") == (153, 51, 102)


@pytest.mark.parametrize(("strength", "sigma"), [("0", 0.0), ("0.5", None), ("1", 331 / 15)])
def test_blur_has_a_strength(
    strength: str, sigma: float | None, folder: Path, tmp_path: Path, portrait: U8
) -> None:
    out = tmp_path / "x.png"
    command = ["segment", str(folder / "a.png"), "-o", str(out), "--blur-strength", strength, "--background"]
    mask = segment(portrait)
    assert main([*command, "blur"]) == 0
    assert np.abs(cv2.imread(str(out)).astype(int) - blur_background(portrait, mask, sigma)).max() <= 1
    assert main([*command, "portrait"]) == 0
    np.testing.assert_array_equal(cv2.imread(str(out)), portrait_blur(portrait, mask, float(strength)))


def test_json_has_a_line_for_each_picture(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.png").write_bytes(b"no picture")
    assert main(["segment", str(folder), "-o", str(tmp_path / "out"), "--json", "--crop"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(line["input"]).name for line in lines] == [*PEOPLE]
    good, bad, _ = lines
    assert (good["persons"], good["error"], good["size"]) == (1, None, [311, 331])
    assert len(good["boxes"]) == len(good["scores"]) == 1
    assert good["milliseconds"] > 0
    left, top, right, bottom = good["crop"]
    assert cv2.imread(good["output"], 0).shape == (bottom - top, right - left)
    assert bad["output"] is None
    assert "formats" in bad["error"]


def test_a_crop_has_the_people_the_margin_and_the_aspect() -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[40:60, 90:120] = 255
    assert crop_box(mask, 0.0) == (90, 40, 120, 60)
    assert crop_box(mask, 0.1) == (87, 37, 123, 63)
    left, top, right, bottom = crop_box(mask, 0.0, 1.0) or (0, 0, 0, 0)
    assert (right - left, bottom - top) == (30, 30)
    assert left <= 90
    assert right >= 120
    wide = crop_box(mask, 10.0, 4.0)
    assert wide == (0, 25, 200, 75)
    mask[:] = 0
    mask[0:4, 0:4] = 200
    assert crop_box(mask, 1.0, 1.0) == (0, 0, 12, 12)
    assert crop_box(np.full((5, 5), 127, np.uint8)) is None


def test_names_of_a_crop_without_people_are_whole(folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(folder / "a.png"), np.full((40, 60, 3), 90, np.uint8))
    out = tmp_path / "x.png"
    assert main(["segment", str(folder / "a.png"), "-o", str(out), "--crop"]) == 0
    assert cv2.imread(str(out), 0).shape == (40, 60)
