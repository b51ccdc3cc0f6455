"""``upperbodyseg segment`` on what strangers send, and where nobody listens: through the real command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.made_bombs import bombs
from fuzz.made_pictures import encode, jpeg_2000, malformed_apng
from upperbodyseg import segment
from upperbodyseg.cli import main
from upperbodyseg.cli import picture_workshop as command
from upperbodyseg.effects import cut_out, replace_background
from upperbodyseg.pictures import encode_picture

U8 = NDArray[np.uint8]
COMMAND = [sys.executable, "-c", "from upperbodyseg.cli import main; raise SystemExit(main())"]

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def read(path: Path) -> U8:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        check=False,
        text=True,
        **({"capture_output": True} | options),  # type: ignore[call-overload]
    )


def shell(line: str, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a shell's line as ``"$@"``."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *COMMAND, *map(str, arguments)],
        check=False,
        text=True,
        capture_output=True,
        cwd=cwd,
    )


def test_a_video_is_told_from_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    for name, codec in (("talk.avi", "MJPG"), ("talk.mp4", "mp4v")):
        video = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*codec), 5, (64, 48))
        video.write(frame)
        video.release()
        assert main(["segment", str(tmp_path / name), "-o", str(tmp_path / "mask.png")]) == 1
        assert f"{name}: is a video, which upperbodyseg video takes" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["segment", str(tmp_path / "notes.txt"), "-o", str(tmp_path / "mask.png")]) == 1
    assert "notes.txt: is in none of the formats" in capsys.readouterr().err


def test_nothing_on_standard_input_is_told(tmp_path: Path) -> None:
    done = run("segment", "-", "-o", tmp_path / "mask.png", stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "standard input: is empty" in done.stderr


@pytest.fixture
def photo(tmp_path: Path, portrait: U8) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), portrait)
    return path


# --- what strangers send -------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:::PIL")
def test_in_a_folder_of_bombs_the_rest_is_done(
    tmp_path: Path, portrait: U8, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, content in bombs().items():
        suffix = name.split()[0].lower().replace("jpeg", "jpg")
        (folder / f"{name.replace(' ', '_')}.{suffix}").write_bytes(content)
    (folder / "really JPEG 2000.jpg").write_bytes(jpeg_2000(portrait[..., ::-1]))
    (folder / "animated, malformed.png").write_bytes(malformed_apng())
    cv2.imwrite(str(folder / "z.png"), portrait)
    assert main(["segment", str(folder), "-o", str(out)]) == 1
    assert {p.name for p in out.iterdir()} == {"animated, malformed.png", "z.png"}
    np.testing.assert_array_equal(read(out / "z.png"), segment(portrait))
    captured = capsys.readouterr()
    assert f"{len(bombs()) + 1} of {len(bombs()) + 3} picture(s) failed" in captured.err
    assert "2 picture(s), 1 person(s) found" in captured.out


def test_a_damaged_photo_is_done_as_far_as_it_goes_and_is_exit_code_1(
    tmp_path: Path, webcam: U8, capsys: pytest.CaptureFixture[str]
) -> None:
    content = cv2.imencode(".jpg", webcam)[1].tobytes()
    cut, whole = tmp_path / "cut.jpg", tmp_path / "whole.jpg"
    out = tmp_path / "mask.png"
    cut.write_bytes(content[: len(content) * 9 // 10])
    assert main(["segment", str(cut), "-o", str(out)]) == 1
    assert read(out).shape == webcam.shape[:2]
    assert (read(out)[:200] >= 128).any()
    captured = capsys.readouterr()
    assert "cut.jpg: is damaged" in captured.err
    assert "1 picture(s)" in captured.out
    whole.write_bytes(content[:-2])  # only the end mark is missing
    assert main(["segment", str(whole), "-o", str(out)]) == 0
    np.testing.assert_array_equal(read(out), segment(cv2.imdecode(np.frombuffer(content, np.uint8), 1)))


def test_who_was_erased_stays_erased(tmp_path: Path, portrait: U8) -> None:
    alpha = np.full(portrait.shape[:2], 255, np.uint8)
    alpha[:, :150] = 0
    alpha[200:, 150:] = 128
    path, out = tmp_path / "erased.png", tmp_path / "out.png"
    path.write_bytes(encode(np.dstack([portrait[..., ::-1], alpha]), "PNG"))
    whole = segment(portrait)
    assert (whole[:, :150] > 0).any()
    mask = cv2.multiply(whole, alpha, scale=1 / 255)
    assert main(["segment", str(path), "-o", str(out)]) == 0
    np.testing.assert_array_equal(read(out), mask)
    assert main(["segment", str(path), "-o", str(out), "--cutout"]) == 0
    np.testing.assert_array_equal(read(out), cut_out(portrait, mask))
    assert not read(out)[:, :150, 3].any()
    assert main(["segment", str(path), "-o", str(out), "--background", "#00ff00"]) == 0
    np.testing.assert_array_equal(read(out), replace_background(portrait, mask, (0, 255, 0)))
    for options in (["--overlay"], ["--background", "blur"]):
        assert main(["segment", str(path), "-o", str(out), *options]) == 0
        assert (read(out)[:, :100] >= 250).all()


@pytest.mark.parametrize("option", ["--max-pixels", "--max-side", "--max-bytes"])
def test_limits_are_options(option: str, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = photo.with_name("mask.png")
    assert main(["segment", str(photo), "-o", str(out), option, "300"]) == 1
    assert "photo.png: " in capsys.readouterr().err
    assert main(["segment", str(photo), "-o", str(out), option, "0"]) == 2
    assert not out.exists()


def test_too_little_memory_for_one_photo_does_not_end_the_folder(
    photo: Path, portrait: U8, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo.parent
    cv2.imwrite(str(folder / "large.png"), np.zeros((400, 400, 3), np.uint8))
    original = encode_picture

    def scarce(picture: U8, suffix: str) -> bytes:
        if picture.shape == (400, 400):
            raise MemoryError
        return original(picture, suffix)

    monkeypatch.setattr(command, "encode_picture", scarce)
    assert main(["segment", str(folder), "-o", str(folder / "out")]) == 1
    assert [p.name for p in (folder / "out").iterdir()] == ["photo.png"]
    assert "large.png: is too large for this machine's memory" in capsys.readouterr().err


def test_resource_forks_are_no_pictures_and_what_is_passed_over_is_named_once(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo.parent
    (folder / "._photo.png").write_bytes(b"\0\x05\x16\x07")
    (folder / "notes.txt").touch()
    assert main(["segment", str(folder), "-o", str(folder / "out")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "passed over" in line] == [
        "2 other file(s) are passed over: ._photo.png, notes.txt"
    ]


@posix
def test_what_is_no_file_is_passed_over_and_named(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent
    os.mkfifo(folder / "pipe.jpg")
    (folder / "nowhere.jpg").symlink_to("nothing")
    (folder / "device.png").symlink_to("/dev/zero")
    assert main(["segment", str(folder), "-o", str(folder / "out")]) == 0
    assert "3 other file(s) are passed over: device.png, nowhere.jpg, pipe.jpg" in capsys.readouterr().err


@posix
def test_a_name_cannot_write_to_the_terminal(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent
    (folder / "a\x1b[31m\n  b.jpg: is empty.jpg").touch()
    (folder / "\x1b]0;title\x07").touch()
    assert main(["segment", str(folder), "-o", str(folder / "\x1b[2Jout")]) == 1
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "\x1b" not in text
        assert "\x07" not in text
    assert r"a\x1b[31m\n  b.jpg: is empty.jpg: is empty" in said.err


def test_damage_within_a_jpeg_is_exit_code_1(tmp_path: Path, portrait: U8) -> None:
    content = encode(np.ascontiguousarray(portrait[..., ::-1]), "JPEG", quality=92)
    middle = len(content) // 2
    (tmp_path / "photo.jpg").write_bytes(content[:middle] + bytes(4096) + content[middle + 4096 :])
    done = run("segment", tmp_path / "photo.jpg", "-o", tmp_path / "mask.png")
    assert done.returncode == 1
    assert "photo.jpg: is damaged; what could be decoded is in" in done.stderr
    assert read(tmp_path / "mask.png").shape == portrait.shape[:2]


# --- where the result goes -----------------------------------------------------------------------


@posix
def test_an_output_that_is_a_link_is_followed(photo: Path, portrait: U8) -> None:
    link = photo.with_name("link.png")
    link.symlink_to("real.png")
    assert main(["segment", str(photo), "-o", str(link)]) == 0
    assert link.is_symlink()
    np.testing.assert_array_equal(read(photo.with_name("real.png")), segment(portrait))


@posix
def test_links_to_themselves_are_one_line(photo: Path) -> None:
    loop = photo.with_name("loop.png")
    loop.symlink_to("loop.png")
    for code, arguments in (
        (2, [loop, "-o", photo.with_name("mask.png")]),
        (1, [photo, "-o", loop]),
        (2, [photo, "-o", photo.with_name("mask.png"), "--background", loop]),
    ):
        done = run("segment", *arguments)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "loop.png" in done.stderr


@posix
def test_a_pipe_receives_the_mask(photo: Path, portrait: U8) -> None:
    os.mkfifo(photo.with_name("pipe.png"))
    copy = photo.with_name("copy.png")
    done = shell(
        f"cat '{photo.with_name('pipe.png')}' >'{copy}' & \"$@\"; code=$?; wait; exit $code",
        "segment",
        photo,
        "-o",
        photo.with_name("pipe.png"),
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read(copy), segment(portrait))


# --- where nobody listens ------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("line", ['"$@" >&-', '"$@" >&- 2>&-', '"$@" <&- >&- 2>&-', '"$@" 2>/dev/full'])
def test_without_outputs_the_work_is_done(line: str, photo: Path, portrait: U8) -> None:
    (photo.parent / "notes.txt").touch()
    out = photo.with_name("out")
    done = shell(line, "segment", photo.parent, "-o", out)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read(out / "photo.png"), segment(portrait))
    assert "Traceback" not in done.stderr
    assert "photo" not in done.stdout or ">&-" not in line


@posix
@posix
def test_a_closed_input_is_an_empty_picture(tmp_path: Path) -> None:
    done = shell('"$@" <&-', "segment", "-", "-o", tmp_path / "mask.png")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["1 of 1 picture(s) failed:", "  standard input: is empty"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["segment"], ["info"]])
def test_a_full_output_is_one_line_and_the_work_is_done(
    arguments: list[str], photo: Path, portrait: U8
) -> None:
    out = photo.with_name("mask.png")
    more = [photo, "-o", out] if arguments == ["segment"] else []
    done = shell('"$@" >/dev/full', *arguments, *more)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("INFO:")]
    assert line == "upperbodyseg: the output: No space left on device"
    if more:
        np.testing.assert_array_equal(read(out), segment(portrait))


@posix
@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="in a deleted folder Python 3.13.0 fails at any missing attribute",
)
def test_in_a_deleted_folder_the_work_is_done_or_one_line_says_why(photo: Path, portrait: U8) -> None:
    gone = photo.with_name("gone")
    out = photo.with_name("mask.png")
    gone.mkdir()
    done = shell(f"rmdir '{gone}'; \"$@\"", "segment", photo, "-o", out, cwd=gone)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(read(out), segment(portrait))
    for arguments in ([photo], [photo, "-o", "mask.png"], ["photo.png"], [photo.parent]):
        gone.mkdir()
        done = shell(f"rmdir '{gone}'; \"$@\"", "segment", *arguments, cwd=gone)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert "upperbodyseg: " in done.stderr


JOB = """
import os, sys
os.getpid = lambda: 1  # as in every container
from upperbodyseg.cli import main
raise SystemExit(main(["segment", sys.argv[1], "-o", sys.argv[2], "--model", "fast"]))
"""


def test_two_jobs_share_an_output_folder(tmp_path: Path, portrait: U8) -> None:
    for name, picture in (("a", portrait), ("b", np.ascontiguousarray(portrait[:, ::-1]))):
        (tmp_path / name).mkdir()
        for number in range(20):
            cv2.imwrite(str(tmp_path / name / f"{name}{number}.png"), picture)
    jobs = [
        subprocess.Popen([sys.executable, "-c", JOB, str(tmp_path / name), str(tmp_path / "out")])
        for name in "ab"
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    masks = {path.stem: read(path) for path in (tmp_path / "out").iterdir()}
    assert sorted(masks) == sorted(f"{name}{number}" for name in "ab" for number in range(20))
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, masks[f"{name[0]}0"])
    assert (masks["a0"] != masks["b0"]).any()
