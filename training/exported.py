"""Running an exported ``.tflite`` file, whatever it computes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ExportedFile:
    """A ``.tflite`` file of one input.

    Attributes:
        size: side of the pictures that it takes.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        self._outputs = sorted(self._interpreter.get_output_details(), key=lambda o: int(o["shape"][-1]))
        self.size = int(self._input["shape"][1])

    def run(self, bgr: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The outputs as floats, without their batch dimension, the one with fewer channels first."""
        x = bgr[None]
        is_float = self._input["dtype"] == np.float32
        self._interpreter.set_tensor(
            self._input["index"], x.astype(np.float32) if is_float else (x ^ 128).view(np.int8)
        )
        self._interpreter.invoke()
        outputs = []
        for output in self._outputs:
            y = self._interpreter.get_tensor(output["index"])[0]
            if y.dtype != np.float32:
                scale, zero = output["quantization"]
                y = (y.astype(np.float32) - zero) * np.float32(scale)
            outputs.append(y)
        return outputs
