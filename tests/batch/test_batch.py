"""Batches without a cluster: where pictures come from, the manifest, one worker."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from buckets import gcs, s3
from numpy.typing import NDArray

pytest.importorskip("pyarrow", reason="pyarrow, of the extra [ray], is not installed")


from upperbodyseg import InputError, segment
from upperbodyseg.batch.addresses import public_address
from upperbodyseg.batch.manifest import Row, done_inputs, write_rows
from upperbodyseg.batch.options import MANIFESTS, BatchOptions
from upperbodyseg.batch.storage import Storage, list_sources
from upperbodyseg.batch.worker import Worker
from upperbodyseg.cli import main
from upperbodyseg.effects import cut_out

U8 = NDArray[np.uint8]


@pytest.fixture
def photos(tmp_path: Path, portrait: U8) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg", "deep/er/c.PNG"):
        assert cv2.imwrite(str(folder / name), portrait)
    (folder / "notes.txt").write_text("none")
    (folder / "._a.png").write_bytes(b"a resource fork")
    return folder


def names(source: str) -> list[str]:
    return [name for _, name in list_sources(source)]


def test_pictures_of_a_folder_a_glob_and_a_list(photos: Path, tmp_path: Path) -> None:
    assert names(str(photos)) == ["a.png", "deep/b.jpg", "deep/er/c.PNG"]
    assert names(f"{photos}/") == names(str(photos)) == names(photos.as_uri())
    assert names(f"{photos}/*.png") == ["a.png"]
    assert names(f"{photos}/deep/*") == ["b.jpg"]
    assert names(f"{photos}/**/*.[jP]*") == ["deep/b.jpg", "deep/er/c.PNG"]
    assert names(str(photos / "a.png")) == ["a.png"]
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photos}/a.png\n\n{photos}/a.png\n../../etc/b.png\n")
    found = names(f"@{listed}")
    assert len(found) == 2
    assert not any(name.startswith("/") or ".." in name for name in found)


@pytest.mark.parametrize("source", ["nowhere", "nowhere/*.png", "@nowhere", "nofs://bucket/x", "s3://"])
def test_what_is_no_source_is_an_input_error(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list_sources(source if ":" in source or source[0] == "@" else str(tmp_path / source))


def test_a_folder_without_pictures_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture"):
        list_sources(str(tmp_path))


def test_addresses_in_the_manifest_have_no_secrets() -> None:
    secret = "s3://key:secret@bucket/a/b.png?endpoint_override=localhost"
    assert public_address(secret) == "s3://bucket/a/b.png"
    assert public_address("/a/b?.png") == "/a/b?.png"


def row(name: str) -> Row:
    return Row(input=name, output=f"{name}.png", persons=1, milliseconds=1.5, error=None)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_shard_that_is_written_again_has_no_second_rows(tmp_path: Path, manifest: str) -> None:
    storage = Storage(str(tmp_path))
    for _ in range(2):
        write_rows(storage, [row("a"), row("ü\n")], manifest)
    write_rows(storage, [row("b")], manifest)
    assert len(list((tmp_path / "manifest").iterdir())) == 2
    assert done_inputs(storage) == {"a", "ü\n", "b"}


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_a_damaged_manifest_is_an_input_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / name).write_bytes(b"{broken")
    with pytest.raises(InputError, match=name):
        done_inputs(Storage(str(tmp_path)))


@pytest.mark.parametrize("kind", ["mask", "cutout"])
def test_a_worker_writes_what_the_library_makes(
    photos: Path, tmp_path: Path, portrait: U8, kind: str
) -> None:
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = BatchOptions(str(photos), str(tmp_path / "out"), kind)
    shard = [*list_sources(str(photos)), (str(photos / "gone.png"), "gone.png")]
    rows = {Path(r["input"]).name: r for r in Worker(options).work(shard)}
    assert len(rows) == 5
    assert rows["broken.png"]["output"] is None
    assert rows["broken.png"]["error"]
    assert rows["gone.png"]["error"] == "is not there"
    assert rows["a.png"]["persons"] == 1
    mask = segment(portrait)
    expected = mask if kind == "mask" else cut_out(portrait, mask)
    for name in ("a.png", "c.PNG"):
        output = rows[name]["output"]
        assert output is not None
        written = cv2.imread(str(tmp_path / "out" / output), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(written, expected)
    (file,) = (tmp_path / "out" / "manifest").iterdir()
    assert [json.loads(line) for line in file.read_text().splitlines()] == list(rows.values())


@pytest.mark.filterwarnings("ignore")  # of moto's and the emulator's own matters
def test_a_picture_takes_two_requests_that_read_and_one_that_writes(portrait: U8) -> None:
    """Requests that write are the dearest part of a batch; benchmarks.batch counts on these numbers."""
    content = cv2.imencode(".jpg", portrait)[1].tobytes()
    with s3() as bucket:
        for number in range(4):
            with bucket.files.open_output_stream(f"photos/{number}.jpg") as file:
                file.write(content)
        source = bucket.address("photos")
        shard = list_sources(source)
        worker = Worker(BatchOptions(source, bucket.address("masks/of")))
        bucket.requests.clear()
        rows = worker.work(shard)
        assert [row["error"] for row in rows] == [None] * 4
        assert bucket.requests == {"HEAD": 4, "GET": 4, "PUT": 4 + 1}


@pytest.mark.filterwarnings("ignore")
def test_a_bucket_of_googles(portrait: U8) -> None:
    with gcs() as bucket:
        source, target = bucket.address("photos/summer"), bucket.address("photos/masks")
        for name in ("a.png", "b.png"):
            with bucket.files.open_output_stream(f"photos/summer/{name}") as file:
                file.write(cv2.imencode(".png", portrait)[1].tobytes())
        assert names(source) == ["a.png", "b.png"]
        Worker(BatchOptions(source, target)).work(list_sources(source))
        assert done_inputs(Storage(target)) == {"gs://photos/summer/a.png", "gs://photos/summer/b.png"}
        with bucket.files.open_input_stream("photos/masks/a.png.png") as file:
            mask = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, segment(portrait))


def test_a_bucket_that_cannot_be_reached_is_an_input_error_without_its_keys() -> None:
    options = "scheme=http&endpoint_override=127.0.0.1%3A1"
    with pytest.raises(InputError, match="s3://bucket/photos: ") as caught:
        list_sources(f"s3://key:secret@bucket/photos?{options}")
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="gs://bucket/photos: "):
        list_sources(f"gs://anonymous@bucket/photos?{options}&retry_limit_seconds=1")


def test_a_target_that_cannot_be_written_is_no_row(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    worker = Worker(BatchOptions(str(photos), str(tmp_path / "out")))
    with pytest.raises(OSError, match="out"):
        worker.work(list_sources(str(photos)))


def test_a_missing_extra_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "upperbodyseg.batch.job", raising=False)
    assert main(["batch", str(photos), str(tmp_path / "out")]) == 2
    assert "pip install 'upperbodyseg[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"kind": "x"}, {"manifest": "csv"}, {"shard": 0}, {"workers": 0}])
def test_wrong_settings_are_input_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        BatchOptions("a", "b", **wrong)  # type: ignore[arg-type]
