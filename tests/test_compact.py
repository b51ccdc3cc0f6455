"""The shipped files are written without repetitions: another way to write them, the same model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from upperbodyseg.models.spec import MODELS, WEIGHTS

pytest.importorskip("ai_edge_litert", reason="needs the extra litert")

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from training.compact import BUFFER_ALIGNMENT, compact
from training.exported import ExportedFile

FILES = [path for model in MODELS for path in sorted((WEIGHTS / model).glob("*.tflite"))]


def written_plainly(content: bytes) -> bytes:
    """With a name for every tensor, its range, and every list as often as it is used."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for graph in model.subgraphs:
        for i, tensor in enumerate(graph.tensors):
            tensor.name = tensor.name or f"a/layer/of/the/network/{i}".encode()
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                tensor.quantization.min = tensor.quantization.max = np.zeros(1, np.float32)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_the_shipped_files_are_compact(path: Path) -> None:
    content = path.read_bytes()
    assert compact(content) == content


@pytest.mark.parametrize("name", ["person_segmenter", "person_detector"])
def test_a_compact_file_is_smaller_and_computes_the_same(name: str, astronaut: np.ndarray) -> None:
    plain = written_plainly((WEIGHTS / "fast" / f"{name}_int8.tflite").read_bytes())
    small = compact(plain)
    assert len(small) < 0.9 * len(plain)

    one, other = ExportedFile(plain), ExportedFile(small)
    picture = np.ascontiguousarray(astronaut[: one.size, 140 : 140 + one.size])  # her head
    for expected, got in zip(one.run(picture), other.run(picture), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.max() > 0.5


def test_numbers_behind_the_flatbuffer_come_along() -> None:
    """Converters put large tensors there."""
    content = (WEIGHTS / "fast" / "person_detector_int8.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    outside, tail = [], b""
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) > 1000:
            outside.append((buffer, len(tail)))
            tail += bytes(buffer.data) + bytes(-len(buffer.data) % BUFFER_ALIGNMENT)

    def written(start: int) -> bytes:
        for buffer, place in outside:
            size = buffer.size or len(buffer.data)
            buffer.data, buffer.offset, buffer.size = None, start + place, size
        builder = flatbuffers.Builder(len(content))
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    start = len(written(1 << 30))
    start += -start % BUFFER_ALIGNMENT
    apart = written(start).ljust(start, b"\0") + tail
    assert len(outside) > 10
    assert compact(apart) == content


def test_tensors_bytes_are_aligned() -> None:
    content = (WEIGHTS / "fast" / "person_segmenter_int8.tflite").read_bytes()
    model = schema.Model.GetRootAs(compact(content), 0)
    places = [
        buffer._tab.Vector(data)
        for buffer in map(model.Buffers, range(model.BuffersLength()))
        if (data := buffer._tab.Offset(4))
    ]
    assert len(places) > 50
    assert {place % BUFFER_ALIGNMENT for place in places} == {0}
