from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import pytest
from numpy.typing import NDArray

import upperbodyseg
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter, segment
from upperbodyseg.backgrounds import parse_background
from upperbodyseg.cli import main
from upperbodyseg.effects import blur_background, cut_out, replace_background
from upperbodyseg.errors import InputError
from upperbodyseg.models.interpreter import choose_runtime
from upperbodyseg.models.spec import load_spec
from upperbodyseg.pictures import read_file

ROOT = Path(__file__).parents[2]
U8 = NDArray[np.uint8]


@pytest.fixture
def photo(tmp_path: Path, webcam: U8) -> Path:
    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), webcam)
    return path


def read(path: Path) -> U8:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_a_photo_becomes_its_mask(
    photo: Path, tmp_path: Path, webcam: U8, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "mask.png"
    assert main(["segment", str(photo), "-o", str(out)]) == 0
    np.testing.assert_array_equal(read(out), segment(webcam))
    assert "1 picture(s), 1 person(s)" in capsys.readouterr().out
    assert [p.name for p in out.parent.iterdir()] == ["mask.png"]


def test_blur_sigma_is_passed_on(photo: Path, tmp_path: Path, webcam: U8) -> None:
    out = tmp_path / "mask.png"
    assert main(["segment", str(photo), "-o", str(out), "--blur-sigma", "6"]) == 0
    np.testing.assert_array_equal(read(out), segment(webcam, blur_sigma=6))


def test_test_time_augmentation_is_passed_on(photo: Path, tmp_path: Path, webcam: U8) -> None:
    out = tmp_path / "mask.png"
    assert main(["segment", str(photo), "-o", str(out), "--test-time-augmentation"]) == 0
    options = SegmenterOptions(test_time_augmentation=True)
    with UpperBodySegmenter(options) as engine:
        frame = FrameInput.from_array(webcam, is_still=True)
        expected = engine.process(frame).mask
    np.testing.assert_array_equal(read(out), expected)
    assert (expected != segment(webcam)).any()


def test_people_is_passed_on_and_json_has_ids_and_confidence(
    tmp_path: Path, portrait: U8, capsys: pytest.CaptureFixture[str]
) -> None:
    both = np.full((400, 800, 3), 140, np.uint8)
    both[:, 40:416] = cv2.resize(portrait, (376, 400))
    both[100:265, 600:755] = cv2.resize(portrait, (155, 165), interpolation=cv2.INTER_AREA)
    photo, out = tmp_path / "both.png", tmp_path / "mask.png"
    cv2.imwrite(str(photo), both)
    for people, count in (("all", 2), ("main", 1)):
        assert main(["segment", str(photo), "-o", str(out), "--people", people, "--json"]) == 0
        np.testing.assert_array_equal(read(out), segment(both, people=people))
        line = json.loads(capsys.readouterr().out)
        assert line["ids"] == list(range(count))
        assert len(line["scores"]) == count
        assert 0.5 < line["confidence"] <= 1


def test_a_cutout_has_the_mask_as_alpha(photo: Path, tmp_path: Path, webcam: U8) -> None:
    out = tmp_path / "cut.png"
    assert main(["segment", str(photo), "-o", str(out), "--cutout"]) == 0
    cut = read(out)
    np.testing.assert_array_equal(cut[..., 3], segment(webcam))
    np.testing.assert_array_equal(cut, cut_out(webcam, segment(webcam)))


def test_a_background_can_be_a_colour_a_picture_or_blurred(photo: Path, tmp_path: Path, webcam: U8) -> None:
    mask, picture = segment(webcam), np.ascontiguousarray(webcam[:200, ::-1])
    cv2.imwrite(str(tmp_path / "room.png"), picture)
    for text, expected in (
        ("#00f", replace_background(webcam, mask, (255, 0, 0))),
        (str(tmp_path / "room.png"), replace_background(webcam, mask, picture)),
        ("blur", blur_background(webcam, mask)),
    ):
        out = tmp_path / "out.png"
        assert main(["segment", str(photo), "-o", str(out), "--background", text]) == 0
        np.testing.assert_array_equal(read(out), expected)


def test_colours_are_read_as_on_the_web(tmp_path: Path) -> None:
    assert parse_background("#0a80FF") == (255, 128, 10)
    assert parse_background("#f0a") == (170, 0, 255)
    assert parse_background("blur") == "blur"


@pytest.mark.parametrize("text", ["", "#12345", "greenish", "nowhere.jpg", "a\0b", "."])
def test_other_backgrounds_are_refused(text: str, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="background"):
        parse_background(text)
    assert main(["segment", str(photo), "--background", text]) == 2
    assert "#00ff00" in capsys.readouterr().err


def test_an_overlay_changes_the_picture_where_the_mask_is(photo: Path, tmp_path: Path, webcam: U8) -> None:
    out = tmp_path / "over.png"
    assert main(["segment", str(photo), "-o", str(out), "--overlay"]) == 0
    over, mask = read(out), segment(webcam)
    np.testing.assert_array_equal(over[mask == 0], webcam[mask == 0])
    assert (np.abs(over[mask == 255].astype(int) - webcam[mask == 255]).max(1) > 0).mean() > 0.99


def test_without_output_the_mask_goes_into_the_current_folder(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["segment", str(photo)]) == 0
    assert (tmp_path / "photo_mask.png").exists()


def test_exif_orientation_is_respected(tmp_path: Path, webcam: U8) -> None:
    ok, data = cv2.imencode(".jpg", np.rot90(webcam), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert ok
    # Orientation 6: to be turned by 90 degrees clockwise; a minimal EXIF block says so.
    tiff = (
        b"MM\x00*\x00\x00\x00\x08"
        + b"\x00\x01"
        + b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    app1 = b"Exif\x00\x00" + tiff
    jpeg = data.tobytes()
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(app1) + 2).to_bytes(2, "big") + app1 + jpeg[2:])
    out = tmp_path / "mask.png"
    assert main(["segment", str(path), "-o", str(out)]) == 0
    upright = np.rot90(cv2.imdecode(data, cv2.IMREAD_COLOR), -1)
    np.testing.assert_array_equal(read(out), segment(upright))
    assert upright.shape == webcam.shape


def test_a_folder_goes_on_after_a_bad_picture_and_lists_it_at_the_end(
    photo: Path, tmp_path: Path, webcam: U8, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo.parent
    cv2.imwrite(str(folder / "photo.jpg"), webcam)
    (folder / "a broken one.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    cv2.imwrite(str(folder / "grey.webp"), webcam[..., 0])
    out = tmp_path / "masks"
    assert main(["segment", str(folder), "-o", str(out)]) == 1
    assert sorted(p.name for p in out.iterdir()) == ["grey.webp.png", "photo.jpg.png", "photo.png.png"]
    captured = capsys.readouterr()
    assert "3 picture(s)" in captured.out
    assert "1 other file(s)" in captured.err
    last = captured.err.strip().splitlines()[-3:]
    assert "2 of 5 picture(s) failed" in last[0]
    assert "a broken one.jpg" in last[1]
    assert "empty.png: is empty" in last[2]


def test_one_unreadable_photo_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    out = tmp_path / "mask.png"
    assert main(["segment", str(bad), "-o", str(out)]) == 1
    assert "bad.jpg" in capsys.readouterr().err
    assert not out.exists()


def test_an_output_that_can_not_be_written_is_listed(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["segment", str(photo), "-o", str(tmp_path / "file" / "mask.png")]) == 1
    assert "can't write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg"], "there is no nowhere.jpg"),
        (["PHOTO", "-o", "mask.jpg"], ".png"),
        (["PHOTO", "--blur-sigma", "-1"], "--blur-sigma must"),
        (["PHOTO", "--blur-sigma", "nan"], "--blur-sigma must"),
        (["PHOTO", "--threads", "0"], "--threads must"),
        (["PHOTO", "-o", "PHOTO"], "choose another output"),
        (["PHOTO", "-o", "ROOM", "--background", "ROOM"], "choose another output"),
        (["FOLDER", "-o", "PHOTO"], "is a file"),
        (["EMPTY"], "no picture"),
        (["FOLDER", "-o", "FOLDER"], "can't go into"),
        (["PHOTO", "-o", "LINK"], "choose another output"),
        (["x" * 400 + ".png"], "File name too long"),
        (["PHOTO", "--max-pixels", "0"], "--max-pixels must"),
    ],
)
def test_wrong_arguments_are_exit_code_2_and_change_nothing(
    arguments: list[str], message: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    link = tmp_path / "link.png"
    link.symlink_to(photo)
    room = tmp_path / "room.png"
    room.write_bytes(photo.read_bytes())
    before = photo.read_bytes()
    known = {
        "LINK": str(link),
        "PHOTO": str(photo),
        "ROOM": str(room),
        "FOLDER": str(photo.parent),
        "EMPTY": str(tmp_path / "empty"),
    }
    assert main(["segment", *(known.get(a, a) for a in arguments)]) == 2
    assert message in capsys.readouterr().err
    assert photo.read_bytes() == room.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["segment", "x", "--cutout", "--overlay"],
        ["segment", "x", "--cutout", "--background", "blur"],
        ["segment", "x", "--blur-sigma", "soft"],
    ],
)
def test_what_can_not_be_parsed_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", [[], ["segment"]])
def test_without_arguments_the_help_is_printed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out.startswith("usage: upperbodyseg")


def test_a_missing_runtime_is_exit_code_3(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("upperbodyseg.models.interpreter.available_runtimes", dict)
    assert main(["segment", str(photo)]) == 3
    assert "pip install" in capsys.readouterr().err


def test_an_interruption_keeps_what_is_done(
    photo: Path, tmp_path: Path, webcam: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    import upperbodyseg.cli.picture_workshop as command

    cv2.imwrite(str(photo.parent / "zebra.png"), webcam)
    original = read_file

    def interrupted(path: Path, max_bytes: int) -> bytes:
        if path.name == "zebra.png":
            raise KeyboardInterrupt
        return original(path, max_bytes)

    monkeypatch.setattr(command, "read_file", interrupted)
    out = tmp_path / "out"
    assert main(["segment", str(photo.parent), "-o", str(out)]) == 130
    assert [p.name for p in out.iterdir()] == ["photo.png"]


def test_inputs_of_like_names_get_outputs_of_their_own(photo: Path, tmp_path: Path, webcam: U8) -> None:
    for name in ("photo.jpg", "photo.jpg.bmp", "photo.jpg.png"):
        cv2.imwrite(str(photo.parent / name), webcam)
    out = tmp_path / "out"
    assert main(["segment", str(photo.parent), "-o", str(out)]) == 0
    assert len(list(out.iterdir())) == 4


def test_a_too_large_picture_is_listed(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mask.png"
    assert main(["segment", str(photo), "-o", str(out), "--max-pixels", "1000"]) == 1
    assert "640 x 360" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_kind_of_png_is_read(tmp_path: Path, webcam: U8, depth: type, channels: int) -> None:
    picture: NDArray[Any] = webcam.astype(depth) * (257 if depth is np.uint16 else 1)
    if channels == 1:
        picture = picture[..., 1]
    if channels == 4:
        picture = np.dstack([picture, np.full(picture.shape[:2], np.iinfo(depth).max, depth)])
    source, out = tmp_path / "kind.png", tmp_path / "mask.png"
    cv2.imwrite(str(source), picture)
    assert main(["segment", str(source), "-o", str(out)]) == 0
    assert ((read(out) >= 128) == (segment(webcam) >= 128)).mean() > 0.9


def test_a_pipe_that_closes_early_is_no_traceback(photo: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m upperbodyseg info | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_folder_shows_its_progress_on_a_terminal(
    photo: Path, tmp_path: Path, webcam: U8, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(photo.parent / "second.png"), webcam)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["segment", str(photo.parent), "-o", str(tmp_path / "out")]) == 0
    assert "] 0/2" in terminal.getvalue()
    assert "] 1/2" in terminal.getvalue()


def test_info_names_versions_runtime_models_and_hashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert upperbodyseg.__version__ in out
    assert re.search(rf"^pillow +{re.escape(PIL.__version__)}$", out, re.MULTILINE)
    assert "(in use)" in out
    for name in ("person_detector", "person_segmenter"):
        spec = load_spec(name, choose_runtime("auto"))
        assert spec.sha256 in out


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    example = ROOT / "examples" / "astronaut.jpg"
    out = tmp_path / "mask.png"
    done = subprocess.run(
        [sys.executable, "-m", "upperbodyseg", "segment", str(example), "-o", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read(out).shape == read(example).shape[:2]
