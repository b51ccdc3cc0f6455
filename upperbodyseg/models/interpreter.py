"""The only module that imports a TensorFlow Lite runtime, and where its errors become ours.

Two packages have the same ``Interpreter``: ``ai-edge-litert`` (LiteRT) and its predecessor
``tflite-runtime``. Both run on the CPU only; no delegate other than the built-in XNNPACK is ever
loaded. A runtime is imported when the first model is loaded, not with this package.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InferenceError, InputError, ModelFormatError, ModelNotFoundError
from upperbodyseg.models.spec import ModelSpec

__all__ = ["RUNTIMES", "Interpreter", "available_runtimes", "choose_runtime"]

_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}

RUNTIMES = tuple(_MODULES)
"""Names of the runtimes, as their packages are called, the preferred one first."""


def available_runtimes() -> dict[str, str]:
    """Versions of the installed runtimes by name, the preferred one first; none is imported."""
    import importlib.metadata  # noqa: PLC0415 (slow to import, and not needed to import us)

    found = {}
    for name, module in _MODULES.items():
        if importlib.util.find_spec(module.split(".")[0]) is None:
            continue
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # ai-edge-litert's nightly builds and distributions' packages have other names.
            found[name] = "unknown"
    return found


def choose_runtime(name: str) -> str:
    """The runtime to use.

    Args:
        name: one of :data:`RUNTIMES`, or "auto" for the first of them that is installed.

    Raises:
        InputError: no such name.
        ModelNotFoundError: it is not installed, or with "auto" none is.
    """
    if name != "auto" and name not in _MODULES:
        raise InputError(f"runtime must be 'auto' or one of {', '.join(RUNTIMES)}, got {name!r}")
    found = available_runtimes()
    if name == "auto":
        if not found:
            raise ModelNotFoundError("no TensorFlow Lite runtime is installed: pip install ai-edge-litert")
        return next(iter(found))
    if name not in found:
        raise ModelNotFoundError(f"the runtime {name} is not installed: pip install {name}")
    return name


class Interpreter:
    """One model in one runtime: a float32 NHWC tensor in, a float32 tensor out.

    Not for several threads at a time; the engine sees to that.

    Args:
        spec: what the model is.
        content: the model file's bytes.
        runtime: one of :data:`RUNTIMES`, or "auto".
        num_threads: threads of one inference.

    Raises:
        ModelNotFoundError: the runtime is missing.
        ModelFormatError: the runtime can't load the bytes, or their tensors are not the spec's.
    """

    def __init__(
        self, spec: ModelSpec, content: bytes, *, runtime: str = "auto", num_threads: int = 1
    ) -> None:
        self.spec = spec
        self.runtime = choose_runtime(runtime)
        try:
            module = importlib.import_module(_MODULES[self.runtime])
        except ImportError as exc:
            raise ModelNotFoundError(
                f"{self.runtime} is installed but can't be imported ({exc}): reinstall it, or choose "
                "another with SegmenterOptions(runtime=...)"
            ) from exc
        try:
            # Handing over bytes rather than a path: what runs is what was checked.
            self._interpreter: Any = module.Interpreter(model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as exc:
            raise ModelFormatError(f"{self.runtime} can't load the model {spec.name}: {exc}") from exc
        shapes = [[tuple(map(int, t["shape"])) for t in tensors] for tensors in (inputs, outputs)]
        types = {t["dtype"] for t in (*inputs, *outputs)}
        if shapes != [[spec.input_shape], [spec.output_shape]] or types != {np.float32}:
            raise ModelFormatError(
                f"the model {spec.name} should take {spec.input_shape} and give {spec.output_shape}, "
                f"both float32; the file has inputs {shapes[0]}, outputs {shapes[1]}"
            )
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self._tensor = np.empty(spec.input_shape, np.float32)

    def run(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on one picture.

        Args:
            bgr: ``(H, W, 3)`` uint8 of the model's input size.

        Returns:
            The output without its batch dimension; a copy.

        Raises:
            InferenceError: the runtime failed.
        """
        np.copyto(self._tensor[0], bgr, casting="unsafe")
        try:
            self._interpreter.set_tensor(self._input, self._tensor)
            self._interpreter.invoke()
            output: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        except (ValueError, RuntimeError) as exc:
            raise InferenceError(f"{self.runtime} failed while running {self.spec.name}: {exc}") from exc
        first: NDArray[np.float32] = output[0]
        return first
