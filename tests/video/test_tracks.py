"""Every frame and every second of sound, whatever the file's tracks and their order."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import U8, look, run
from tracks import Picture, Sound, av, count, heard, record

import upperbodyseg.video.sound
from upperbodyseg import VideoError
from upperbodyseg.video.format import Frame
from upperbodyseg.video.reader import Reader

CONTAINERS = [
    ("mp4", "libx264", "aac"),
    ("mov", "libx264", "aac"),
    ("mkv", "libx264", "aac"),
    ("webm", "libvpx-vp9", "libopus"),
    ("avi", "mpeg4", "mp2"),
    ("ts", "libx264", "aac"),
    ("flv", "libx264", "aac"),
    ("wmv", "msmpeg4v3", "wmav2"),
    ("mpg", "mpeg2video", "mp2"),
]


@pytest.mark.parametrize("sound_first", [True, False], ids=["sound first", "picture first"])
@pytest.mark.parametrize(("ending", "codec", "sound"), CONTAINERS, ids=[c[0] for c in CONTAINERS])
def test_as_many_frames_come_out_as_go_in(
    ending: str, codec: str, sound: str, sound_first: bool, tmp_path: Path, pictures: list[U8]
) -> None:
    tracks: list[Any] = [Sound(sound), Picture(pictures, codec)]
    source = record(tmp_path / f"in.{ending}", *(tracks if sound_first else tracks[::-1]))
    summary = run(source, tmp_path / "out.mp4")
    assert summary.frames == count(source) == count(tmp_path / "out.mp4") == 12
    assert (summary.complete, summary.damaged) == (True, 0)
    before, after = heard(source), heard(tmp_path / "out.mp4")
    assert after[3] - after[2] == pytest.approx(before[3] - before[2], abs=0.07)  # packets of the codecs


@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("kind", ["SLICE", "FRAME", "AUTO"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_no_number_of_decoder_threads_loses_frames(
    codec: str, kind: str, threads: int, tmp_path: Path, pictures: list[U8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that decodes a frame of its own holds it back up to the end."""
    choose = Reader._choose_streams

    def choose_and_set(reader: Any, sound: bool) -> None:
        choose(reader, sound)
        context = reader._stream.codec_context
        context.thread_count, context.thread_type = threads, kind

    monkeypatch.setattr(Reader, "_choose_streams", choose_and_set)
    source = record(tmp_path / "in.mkv", Sound("aac"), Picture(pictures, codec))
    with Reader(source, 100_000) as reader:
        frames = [item for item in reader.read() if isinstance(item, Frame)]
    assert len(frames) == count(source) == 12
    assert np.diff([f.pts for f in frames]).min() > 0
    assert all(cv2.PSNR(f.bgr, picture) > 25 for f, picture in zip(frames, pictures, strict=True))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "webm"])
def test_two_frames_after_the_sound_are_not_lost(ending: str, tmp_path: Path, pictures: list[U8]) -> None:
    codec, sound = ("libvpx-vp9", "libopus") if ending == "webm" else ("libx264", "aac")
    source = record(tmp_path / f"in.{ending}", Sound(sound), Sound(sound), Picture(pictures[:2], codec))
    assert run(source, tmp_path / "out.mkv").frames == count(tmp_path / "out.mkv") == 2
    assert len(look(tmp_path / "out.mkv").sound) == 2


def test_avi_shows_its_pictures_in_order_and_says_nothing(tmp_path: Path, pictures: list[U8]) -> None:
    """It has decoding times only; others are guesses."""
    source = record(tmp_path / "in.avi", Picture(pictures, options={"bf": "3"}))
    assert run(source, tmp_path / "out.mp4").notes == ()
    assert np.diff([float(t) for t in look(tmp_path / "out.mp4").times]) == pytest.approx(1 / 30, abs=1e-3)


@pytest.mark.parametrize("target", ["mp4", "mov", "mkv", "webm"])
@pytest.mark.parametrize(
    ("ending", "sound"),
    [
        ("avi", "pcm_s16le"),
        ("avi", "pcm_alaw"),
        ("avi", "adpcm_ms"),
        ("mkv", "pcm_s16le"),
        ("mkv", "pcm_f32le"),
    ],
)
def test_sound_that_names_no_layout_is_kept(
    ending: str, sound: str, target: str, tmp_path: Path, pictures: list[U8]
) -> None:
    source = record(tmp_path / f"in.{ending}", Picture(pictures, "mpeg4"), Sound(sound))
    with av.open(str(source)) as container:
        assert container.streams.audio[0].layout.name == "2 channels"
    out = tmp_path / f"out.{target}"
    assert run(source, out).frames == 12
    codec, layout, begins, ends = heard(out)
    assert layout in ("stereo", "2 channels")
    assert (codec in (sound, "aac", "opus"), codec.startswith("pcm") and target == "mp4") == (True, False)
    assert begins == pytest.approx(0, abs=0.03)
    assert ends == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("layout", ["mono", "5.1", "7.1"])
def test_sound_of_many_channels_is_re_encoded_as_such(
    layout: str, tmp_path: Path, pictures: list[U8]
) -> None:
    source = record(tmp_path / "in.mkv", Picture(pictures), Sound("pcm_s24le", layout=layout))
    run(source, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].channels == av.AudioLayout(layout).nb_channels


def test_a_decoder_that_holds_sound_back_gives_all_of_it(tmp_path: Path, pictures: list[U8]) -> None:
    source = record(tmp_path / "in.wmv", Picture(pictures, "msmpeg4v3"), Sound("wmav2"))
    summary = run(source, tmp_path / "out.mp4")
    assert summary.notes == ("sound track 1 was re-encoded: .mp4 can't hold wmav2",)
    assert heard(tmp_path / "out.mp4")[3] >= 0.4


@pytest.mark.parametrize(
    ("sound", "target", "kept"),
    [
        ("libopus", "mov", False),
        ("flac", "mov", False),
        ("libopus", "mp4", True),
        ("flac", "mp4", True),
        ("flac", "mkv", True),
        ("libopus", "webm", True),
    ],
)
def test_sound_that_a_container_refuses_is_re_encoded(
    sound: str, target: str, kept: bool, tmp_path: Path, pictures: list[U8], capfd: pytest.CaptureFixture[str]
) -> None:
    source = record(tmp_path / "in.mkv", Sound(sound), Picture(pictures))
    name = sound.removeprefix("lib")
    notes = run(source, tmp_path / f"out.{target}").notes
    assert notes == (() if kept else (f"sound track 1 was re-encoded: .{target} can't hold {name}",))
    codec, _, _, ends = heard(tmp_path / f"out.{target}")
    assert codec == (name if kept else "aac")
    assert ends == pytest.approx(0.4, abs=0.03)
    assert "libav" not in capfd.readouterr().err


def test_an_error_names_the_track(
    tmp_path: Path, pictures: list[U8], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = record(tmp_path / "in.mkv", Sound("aac"), Sound("flac"), Picture(pictures))

    def refuse(self: Any, packet: Any) -> list[Any]:
        if "flac" in self.title:
            raise ValueError("refused")
        return []

    monkeypatch.setattr(upperbodyseg.video.sound.CopiedTrack, "convert", refuse)
    with pytest.raises(VideoError, match=r"out.mp4: sound track 2 \(flac\): refused"):
        run(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("target", ["mkv", "mov"])
def test_short_packets_with_equal_times_do_not_drift(target: str, tmp_path: Path, pictures: list[U8]) -> None:
    """They last less than the unit of a Matroska file's times."""
    source = record(tmp_path / "in.mkv", Picture(pictures), Sound("pcm_s16le", seconds=2, packet=40))
    before = look(source).sound[0]
    assert len({time for time, _ in before}) < len(before)
    run(source, tmp_path / f"out.{target}")
    assert heard(tmp_path / f"out.{target}")[3] == pytest.approx(2, abs=0.003)
    if target == "mkv":
        assert look(tmp_path / "out.mkv").sound[0] == before


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="PyAV can't write TrueHD, and ffmpeg is missing")
@pytest.mark.parametrize("target", ["mkv", "mp4"])
def test_truehd_ends_with_its_picture(target: str, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    inputs = "-f lavfi -i testsrc2=s=64x48:r=30:d=3 -f lavfi -i sine=d=3"
    making = f"ffmpeg -v error {inputs} -ac 2 -c:a truehd -strict -2".split()
    subprocess.run([*making, str(source)], check=True)
    notes = run(source, tmp_path / f"out.{target}").notes
    refused = ("sound track 1 was re-encoded: .mp4 can't hold truehd",)
    assert notes == (refused if target == "mp4" else ())
    assert heard(tmp_path / f"out.{target}")[3] == pytest.approx(3, abs=0.022)  # a packet of AAC


@pytest.mark.parametrize("starts", [(100, 100, 100), (100, 5000, 20)], ids=["back", "forth and back"])
def test_joined_broadcasts_stay_in_step(starts: tuple[int, ...], tmp_path: Path, pictures: list[U8]) -> None:
    """Each part's sound is longer than its picture."""
    source = tmp_path / "in.ts"
    with source.open("wb") as joined:
        for i, start_s in enumerate(starts):
            tracks = Sound("aac", seconds=0.8), Picture(pictures, options={"bf": "2"})
            joined.write(record(tmp_path / f"part{i}.ts", *tracks, start_s=start_s).read_bytes())
    summary = run(source, tmp_path / "out.mp4")
    assert summary.notes == (
        "2 time(s) the file's clock jumped or went backwards; what follows was moved to follow on",
    )
    after = look(tmp_path / "out.mp4")
    sound = [float(t) for t, _ in after.sound[0]]
    assert len(after.times) == 36
    assert len(sound) % 3 == 0
    assert np.diff(sound) == pytest.approx(1024 / 48000, abs=2e-3)
    for part in (1, 2):
        moved = float(after.times[12 * part] - after.times[0])
        assert moved == pytest.approx(sound[part * len(sound) // 3] - sound[0], abs=2e-3)


def test_a_pause_of_one_track_is_no_jump(tmp_path: Path, pictures: list[U8]) -> None:
    source = tmp_path / "in.ts"
    with av.open(str(source), "w") as container:
        video, sound = container.add_stream("libx264", rate=2), container.add_stream("aac", rate=48000)
        video.height, video.width, video.pix_fmt = 32, 32, "yuv420p"
        for i in range(30):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), "yuv420p")
            frame.pts, frame.time_base = i, Fraction(1, 2)
            for packet in video.encode(frame):
                container.mux(packet)
        for start in (0, 12):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1024), np.int16), "s16", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start * 48000, Fraction(1, 48000)
            for packet in sound.encode(frame):
                container.mux(packet)
        for stream in (video, sound):
            for packet in stream.encode(None):
                container.mux(packet)
    assert run(source, tmp_path / "out.mkv").notes == ()
    times = [float(t) for t, _ in look(tmp_path / "out.mkv").sound[0]]
    assert times[-1] - times[0] > 11


def test_languages_default_flags_and_chapters_are_kept(tmp_path: Path, pictures: list[U8]) -> None:
    unit = Fraction(1, 1000)
    chapters = [
        {"id": 1, "start": 0, "end": 200, "time_base": unit, "metadata": {"title": "Beginning"}},
        {"id": 2, "start": 200, "end": 400, "time_base": unit, "metadata": {"title": "End"}},
    ]
    tracks = Sound("aac", language="eng"), Sound("aac", language="fra", default=True)
    source = record(tmp_path / "in.mkv", Picture(pictures), *tracks, chapters=chapters)
    for target in ("out.mkv", "out.mp4", "out.mov"):
        assert run(source, tmp_path / target).notes == ()
        with av.open(str(tmp_path / target)) as container:
            names = [
                (c["metadata"]["title"], float(c["start"] * c["time_base"])) for c in container.chapters()
            ]
            assert names == [("Beginning", 0), ("End", pytest.approx(0.2))]
            sound = container.streams.audio
            assert [s.language for s in sound] == ["eng", "fra"]
            assert [bool(s.disposition & s.disposition.default) for s in sound] == [False, True]
