"""What a ``--background`` names, and people before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fuzz.made_pictures import encode
from upperbodyseg.backgrounds import before_background, compose, parse_background, parse_colour
from upperbodyseg.effects import blur_background, replace_background
from upperbodyseg.errors import InputError
from upperbodyseg.pictures import Picture, PictureLimits

U8 = NDArray[np.uint8]


def test_colours_are_read_as_on_the_web() -> None:
    assert parse_background("#0a80FF") == parse_colour("#0a80FF") == (255, 128, 10)
    assert parse_background("#f0a") == (170, 0, 255)
    assert parse_background("blur") == "blur"
    for text in ("", "0a80ff", "#0a80f", "#12345g", "#fff\n"):
        assert parse_colour(text) is None


def test_a_picture_is_white_where_it_is_transparent(tmp_path: Path, portrait: U8) -> None:
    alpha = np.zeros(portrait.shape[:2], np.uint8)
    alpha[:100] = 255
    path = tmp_path / "room.png"
    path.write_bytes(encode(np.dstack([portrait[..., ::-1], alpha]), "PNG"))
    background = parse_background(str(path))
    assert isinstance(background, np.ndarray)
    np.testing.assert_array_equal(background[:100], portrait[:100])
    assert (background[100:] == 255).all()


def test_a_damaged_or_too_large_picture_is_no_background(tmp_path: Path, portrait: U8) -> None:
    content = encode(np.ascontiguousarray(portrait[..., ::-1]), "PNG")
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "room.png").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        parse_background(str(tmp_path / "cut.png"))
    with pytest.raises(InputError, match="311 x 331"):
        parse_background(str(tmp_path / "room.png"), PictureLimits(max_pixels=1000))


def test_people_are_put_before_it(webcam: U8, portrait: U8) -> None:
    mask = np.zeros(webcam.shape[:2], np.uint8)
    mask[100:, 200:400] = 255
    for background, expected in (
        ("blur", blur_background(webcam, mask)),
        ((1, 2, 3), replace_background(webcam, mask, (1, 2, 3))),
        (portrait, replace_background(webcam, mask, portrait)),
    ):
        np.testing.assert_array_equal(before_background(background)(webcam, mask), expected)  # type: ignore[arg-type]
        np.testing.assert_array_equal(compose(Picture(webcam), mask, background), expected)  # type: ignore[arg-type]
    wrapped = before_background((255, 255, 255), 1.0)(webcam, mask)
    assert (wrapped != replace_background(webcam, mask, (255, 255, 255))).any()


def test_what_is_hidden_under_transparency_is_not_spread_by_the_blur(webcam: U8) -> None:
    hidden = webcam.copy()
    hidden[:, :320] = (0, 0, 255)
    alpha = np.full(webcam.shape[:2], 255, np.uint8)
    alpha[:, :320] = 0
    mask = np.zeros(webcam.shape[:2], np.uint8)
    blurred = compose(Picture(hidden, alpha), mask, "blur")
    assert (blurred[:, :200] == 255).all()
    other = hidden.copy()
    other[:, :320] = 0
    np.testing.assert_array_equal(blurred, compose(Picture(other, alpha), mask, "blur"))
