"""Files are written whole or not at all, and as a shell's ``>`` would."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from upperbodyseg.files import NewFile, write_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other links, pipes and permissions")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 251 + ".png")  # as long as names get
    for content in (b"first", b"second", b""):
        write_file(target, content)
        assert target.read_bytes() == content
        assert names(tmp_path) == [target.name]


def test_without_commit_nothing_is_left(tmp_path: Path) -> None:
    target = tmp_path / "mask.png"
    target.write_bytes(b"before")

    def interrupted() -> None:
        with NewFile(target) as new:
            new.file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_bytes() == b"before"
    assert names(tmp_path) == ["mask.png"]


def test_another_writer_may_write_under_the_random_name(tmp_path: Path) -> None:
    with NewFile(tmp_path / "film.mp4", suffix=".mp4") as new:
        assert new.path.parent == tmp_path
        assert new.path.suffix == ".mp4"
        new.path.write_bytes(b"by another program")
        new.commit()
    assert (tmp_path / "film.mp4").read_bytes() == b"by another program"
    assert names(tmp_path) == ["film.mp4"]


def test_the_name_can_not_be_guessed_and_nothing_there_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NewFile(tmp_path / "a") as one, NewFile(tmp_path / "a") as other:
        assert one.path != other.path
        assert str(os.getpid()) not in one.path.name or len(one.path.name) > 16
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    monkeypatch.setattr("upperbodyseg.files.secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".guessed.part").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "a", b"new")
    assert victim.read_bytes() == b"precious"


@posix
def test_permissions_are_those_of_a_plain_open(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new", b"")
        (tmp_path / "old").touch(0o604)
        os.chmod(tmp_path / "old", 0o604)
        write_file(tmp_path / "old", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o604


def test_a_file_that_may_not_be_written_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "mask.png"
    target.write_bytes(b"kept")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    with pytest.raises(PermissionError):
        write_file(target, b"new")
    assert target.read_bytes() == b"kept"
    assert names(tmp_path) == ["mask.png"]


@posix
def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/mask.png")
    for content in (b"new", b"again"):  # the first time the link leads to nothing yet
        write_file(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "mask.png").read_bytes() == content
    assert names(tmp_path / "real") == ["mask.png"]
    assert names(tmp_path) == ["link", "real"]


@posix
def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="loop") as caught:
        write_file(tmp_path / "loop", b"")
    assert caught.value.errno == errno.ELOOP
    assert names(tmp_path) == ["loop"]


@posix
def test_a_pipe_and_a_device_are_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_file(tmp_path / "pipe", b"through the pipe")
    reader.join()
    assert received == [b"through the pipe"]
    write_file(Path(os.devnull), b"gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert names(tmp_path) == ["pipe"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device_is_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_file(Path("/dev/full"), b"x" * 100_000)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "mask.png", b"content")
    assert names(tmp_path) == []


def test_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path, b"")
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "nowhere" / "mask.png", b"")


JOB = """
import sys
from pathlib import Path
from upperbodyseg.files import write_file
import os
os.getpid = lambda: 1  # as in every container
for number in range(500):
    write_file(Path(sys.argv[1]) / f"{sys.argv[2]}{number}.png", f"{sys.argv[2]}{number}".encode() * 100)
"""


def test_two_jobs_that_share_a_folder_lose_and_swap_nothing(tmp_path: Path) -> None:
    jobs = [subprocess.Popen([sys.executable, "-c", JOB, str(tmp_path), name]) for name in "ab"]
    assert [job.wait() for job in jobs] == [0, 0]
    assert len(names(tmp_path)) == 1000
    for path in tmp_path.iterdir():
        assert path.read_bytes() == path.stem.encode() * 100
