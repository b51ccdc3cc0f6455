from __future__ import annotations

import numpy as np
import pytest

from upperbodyseg import InputError, checks


@pytest.mark.parametrize("value", [1, 9, np.int64(4), np.uint8(2)])
def test_whole_numbers_within_the_limits_are_taken(value: object) -> None:
    got = checks.whole_number("size", value, 1, 9)
    assert got == value
    assert type(got) is int


@pytest.mark.parametrize("value", [0, 10, True, np.bool_(1), 1.0, "3", None, float("nan")])
def test_other_whole_numbers_are_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"size must be a whole number from 1 to 9, or None, got "):
        checks.whole_number("size", value, 1, 9, ", or None")


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int8(1)])
def test_numbers_within_the_limits_are_taken(value: float) -> None:
    got = checks.number("share", value, 1)
    assert got == value
    assert type(got) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, 1j])
def test_other_numbers_are_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"share must be a number from 0 to 1, got "):
        checks.number("share", value, 1)


def test_switches_are_true_or_false() -> None:
    assert checks.switch("refine", np.bool_(True)) is True
    assert checks.switch("refine", False) is False
    for value in (None, 1, "yes"):
        with pytest.raises(InputError, match=r"refine must be True or False, or None, got "):
            checks.switch("refine", value, ", or None")


def test_a_result_goes_into_any_writeable_array_of_its_shape() -> None:
    wide = np.zeros((4, 8), np.uint8)
    for out in (np.zeros((4, 5), np.uint8), wide[:, :5], wide[:, :5][::-1]):
        assert checks.result_array(out, (4, 5), {}) is out
    with pytest.raises(InputError, match="one after the other in memory"):
        checks.result_array(wide[:, :5][::-1], (4, 5), {}, packed=True)
    with pytest.raises(InputError, match="one after the other in memory"):
        checks.result_array(np.zeros((4, 10), np.uint8)[:, ::2], (4, 5), {}, packed=True)


@pytest.mark.parametrize("out", ["mask", np.zeros((4, 5)), np.zeros((5, 4), np.uint8)])
def test_what_holds_no_result_is_refused(out: object) -> None:
    with pytest.raises(InputError, match=r"out must be a uint8 array of shape \(4, 5\), got "):
        checks.result_array(out, (4, 5), {})


def test_a_result_shares_no_memory_with_what_is_still_read() -> None:
    out = np.zeros((4, 5), np.uint8)
    with pytest.raises(InputError, match="share no memory with frame"):
        checks.result_array(out, (4, 5), {"frame": (out[1:],)})
    assert checks.result_array(out, (4, 5), {"frame": (out.copy(),)}) is out
    out.flags.writeable = False
    with pytest.raises(InputError, match="out must be writeable"):
        checks.result_array(out, (4, 5), {})
