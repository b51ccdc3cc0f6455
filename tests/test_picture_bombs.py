"""Small files that would take much time or memory are refused before anything is decoded."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.made_bombs import bombs
from fuzz.made_containers import box, claiming, coded, container
from fuzz.made_pictures import PNG, animated, chunk, encode, heic, whole
from upperbodyseg.pictures import PictureError, PictureTooLargeError, decode_picture, picture_size

U8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def rgb(astronaut: U8) -> U8:
    return np.ascontiguousarray(cv2.resize(astronaut, (64, 64), interpolation=cv2.INTER_AREA)[..., ::-1])


CHILD = """
import resource, sys
from pathlib import Path
from upperbodyseg.pictures import PictureError, decode_picture

def peak():
    # Not ru_maxrss, which on Linux begins with the parent's.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return int(status.split("VmHWM:")[1].split()[0])

whole, bombs = map(Path, sys.argv[1:])
for path in whole.iterdir():  # the plugins are loaded
    decode_picture(path.read_bytes())
before = peak()
for path in sorted(bombs.iterdir()):
    try:
        decode_picture(path.read_bytes())
    except PictureError as exc:
        print(path.name, exc)
    else:
        print(path.name, "was decoded", file=sys.stderr)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
def test_bombs_are_refused_without_memory(tmp_path: Path, rgb: U8) -> None:
    made = bombs()
    for folder, files in (("whole", whole(rgb)), ("bombs", made)):
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "whole"), str(tmp_path / "bombs")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "was decoded" not in done.stderr
    *reasons, growth = done.stdout.splitlines()
    assert len(reasons) == len(made)
    assert float(growth) < 100 * 1024  # kilobytes


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_a_container_that_claims_less_than_it_codes_is_refused(kind: str, rgb: U8) -> None:
    found = coded(rgb, kind)
    if found is None:
        pytest.skip("pillow-heif, of the extra [images], is not installed")
    honest = container(kind, *found, (64, 64))
    assert cv2.PSNR(decode_picture(honest).bgr, np.ascontiguousarray(rgb[..., ::-1])) > 25
    for side, error, message in (
        (12_000, PictureTooLargeError, "12000 x 12000"),
        (40_000, PictureTooLargeError, "40000 x 40000"),
        (9000, PictureError, "far larger than the picture|Invalid image grid"),
    ):
        lie = claiming(kind, *found, side, side)
        for content in (
            container(kind, *lie, (64, 64)),
            container(kind, *lie, (128, 192), tiles=(2, 3), tile_size=(64, 64)),
        ):
            for read in (decode_picture, picture_size):
                with pytest.raises(error, match=message):
                    read(content)
    with pytest.raises(PictureError, match="far larger"):
        decode_picture(container(kind, found[0], found[1] * 300, (64, 64)))
    with pytest.raises(PictureError, match="more than 1000 parts"):
        decode_picture(container(kind, found[0], found[1] * 1001, (64, 64)))


def test_the_tiles_of_a_grid_are_read(rgb: U8) -> None:
    found = coded(rgb, "HEIC")
    if found is None:
        pytest.skip("pillow-heif, of the extra [images], is not installed")
    picture = decode_picture(container("HEIC", *found, (128, 192), tiles=(2, 3), tile_size=(64, 64))).bgr
    one = np.ascontiguousarray(rgb[..., ::-1])
    for row in range(3):
        for column in range(2):
            tile = picture[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
            assert cv2.PSNR(np.ascontiguousarray(tile), one) > 25


def test_tracks_of_an_animation_are_looked_into(rgb: U8) -> None:
    content = animated(rgb, "AVIF")
    assert decode_picture(content).bgr.shape == (64, 64, 3)
    entry = content.index(b"av01", content.index(b"stsd"))
    wrong = content[: entry + 28] + struct.pack(">HH", 20_000, 20_000) + content[entry + 32 :]
    with pytest.raises(PictureTooLargeError, match="20000 x 20000"):
        decode_picture(wrong)


def test_a_container_of_other_codecs_is_refused(rgb: U8) -> None:
    content = encode(rgb, "AVIF")
    with pytest.raises(PictureError, match="coded as 'j2k1', which isn't read"):
        decode_picture(content.replace(b"infe\2\0\0\0\0\1\0\0av01", b"infe\2\0\0\0\0\1\0\0j2k1"))
    with pytest.raises(PictureError, match="twice"):
        decode_picture(content + content[content.index(b"meta") - 4 :])
    with pytest.raises(PictureError, match="no coded picture"):
        decode_picture(content.replace(b"meta", b"free").replace(b"moov", b"free"))


# A side, then what the message says. Those within the limits are lies: the picture is a small one.
@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (30_000, 30_000, "100 million at most"),
        (2**31 - 1, 2, "pixels"),
        (9000, 9000, "size"),
        (1, 1, "size"),
        (0, 64, "damaged"),
    ],
)
def test_a_heic_that_lies_about_its_size_is_refused(width: int, height: int, message: str, rgb: U8) -> None:
    content = heic(rgb)
    if content is None:
        pytest.skip("pillow-heif, of the extra [images], is not installed")
    at = content.find(b"ispe")
    wrong = content[: at + 8] + struct.pack(">II", width, height) + content[at + 16 :]
    with pytest.raises(PictureError, match=message):
        decode_picture(wrong)


def with_meta(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"avif", bytes(4), b"avif") + box(b"meta", bytes(4), *boxes)


def test_headers_that_go_on_and_on_are_refused() -> None:
    pieces = struct.pack(">HHH", 1, 0, 65_535)  # of no bytes each
    everything = struct.pack(">HH", 1, 65_535) + bytes(2 * 65_535)
    primary = box(b"pitm", bytes(4), struct.pack(">H", 1))
    grids = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", i, 0, b"grid")) for i in range(1, 1000)]
    kinds = box(b"iinf", bytes(4), struct.pack(">H", len(grids)), *grids)
    chain = [box(b"dimg", struct.pack(">HHH", i, 1, i + 1)) for i in range(1, 999)]
    many = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", i, 0, b"grid")) for i in range(1, 6000)]
    for content, message in (
        (with_meta(box(b"iloc", bytes(4), b"\0\0", struct.pack(">H", 5000), pieces * 5000)), "pieces"),
        (with_meta(primary, kinds, box(b"iref", bytes(4), *chain)), "made of others"),
        (with_meta(box(b"iinf", bytes(4), struct.pack(">H", len(many)), *many)), "parts"),
        (with_meta(box(b"free") * 20_000), "boxes"),
        (with_meta(box(b"iref", bytes(4), *[box(b"dimg", everything)] * 2)), "references"),
        (with_meta() + box(b"moov", *[box(b"trak")] * 100), "tracks"),
        (with_meta() + struct.pack(">I4s", 4, b"free"), "smaller than its header"),
        (with_meta(*[primary] * 2), "twice"),
    ):
        with pytest.raises(PictureError, match=message):
            decode_picture(content)
    nested = b""
    for _ in range(2000):
        nested = box(b"mdia", nested)
    with pytest.raises(PictureError, match="no coded picture"):
        decode_picture(with_meta() + box(b"moov", box(b"trak", nested)))


def test_what_only_looks_like_a_bomb_is_read(rgb: U8) -> None:
    jpeg, gif = encode(rgb, "JPEG"), encode(rgb, "GIF")
    np.testing.assert_array_equal(
        decode_picture(jpeg[:2] + b"\xff" * 100_000 + jpeg[2:]).bgr, decode_picture(jpeg).bgr
    )
    many = jpeg[:2] + b"\xff\xe5\0\2" * 9000 + jpeg[2:]
    np.testing.assert_array_equal(decode_picture(many).bgr, decode_picture(jpeg).bgr)
    at = 13 + (3 << (gif[10] & 7) + 1)  # behind the colours
    comments = gif[:at] + b"\x21\xfe" + b"\1A" * 9000 + b"\0" + gif[at:]
    np.testing.assert_array_equal(decode_picture(comments).bgr, decode_picture(gif).bgr)
    one_colour = np.zeros((3000, 3000, 3), np.uint8)
    for kind, options in (
        ("GIF", {}),
        ("JPEG", {"quality": 1}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
    ):
        assert decode_picture(encode(one_colour, kind, **options)).bgr.shape == one_colour.shape


def test_a_second_profile_is_not_unfolded(rgb: U8) -> None:
    content = encode(rgb, "PNG")
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(900_000)))
    np.testing.assert_array_equal(
        decode_picture(PNG + content[8:33] + profile * 3 + content[33:]).bgr, rgb[..., ::-1]
    )
