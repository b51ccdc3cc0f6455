"""A ``.tflite`` file without what no runtime reads, and with every list of numbers in it once.

An int8 file has a scale and a zero point, eight bytes, for every channel of its weights, and again for its
biases; the zero points are all 0. Those lists, the intermediate tensors' names and the calibration's ranges
are a fifth of a small network's file. FlatBuffers lets several tables point to one list.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

BUFFER_ALIGNMENT = 16  # of a tensor's bytes, as the schema of TensorFlow Lite demands


class _SharingBuilder(flatbuffers.Builder):
    """Writes a list that it has written before as a reference to that one."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802 (flatbuffers' name)
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        return super().StartVector(elemSize, numElems, BUFFER_ALIGNMENT if elemSize == 1 else alignment)


def compact(content: bytes) -> bytes:
    """The same model in fewer bytes: the same operations on the same numbers, so the same outputs to the bit.

    Args:
        content: of a ``.tflite`` file; its tensors' numbers may stand behind the FlatBuffer, too.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        outside = {*graph.inputs, *graph.outputs}
        for i, tensor in enumerate(graph.tensors):
            if i not in outside:
                tensor.name = b""
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
    builder = _SharingBuilder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
