from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from upperbodyseg import InputError, segment
from upperbodyseg.effects import blur_background, cover, cut_out, portrait_blur, replace_background

U8 = NDArray[np.uint8]

EFFECTS: dict[str, Callable[..., U8]] = {
    "colour": lambda image, mask, **out: replace_background(image, mask, (10, 200, 30), **out),
    "picture": lambda image, mask, **out: replace_background(image, mask, ROOM, light_wrap=0.5, **out),
    "blur": blur_background,
    "portrait": portrait_blur,
}
ROOM: U8 = np.random.default_rng(5).integers(0, 256, (60, 90, 3), np.uint8)


def disc(height: int, width: int, softness: float = 3.0) -> U8:
    """A round person in the middle, with a soft edge of about 4 x softness pixels."""
    y, x = np.mgrid[:height, :width]
    distance = height / 4 - np.hypot(x - width / 2, y - height / 2)
    return cv2.GaussianBlur(np.where(distance > 0, 255, 0).astype(np.uint8), (0, 0), softness)


def mixture(over: Any, under: Any, mask: U8) -> U8:
    alpha = mask[..., None] / 255
    mixed: U8 = np.rint(over * alpha + under * (1 - alpha)).astype(np.uint8)
    return mixed


def natural(picture: U8, height: int, width: int) -> U8:
    return cover(np.ascontiguousarray(picture[..., ::-1]), height, width)


def error(one: U8, other: Any, where: Any) -> float:
    return float(np.abs(one.astype(float) - other)[where].mean())


# No halo


@pytest.mark.parametrize("blur", [blur_background, portrait_blur])
@pytest.mark.parametrize(("person", "wall"), [(255, 0), (0, 255)])
def test_the_person_does_not_bleed_into_the_blurred_background(
    blur: Callable[..., U8], person: int, wall: int
) -> None:
    mask = disc(360, 640)
    image = mixture(person, np.full((360, 640, 3), wall, np.uint8), mask)
    beside = mask == 0
    assert np.abs(blur(image, mask)[beside].astype(int) - wall).max() <= 2
    naive = cv2.GaussianBlur(image, (0, 0), 12)
    assert np.abs(naive[beside].astype(int) - wall).max() > 50


@pytest.mark.parametrize("sigma", [1, 4, 7, 12, 30, 100])
def test_no_halo_at_any_sigma(sigma: float) -> None:
    mask = disc(360, 640)
    image = mixture(255, np.zeros((360, 640, 3), np.uint8), mask)
    assert blur_background(image, mask, sigma)[mask == 0].max() <= 2


def test_a_coloured_person_leaves_no_tint() -> None:
    mask = disc(360, 640)
    image = mixture((0, 0, 255), np.full((360, 640, 3), 128, np.uint8), mask)
    beside = blur_background(image, mask)[mask == 0].astype(int)
    assert np.abs(beside - 128).max() <= 2


# What the blur is


@pytest.mark.parametrize("sigma", [0.7, 3, 6, 9, 12, 24, 60])
def test_without_a_person_it_is_a_gaussian_blur(sigma: float) -> None:
    image = natural(data.astronaut(), 360, 640)
    blurred = blur_background(image, np.zeros((360, 640), np.uint8), sigma)
    exact = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    difference = np.abs(blurred.astype(int) - exact)[
        60:-60, 60:-60
    ]  # what is beyond the frame is anyone's guess
    assert difference.mean() < 0.5
    assert difference.max() <= 6
    assert np.abs(exact.astype(int) - image).mean() > 1


def test_the_default_sigma_goes_with_the_frames_height() -> None:
    image = natural(data.coffee(), 300, 400)
    mask = disc(300, 400)
    np.testing.assert_array_equal(blur_background(image, mask), blur_background(image, mask, 10))


@pytest.mark.parametrize("blur", [blur_background, portrait_blur])
def test_nothing_to_blur_gives_the_image_back(blur: Callable[..., U8]) -> None:
    image = natural(data.coffee(), 90, 160)
    np.testing.assert_array_equal(blur(image, disc(90, 160), 0), image)
    np.testing.assert_array_equal(blur(image, np.full((90, 160), 255, np.uint8)), image)


def test_points_of_light_become_discs_in_portrait_blur() -> None:
    image = np.full((360, 640, 3), 20, np.uint8)
    image[178:182, 318:322] = 255
    nobody = np.zeros((360, 640), np.uint8)
    lens = portrait_blur(image, nobody, 0.5)[..., 1].astype(int)  # a radius of 3 % of 360: 10.8 pixels
    gauss = blur_background(image, nobody, 5.4)[..., 1].astype(int)  # of the disc's variance
    row = lens[180] - 20
    assert row[310:330].min() > 0.8 * row.max()
    assert row[:303].max() <= 1
    assert row[337:].max() <= 1
    assert row.max() > 4 * (gauss.max() - 20)


def test_lights_keep_their_hue_in_portrait_blur() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    image[174:186, 314:326] = (255, 200, 120)
    blurred = portrait_blur(image, np.zeros((360, 640), np.uint8), 1)[180, 320].astype(float)
    np.testing.assert_allclose(blurred / blurred[0], np.array([255, 200, 120]) / 255, atol=0.02)


def test_plain_areas_keep_their_value_in_portrait_blur() -> None:
    for colour in ((0, 0, 0), (3, 3, 3), (100, 120, 80), (200, 10, 90), (250, 255, 251), (255, 255, 255)):
        image = np.full((90, 160, 3), colour, np.uint8)
        assert np.abs(portrait_blur(image, disc(90, 160)).astype(int) - colour).max() <= 1


def test_portrait_blur_grows_with_strength() -> None:
    image = natural(data.coffee(), 180, 320)
    nobody = np.zeros((180, 320), np.uint8)
    detail = [
        float(np.abs(np.diff(portrait_blur(image, nobody, s).astype(int), axis=1)).mean())
        for s in (0, 0.1, 0.3, 0.6, 1)
    ]
    assert all(more > 1.1 * less for more, less in itertools.pairwise(detail))


# The person's own colours


@pytest.fixture(scope="module")
def composites(webcam: U8) -> list[tuple[U8, U8, U8, U8]]:
    """Image, mask, the person's true colours and the true background."""
    found = []
    outline = np.where(segment(webcam) >= 128, 255, 0).astype(np.uint8)
    mask = cv2.GaussianBlur(outline, (0, 0), 3)
    for person, wall in itertools.product(
        (data.astronaut(), data.chelsea()), (data.coffee(), data.rocket(), np.full((9, 16, 3), 255, np.uint8))
    ):
        over, under = natural(person, 360, 640), natural(wall, 360, 640)
        found.append((mixture(over, under, mask), mask, over, under))
    return found


def weighted_error(colours: U8, truth: U8, mask: U8) -> float:
    alpha = mask[..., None] / 255
    return float((np.abs(colours.astype(float) - truth) * alpha)[(mask > 0) & (mask < 255)].mean())


def test_a_cut_out_has_the_persons_colours_at_its_edge(composites: list[tuple[U8, U8, U8, U8]]) -> None:
    before, after = [], []
    for image, mask, person, _ in composites:
        before.append(weighted_error(image, person, mask))
        after.append(weighted_error(cut_out(image, mask)[..., :3], person, mask))
    assert np.mean(after) < np.mean(before) / 2.5


def test_a_new_background_is_mixed_with_the_persons_colours(composites: list[tuple[U8, U8, U8, U8]]) -> None:
    before, after = [], []
    for image, mask, person, _ in composites:
        soft = (mask > 0) & (mask < 255)
        for colour in ((0, 0, 0), (0, 255, 0)):
            truth = mixture(person, colour, mask)
            before.append(error(mixture(image, colour, mask), truth, soft))
            after.append(error(replace_background(image, mask, colour), truth, soft))
    assert np.mean(after) < np.mean(before) / 2


def test_a_white_wall_leaves_no_rim_before_black() -> None:
    mask = disc(360, 640)
    image = mixture((60, 90, 140), np.full((360, 640, 3), 255, np.uint8), mask)
    shown = replace_background(image, mask, (0, 0, 0))
    truth = mixture((60, 90, 140), np.zeros((360, 640, 3), np.uint8), mask)
    assert np.abs(shown.astype(int) - truth).max() <= 8
    assert np.abs(mixture(image, 0, mask).astype(int) - truth).max() > 35


def test_a_cut_out_laid_over_its_old_background_is_the_image(composites: list[tuple[U8, U8, U8, U8]]) -> None:
    for image, mask, _, wall in composites:
        cut = cut_out(image, mask)
        again = mixture(cut[..., :3], wall, mask)
        assert error(again, image, (mask > 0) & (mask < 255)) < 7
        np.testing.assert_array_equal(again[mask == 255], image[mask == 255])


def test_a_cut_out_has_the_mask_as_alpha_and_nothing_of_the_room(webcam: U8) -> None:
    mask = segment(webcam)
    cut = cut_out(webcam, mask)
    assert cut.shape == (360, 640, 4)
    np.testing.assert_array_equal(cut[..., 3], mask)
    np.testing.assert_array_equal(cut[mask == 255, :3], webcam[mask == 255])
    striped = webcam.copy()
    stripes = np.indices(mask.shape).sum(0) % 16 < 8
    outside = cv2.dilate(mask, np.ones((33, 33), np.uint8)) == 0
    striped[outside & stripes] = (255, 0, 255)
    np.testing.assert_array_equal(cut_out(striped, mask)[outside], cut[outside])


def test_nobody_is_cut_out_as_nothing() -> None:
    cut = cut_out(ROOM, np.zeros(ROOM.shape[:2], np.uint8))
    assert not cut.any()


# The new background


def test_where_the_mask_is_certain_nothing_is_mixed(webcam: U8) -> None:
    mask = segment(webcam)
    wall = natural(data.coffee(), 360, 640)
    for background in ((7, 77, 177), wall):
        shown = replace_background(webcam, mask, background)
        np.testing.assert_array_equal(shown[mask == 255], webcam[mask == 255])
        behind = np.broadcast_to(np.array(background, np.uint8), webcam.shape)
        np.testing.assert_array_equal(shown[mask == 0], behind[mask == 0])
    nobody, all_person = np.zeros_like(mask), np.full_like(mask, 255)
    np.testing.assert_array_equal(replace_background(webcam, nobody, wall), wall)
    np.testing.assert_array_equal(replace_background(webcam, all_person, wall), webcam)


@pytest.mark.parametrize(
    "colour", [(1, 2.4, 255), [1, 2, 255], np.array([1, 2, 255]), np.array([1, 2, 255], np.float32)]
)
def test_colours_come_in_any_sequence(colour: Any) -> None:
    shown = replace_background(ROOM, np.zeros(ROOM.shape[:2], np.uint8), colour)
    np.testing.assert_array_equal(shown, np.broadcast_to(np.array([1, 2, 255], np.uint8), ROOM.shape))


def test_light_wraps_round_the_edge_only() -> None:
    mask = disc(360, 640)
    image = np.full((360, 640, 3), 60, np.uint8)
    plain = replace_background(image, mask, (240, 120, 0)).astype(int)
    lit = [replace_background(image, mask, (240, 120, 0), light_wrap=w).astype(int) for w in (0.5, 1.0)]
    inside = cv2.erode(mask, np.ones((61, 61), np.uint8)) == 255
    rim = (mask == 255) & (cv2.dilate(255 - mask, np.ones((5, 5), np.uint8)) > 0)
    for more, less in ((lit[0], plain), (lit[1], lit[0])):
        assert (more >= less).all()
        assert (more[rim, 0] - less[rim, 0]).min() >= 10
        np.testing.assert_array_equal(more[inside], plain[inside])
        np.testing.assert_array_equal(more[mask == 0], plain[mask == 0])
    assert inside.any()
    assert (lit[1][rim][:, 0] - plain[rim][:, 0] > lit[1][rim][:, 1] - plain[rim][:, 1]).all()
    np.testing.assert_array_equal(lit[1][..., 2], plain[..., 2])  # no red light, none added


@pytest.mark.parametrize(
    ("height", "width"), [(90, 160), (160, 90), (33, 200), (300, 301), (900, 1600), (31, 47), (1, 1)]
)
def test_a_picture_covers_the_frame_in_its_proportions(height: int, width: int) -> None:
    y, x = np.mgrid[:270, :480]
    ring = np.abs(np.hypot(x - 239.5, y - 134.5) - 60) < 6
    picture = np.where(ring[..., None], 255, 0).astype(np.uint8) + np.zeros(3, np.uint8)
    shown = cover(picture, height, width)
    assert shown.shape == (height, width, 3)
    if min(height, width) < 90:
        return
    rows, columns = np.nonzero(shown[..., 0] > 127)
    scale = max(height / 270, width / 480)
    assert rows.mean() == pytest.approx((height - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx((width - 1) / 2, abs=1)
    if 132 * scale < min(height, width):
        assert np.ptp(rows) == pytest.approx(132 * scale, abs=2 + scale)
        assert np.ptp(columns) == pytest.approx(132 * scale, abs=2 + scale)


def test_covering_a_frame_of_its_own_size_changes_nothing() -> None:
    np.testing.assert_array_equal(cover(ROOM, *ROOM.shape[:2]), ROOM)
    np.testing.assert_array_equal(
        cover(ROOM, 20, 30), cv2.resize(ROOM, (30, 20), interpolation=cv2.INTER_AREA)
    )


def test_channels_are_treated_alike(webcam: U8) -> None:
    mask = segment(webcam)
    rgb = webcam[..., ::-1]
    np.testing.assert_array_equal(cut_out(rgb, mask)[..., 2::-1], cut_out(webcam, mask)[..., :3])
    np.testing.assert_array_equal(blur_background(rgb, mask)[..., ::-1], blur_background(webcam, mask))


# Memory


@pytest.mark.parametrize("effect", EFFECTS)
def test_out_is_written_and_returned_and_inputs_are_not(effect: str, webcam: U8) -> None:
    mask = segment(webcam)
    mask.flags.writeable = False
    room = ROOM.copy()
    expected = EFFECTS[effect](webcam, mask)
    out = np.full_like(webcam, 99)
    assert EFFECTS[effect](webcam, mask, out=out) is out
    np.testing.assert_array_equal(out, expected)
    EFFECTS[effect](webcam, mask, out=out)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(room, ROOM)


@pytest.mark.parametrize("effect", EFFECTS)
def test_any_strides_are_read_and_written(effect: str, webcam: U8) -> None:
    mask = segment(webcam)
    expected = EFFECTS[effect](webcam, mask)
    wide = np.zeros((360, 1300, 4), np.uint8)
    wide[:, 10:650, :3] = webcam
    image = wide[:, 10:650, :3]
    flipped = np.ascontiguousarray(mask[:, ::-1])[:, ::-1]
    out = wide[:, 650:1290, 2::-1]  # of the same memory, but of other bytes
    assert EFFECTS[effect](image, flipped, out=out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(image, webcam)
    assert not wide[..., 3].any()
    np.testing.assert_array_equal(cut_out(image, flipped), cut_out(webcam, mask))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 3), (17, 33), (101, 67), (1, 2000), (360, 639)])
@pytest.mark.parametrize("fill", [0, 1, 128, 254, 255, None])
def test_any_size_and_any_mask_will_do(size: tuple[int, int], fill: int | None) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    mask = rng.integers(0, 256, size, np.uint8) if fill is None else np.full(size, fill, np.uint8)
    shown = [effect(image, mask) for effect in EFFECTS.values()]
    shown += [blur_background(image, mask, sigma) for sigma in (0.01, 2.0, 1000.0)]
    shown += [portrait_blur(image, mask, strength) for strength in (0.01, 1.0)]
    assert all(s.shape == image.shape and s.dtype == np.uint8 for s in shown)
    if fill == 255:
        assert all((s == image).all() for i, s in enumerate(shown) if i != 1)  # all but the light wrap
    cut = cut_out(image, mask)
    np.testing.assert_array_equal(cut[..., 3], mask)
    assert cut.shape == (*size, 4)


def test_importing_the_package_does_not_load_it() -> None:
    code = "import sys, upperbodyseg; raise SystemExit('upperbodyseg.effects' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Bad input

GOOD: U8 = np.zeros((6, 8, 3), np.uint8)
MASK: U8 = np.zeros((6, 8), np.uint8)


@pytest.mark.parametrize("effect", [*EFFECTS.values(), cut_out])
@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        ([[1, 2, 3]], MASK, "expected an image as a path.*got list"),
        (None, MASK, "expected an image, got None: cv2.imread"),
        (GOOD[..., 0], MASK, "GRAY2BGR"),
        (np.zeros((6, 8, 4), np.uint8), MASK, r"3 channels, got 4.*image\[..., :3\]"),
        (np.zeros((6, 8, 1), np.uint8), MASK, r"\(6, 8, 1\)"),
        (GOOD.astype(np.float32), MASK, "uint8.*float32"),
        (GOOD[:0], MASK[:0], "1 to 32766"),
        (np.zeros((1, 32_767, 3), np.uint8), np.zeros((1, 32_767), np.uint8), "1 to 32766"),
        (GOOD, [[0]], "mask must be a numpy array"),
        (GOOD, MASK[:5], r"\(6, 8\), got \(5, 8\)"),
        (GOOD, GOOD, r"got \(6, 8, 3\)"),
        (GOOD, MASK.astype(np.float32), "multiply"),
        (GOOD, MASK.astype(bool), "uint8.*bool"),
    ],
)
def test_what_is_no_image_or_mask_is_refused(
    effect: Callable[..., U8], image: Any, mask: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        effect(image, mask)


@pytest.mark.parametrize("sigma", [-1, float("nan"), float("inf"), 1001, "3", True, [1], 1j])
def test_wrong_numbers_are_refused(sigma: Any) -> None:
    with pytest.raises(InputError, match="sigma must be a number from 0 to 1000"):
        blur_background(GOOD, MASK, sigma)
    with pytest.raises(InputError, match="strength must be a number from 0 to 1"):
        portrait_blur(GOOD, MASK, sigma)
    with pytest.raises(InputError, match="light_wrap must be a number from 0 to 1"):
        replace_background(GOOD, MASK, (0, 0, 0), light_wrap=sigma)


@pytest.mark.parametrize(
    "background",
    [
        None,
        "blur",
        "#00ff00",
        7,
        (1, 2),
        (1, 2, 3, 4),
        (1, 2, 256),
        (-1, 2, 3),
        (1, 2, float("nan")),
        (True, False, True),
        ("1", "2", "3"),
        [[1, 2], [3]],
        [[1], [2, 3], 4],
        np.zeros((6, 8), np.uint8),
        np.zeros((6, 8, 4), np.uint8),
        np.zeros((6, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        np.uint8(3),
        np.array(3),
    ],
)
def test_wrong_backgrounds_are_refused(background: Any) -> None:
    with pytest.raises(InputError, match="background must"):
        replace_background(GOOD, MASK, background)


@pytest.mark.parametrize("effect", EFFECTS.values())
def test_wrong_outs_are_refused(effect: Callable[..., U8]) -> None:
    image, mask = GOOD.copy(), MASK.copy()
    read_only = GOOD.copy()
    read_only.flags.writeable = False
    memory = np.zeros(6 * 8 * 3 + 5, np.uint8)
    for out, message in (
        ([1], "got list"),
        (GOOD[:5], r"\(6, 8, 3\).*got \(5, 8, 3\)"),
        (GOOD.astype(np.int16), "int16"),
        (read_only, "must be writeable"),
        (image, "share no memory with image"),
        (image[::-1], "share no memory with image"),
    ):
        with pytest.raises(InputError, match=message):
            effect(image, mask, out=out)
    with pytest.raises(InputError, match="share no memory with image"):
        effect(image[:, ::-1], mask, out=image)
    with pytest.raises(InputError, match="share no memory with image"):
        effect(memory[5:].reshape(6, 8, 3), mask, out=memory[:-5].reshape(6, 8, 3))
    with pytest.raises(InputError, match="share no memory with mask"):
        effect(image, memory[:48].reshape(6, 8), out=memory[:-5].reshape(6, 8, 3))


def test_a_background_is_not_written_over() -> None:
    with pytest.raises(InputError, match="share no memory with background"):
        replace_background(GOOD, MASK, ROOM, out=ROOM[:6, :8])


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5), (2.5, 5), (32_767, 5), (True, 5), ("5", 5)])
def test_wrong_sizes_to_cover_are_refused(size: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="whole number from 1 to 32766"):
        cover(ROOM, *size)
