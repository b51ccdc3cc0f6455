"""Other people's models, to score on the same pictures; their files are the user's to bring."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import ModelFormatError, ModelNotFoundError
from upperbodyseg.geometry import resize
from upperbodyseg.models.interpreter import choose_runtime, import_runtime

__all__ = ["MediaPipeSelfie"]

_SIDE = 256


class MediaPipeSelfie:
    """MediaPipe Selfie Segmentation, general model, on the whole frame, in LiteRT.

    Args:
        file: ``selfie_segmentation.tflite`` of the npm package ``@mediapipe/selfie_segmentation``
            (Apache-2.0): RGB 0-1 at 256 x 256 in, probability out.
        num_threads: threads of one inference.

    Raises:
        ModelNotFoundError: the file or LiteRT is missing.
        ModelFormatError: it is not that model.
    """

    name = "MediaPipe Selfie"

    def __init__(self, file: Path, num_threads: int = 1) -> None:
        try:
            content = file.read_bytes()
        except OSError as exc:
            raise ModelNotFoundError(f"can't read the peer's model {file}: {exc.strerror}") from exc
        # tflite-runtime lacks one of its operators.
        module = import_runtime(choose_runtime("ai-edge-litert"))
        try:
            self._net = module.Interpreter(model_content=content, num_threads=num_threads)
            self._net.allocate_tensors()
            (self._input,), (output, *_) = self._net.get_input_details(), self._net.get_output_details()
        except (ValueError, RuntimeError) as exc:
            raise ModelFormatError(f"{file} can't be loaded: {exc}") from exc
        shapes = [tuple(map(int, t["shape"])) for t in (self._input, output)]
        if shapes != [(1, _SIDE, _SIDE, 3), (1, _SIDE, _SIDE, 1)]:
            raise ModelFormatError(
                f"{file} should be selfie_segmentation.tflite, with 256 x 256 in and out; "
                f"its shapes are {shapes[0]} and {shapes[1]}"
            )
        self._output = output["index"]

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask ``(H, W)`` of a picture ``(H, W, 3)``; 128 is a probability of one half."""
        self.load(resize(np.ascontiguousarray(bgr), _SIDE, _SIDE))
        self.invoke()
        probability = self._net.get_tensor(self._output)[0, ..., 0]
        mask: NDArray[np.uint8] = np.rint(probability * 255).clip(0, 255).astype(np.uint8)
        return cv2.resize(mask, bgr.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    def load(self, small: NDArray[np.uint8]) -> None:
        """Put a BGR picture of 256 x 256 in."""
        rgb = small[..., ::-1].astype(np.float32) * np.float32(1 / 255)
        self._net.set_tensor(self._input["index"], np.ascontiguousarray(rgb[None]))

    def invoke(self) -> None:
        """Run the model by itself."""
        self._net.invoke()
