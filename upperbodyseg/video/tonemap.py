"""HDR pictures as standard ones: a table from PQ or HLG in BT.2020 to gamma in BT.709.

Curves of ITU-R BT.2100; the tone curve is that of ITU-R BT.2390-11, 5.4.1, from 1000 cd/m2 to the
203 cd/m2 that ITU-R BT.2408 gives to white.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.video.colour import HLG, PQ

__all__ = ["write_table"]

F64 = NDArray[np.float64]

_POINTS = 33
"""Of the table, along each colour; between them it is interpolated."""

_WHITE, _PEAK = 203.0, 1000.0
_GAMMA = 2.4  # of displays, ITU-R BT.1886
_TO_BT709 = np.array(  # ITU-R BT.2087-0, 4.4
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128


def _pq_to_light(signal: F64) -> F64:
    """Light in cd/m2 of a PQ signal 0-1."""
    root = signal ** (1 / _M2)
    light: F64 = 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return light


def _light_to_pq(light: F64) -> F64:
    power = (np.maximum(light, 0) / 10_000) ** _M1
    signal: F64 = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def _hlg_to_light(signal: F64) -> F64:
    """Light in cd/m2 of an HLG signal ``(..., 3)``, 0-1, on a display of 1000 cd/m2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = np.maximum(scene @ _LUMA, 1e-9)[..., None]
    light: F64 = _PEAK * luminance**0.2 * scene
    return light


def _compress(light: F64) -> F64:
    """BT.2390's curve: linear below a knee, then a Hermite spline up to white."""
    peak, white = _light_to_pq(np.array(_PEAK)), _light_to_pq(np.array(_WHITE))
    signal = np.minimum(_light_to_pq(light) / peak, 1)
    most = white / peak
    knee = 1.5 * most - 0.5
    t = (signal - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    )
    return _pq_to_light(np.where(signal < knee, signal, spline) * peak)


def tone_map(signal: F64, transfer: int) -> F64:
    """Map RGB signals.

    Args:
        signal: ``(..., 3)`` float64 0-1, PQ or HLG, of BT.2020's primaries.
        transfer: 16 for PQ, 18 for HLG, as in ITU-T H.273.

    Returns:
        ``(..., 3)`` float64 0-1, gamma 2.4, of BT.709's primaries.
    """
    light = {PQ: _pq_to_light, HLG: _hlg_to_light}[transfer](signal)
    # By the brightest colour, so that the hue stays.
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    light = light * (_compress(brightest) / brightest)
    shown: F64 = np.clip(light @ _TO_BT709.T / _WHITE, 0, 1) ** (1 / _GAMMA)
    return shown


def write_table(path: Path, transfer: int) -> None:
    """Write :func:`tone_map` as a .cube file, which FFmpeg's lut3d filter reads."""
    steps = np.linspace(0, 1, _POINTS)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red changes fastest
    table = tone_map(np.stack([red, green, blue], -1), transfer).reshape(-1, 3)
    rows = "\n".join("{:.5f} {:.5f} {:.5f}".format(*row) for row in table)
    path.write_text(f"LUT_3D_SIZE {_POINTS}\n{rows}\n", encoding="ascii")
