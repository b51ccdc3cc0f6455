"""U2Net as rembg runs it (Apache-2.0; the file is the user's to bring; needs ``onnxruntime``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.geometry import resize


def one_thread(file: Path) -> Any:
    """An ONNX file's session that computes in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


class U2Net:
    """RGB normalised as ImageNet at 320 x 320 in, saliency 0-1 out; one thread."""

    def __init__(self, file: Path) -> None:
        self._net = one_thread(file)

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Saliency of a picture ``(H, W, 3)``, stretched to 0-1, ``(H, W)``."""
        rgb = resize(bgr, 320, 320)[..., ::-1].astype(np.float32)
        x = (rgb / max(float(rgb.max()), 1) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        name = self._net.get_inputs()[0].name
        p = self._net.run(None, {name: x.transpose(2, 0, 1)[None].astype(np.float32)})[0][0, 0]
        p = (p - p.min()) / max(float(p.max() - p.min()), 1e-6)
        return cv2.resize(p, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR)
