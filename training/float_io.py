"""An int8 ``.tflite`` file with float32 inputs and outputs.

LiteRT.js has no int8 tensors in its interface. Here a QUANTIZE stands before the int8 graph and a DEQUANTIZE
behind it, as a converter would have put them. That needs no calibration, and the results are the int8 file's.
"""

from __future__ import annotations

from typing import Any

import flatbuffers

from training.compact import compact


def with_float_io(content: bytes) -> bytes:
    """The same model with float32 inputs and outputs.

    Args:
        content: a ``.tflite`` file of one graph. Its float32 inputs and outputs stay as they are.

    Returns:
        The file, compact. It takes levels 0-255 and gives the int8 file's outputs, dequantised.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    (graph,) = model.subgraphs
    first = [
        _conversion(schema, model, graph, int(t), "QUANTIZE") for t in _int8(schema, graph, graph.inputs)
    ]
    last = [
        _conversion(schema, model, graph, int(t), "DEQUANTIZE") for t in _int8(schema, graph, graph.outputs)
    ]
    graph.operators = [*first, *graph.operators, *last]
    outside = {o.outputs[0]: o.inputs[0] for o in first} | {o.inputs[0]: o.outputs[0] for o in last}
    graph.inputs = [outside.get(int(t), int(t)) for t in graph.inputs]
    graph.outputs = [outside.get(int(t), int(t)) for t in graph.outputs]
    for signature in model.signatureDefs or []:
        for named in (*signature.inputs, *signature.outputs):
            named.tensorIndex = outside.get(named.tensorIndex, named.tensorIndex)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return compact(bytes(builder.Output()))


def _int8(schema: Any, graph: Any, tensors: Any) -> list[int]:
    return [t for t in tensors if graph.tensors[t].type == schema.TensorType.INT8]


def _conversion(schema: Any, model: Any, graph: Any, tensor: int, name: str) -> Any:
    """The operation between an int8 tensor and a new float32 one, which takes over its name."""
    inside, outside = graph.tensors[tensor], schema.TensorT()
    outside.name, inside.name = inside.name, b""
    outside.shape, outside.shapeSignature = inside.shape, inside.shapeSignature
    outside.type, outside.buffer, outside.hasRank = schema.TensorType.FLOAT32, 0, inside.hasRank
    graph.tensors.append(outside)
    operator = schema.OperatorT()
    operator.opcodeIndex = _opcode(schema, model, name)
    added = len(graph.tensors) - 1
    operator.inputs, operator.outputs = ([added], [tensor]) if name == "QUANTIZE" else ([tensor], [added])
    return operator


def _opcode(schema: Any, model: Any, name: str) -> int:
    number = getattr(schema.BuiltinOperator, name)
    for i, code in enumerate(model.operatorCodes):
        if code.builtinCode == number:
            return i
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = 2  # the first with int8
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
