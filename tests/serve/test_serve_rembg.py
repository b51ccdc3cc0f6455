"""The cases of rembg's own handler: what its clients get."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
    pytest.importorskip(package, reason=f"{package}, of the extra [serve], is not installed")

# ruff: noqa: E402  (what follows needs them)
from service import U8, ask, encode, post_form, running

from upperbodyseg import segment
from upperbodyseg.effects import cut_out


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as address:
        yield address


def test_a_picture_is_cut_out_as_png(service: str, portrait: U8) -> None:
    answer = post_form(service, "/api/remove", ("file", encode(portrait, ".jpg")), ("model", "u2netp"))
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.picture().shape == (*portrait.shape[:2], 4)


def test_the_cutout_is_the_librarys(service: str, portrait: U8) -> None:
    answer = post_form(service, "/api/remove", ("file", encode(portrait)))
    np.testing.assert_array_equal(answer.picture(), cut_out(portrait, segment(portrait)))


@pytest.mark.parametrize("yes", ["true", "1", "on", "True"])
def test_only_the_mask(service: str, portrait: U8, yes: str) -> None:
    answer = post_form(service, "/api/remove", ("file", encode(portrait)), ("om", yes))
    np.testing.assert_array_equal(answer.picture(), segment(portrait))


def test_a_hard_mask(service: str, portrait: U8) -> None:
    answer = post_form(service, "/api/remove?om=true&ppm=true", ("file", encode(portrait)))
    np.testing.assert_array_equal(answer.picture(), np.where(segment(portrait) > 127, 255, 0))
    cutout = post_form(service, "/api/remove", ("file", encode(portrait)), ("ppm", "true")).picture()
    assert set(np.unique(cutout[..., 3])) == {0, 255}


def test_a_colour_below(service: str, portrait: U8) -> None:
    path = "/api/remove?bgc=255,0,10,255"
    picture = post_form(service, path, ("file", encode(portrait))).picture()
    assert (picture[..., 3] == 255).all()
    outside = segment(portrait) == 0
    assert (picture[outside][:, :3] == (10, 0, 255)).all()
    inside = segment(portrait) == 255
    np.testing.assert_array_equal(picture[inside][:, :3], cut_out(portrait, segment(portrait))[inside][:, :3])


def test_a_colour_that_is_half_transparent(service: str, portrait: U8) -> None:
    path = "/api/remove?bgc=0,255,0,128"
    picture = post_form(service, path, ("file", encode(portrait))).picture()
    outside = segment(portrait) == 0
    assert (picture[outside] == (0, 255, 0, 128)).all()


def test_a_colour_of_three_numbers_is_opaque(service: str, portrait: U8) -> None:
    short, full = (
        post_form(service, f"/api/remove?bgc={colour}", ("file", encode(portrait))).body
        for colour in ("0,255,0", "0,255,0,255")
    )
    assert short == full


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("af", "240.0"),
        ("af", "+240"),
        ("ab", " 10 "),
        ("ae", "9" * 40),
        *((name, "") for name in ("model", "a", "af", "ab", "ae", "om", "ppm", "dc", "vm", "bgc", "extras")),
    ],
)
def test_values_that_rembg_takes_are_taken(service: str, portrait: U8, name: str, value: str) -> None:
    """An empty field is the default: pages send all that their forms have."""
    answer = post_form(service, "/api/remove", ("file", encode(portrait)), (name, value))
    np.testing.assert_array_equal(answer.picture(), cut_out(portrait, segment(portrait)))


def test_what_has_no_effect_is_taken(service: str, portrait: U8) -> None:
    answer = post_form(
        service,
        "/api/remove",
        *(("file", encode(portrait)), ("a", "true"), ("af", "240"), ("ab", "10"), ("ae", "10")),
        *(("extras", "{broken"), ("dc", "false"), ("vm", "0")),
    )
    np.testing.assert_array_equal(answer.picture(), cut_out(portrait, segment(portrait)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "no-such-model"),
        ("a", "perhaps"),
        ("om", "2"),
        ("af", "256"),
        ("ab", "-1"),
        ("ae", "x"),
        ("ae", "9" * 5000),
        ("af", "10.5"),
        ("af", "nan"),
        ("om", " true "),
        ("bgc", "1,2"),
        ("bgc", "1,2,3,4,5"),
        ("bgc", "red"),
        ("bgc", "1,2,3,256"),
    ],
)
def test_wrong_values_are_422(service: str, portrait: U8, name: str, value: str) -> None:
    answer = post_form(service, "/api/remove", ("file", encode(portrait)), (name, value))
    assert answer.status == 422
    assert name in answer.json()["error"]


def test_a_form_without_a_picture_is_422(service: str) -> None:
    assert post_form(service, "/api/remove", ("model", "u2net")).status == 422


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_415(service: str, content: bytes) -> None:
    assert post_form(service, "/api/remove", ("file", content)).status == 415


def test_nothing_is_fetched(service: str) -> None:
    answer = ask(service, "GET", "/api/remove?url=http://127.0.0.1:1/a.png")
    assert answer.status == 403
    assert "fetches nothing" in answer.json()["error"]
