"""TensorFlow Lite: the only module that imports a runtime, and where its errors become ours.

Two packages have the same ``Interpreter``: ``ai-edge-litert`` (LiteRT) and its predecessor
``tflite-runtime``. Both run on the CPU, with the built-in XNNPACK delegate and no other. The first model
that is loaded imports the runtime, this package does not.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.errors import InferenceError, InputError, ModelFormatError, ModelNotFoundError
from upperbodyseg.models.runtime_log import without_information
from upperbodyseg.models.spec import ModelSpec, load_spec, load_weights

__all__ = [
    "RUNTIMES",
    "Interpreter",
    "available_runtimes",
    "choose_runtime",
    "import_runtime",
    "load_interpreter",
]

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


def import_runtime(name: str) -> Any:
    """The module of a runtime, by the name :func:`choose_runtime` gives.

    Raises:
        ModelNotFoundError: it can't be imported.
    """
    if name == "tflite-runtime" and int(np.__version__.split(".")[0]) >= 2:
        # Its import would fail too, after a page about NumPy on standard error.
        raise ModelNotFoundError(
            f"tflite-runtime needs NumPy 1, found {np.__version__}: pip install 'numpy<2', "
            "or the other runtime with pip install ai-edge-litert"
        )
    try:
        return importlib.import_module(_MODULES[name])
    except Exception as exc:  # of a library that is broken or another CPU's, any kind
        cause = " ".join(str(exc).split()) or type(exc).__name__
        raise ModelNotFoundError(
            f"{name} is installed but can't be imported ({cause[:300]}): pip install --force-reinstall {name}"
        ) from exc


_told_slow = threading.Event()


def load_interpreter(name: str, folder: Path, runtime: str = "auto", num_threads: int = 1) -> Interpreter:
    """The interpreter of a model, on the file that is fast here.

    Without XNNPACK an int8 file may take over a hundred times as long, and the float16 file a few times.
    Then there is one warning in the process, a ``RuntimeWarning``, and the faster of the two is taken.

    Args:
        name: :data:`~upperbodyseg.models.spec.DETECTOR` or :data:`~upperbodyseg.models.spec.SEGMENTER`.
        folder: of the descriptions and files.
        runtime: as for :class:`~upperbodyseg.SegmenterOptions`.
        num_threads: of one inference.

    Raises:
        ModelNotFoundError: a file or the runtime is missing.
        ModelFormatError: a file is damaged.
    """
    chosen = choose_runtime(runtime)
    spec = load_spec(name, chosen, folder)
    interpreter = Interpreter(spec, load_weights(spec), num_threads=num_threads)
    if interpreter.has_xnnpack:
        return interpreter
    if not _told_slow.is_set():
        _told_slow.set()
        warnings.warn(_why_slow(chosen), RuntimeWarning, stacklevel=2)
    if spec.precision != "int8":
        return interpreter
    with contextlib.suppress(ModelNotFoundError):  # a folder of one's own may have one file alone
        other = replace(load_spec(name, "tflite-runtime", folder), runtime=chosen)
        floats = Interpreter(other, load_weights(other), num_threads=num_threads)
        # Without XNNPACK, int8 was measured from half of float16's time, with the plain kernels, to 27 times
        # of it, where the kernels of the CPU can't be found either.
        if floats.measure() < interpreter.measure():
            return floats
    return interpreter


def _why_slow(runtime: str) -> str:
    sources = ("/proc/cpuinfo", "/sys/devices/system/cpu/possible")
    missing = [path for path in sources if not os.access(path, os.R_OK)] if os.name == "posix" else []
    why = f"it can't read {' and '.join(missing)}; mount them" if missing else "it doesn't tell why"
    return (
        f"{runtime} found no XNNPACK on this machine, so each frame takes several times as long: {why}, "
        "or see 'Errors and limits' in the documentation"
    )


class Interpreter:
    """One model in one runtime: a picture in, numbers out, whatever the file computes in.

    A float file takes float32 0-255. An int8 file takes the same less 128, and its output is scaled back
    to float32. Not for several threads at a time.

    Args:
        spec: what the model is, and which runtime its file is for.
        content: the model file's bytes.
        num_threads: threads of one inference.

    Raises:
        ModelNotFoundError: the runtime is missing.
        ModelFormatError: the runtime can't load the bytes, or their tensors are not the spec's.
    """

    def __init__(self, spec: ModelSpec, content: bytes, *, num_threads: int = 1) -> None:
        self.spec = spec
        self.runtime = choose_runtime(spec.runtime)
        module = import_runtime(self.runtime)
        try:
            with without_information():
                # Handing over bytes rather than a path: what runs is what was checked.
                self._interpreter: Any = module.Interpreter(model_content=content, num_threads=num_threads)
                self._interpreter.allocate_tensors()
            inputs: list[Any] = self._interpreter.get_input_details()
            outputs: list[Any] = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as exc:
            raise ModelFormatError(f"{self.runtime} can't load the model {spec.name}: {exc}") from exc
        # A detector's shares and distances are outputs of their own, as int8 gives each one scale.
        outputs = sorted(outputs, key=lambda t: int(t["shape"][-1]))
        found = [tuple(map(int, t["shape"])) for t in (*inputs, *outputs)]
        *rest, channels = spec.output_shape
        fits = (
            found[:1] == [spec.input_shape]
            and all(list(shape[:-1]) == rest for shape in found[1:])
            and sum(shape[-1] for shape in found[1:]) == channels
        )
        if len(inputs) != 1 or not fits:
            raise ModelFormatError(
                f"the model {spec.name} should take {spec.input_shape} and give {spec.output_shape}; "
                f"the file has inputs {found[: len(inputs)]}, outputs {found[len(inputs) :]}"
            )
        self._input = inputs[0]["index"]
        self._dtype = inputs[0]["dtype"]
        scale, zero = inputs[0]["quantization"]
        quantized_well = self._dtype == np.int8 and abs(scale - 1) < 1e-3 and zero == -128
        if not (self._dtype == np.float32 or quantized_well):
            raise ModelFormatError(
                f"the model {spec.name} should take float32, or int8 of scale 1 and zero point -128; "
                f"the file takes {np.dtype(self._dtype)} of scale {scale} and zero point {zero}"
            )
        self._levels: tuple[Callable[[NDArray[np.float32]], NDArray[np.uint8]], NDArray[np.uint8]] | None = (
            None
        )
        self._outputs = [(t["index"], t["dtype"], t["quantization"]) for t in outputs]
        if not {dtype for _, dtype, _ in self._outputs} <= {np.float32, np.int8}:
            raise ModelFormatError(f"the model {spec.name} should give float32 or int8")

    @property
    def has_xnnpack(self) -> bool:
        """Whether the XNNPACK delegate runs this model; True where the runtime doesn't tell."""
        # Private, but there in every release of both, and what TensorFlow's own tests ask.
        details = getattr(self._interpreter, "_get_ops_details", None)
        if details is None:
            return True
        return any(operator["op_name"] == "DELEGATE" for operator in details())

    def measure(self) -> float:
        """Seconds of one inference, on whatever the input holds."""
        start = time.perf_counter()
        self._interpreter.invoke()
        return time.perf_counter() - start

    def run(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the model on one picture.

        Args:
            bgr: ``(H, W, 3)`` uint8 of the model's input size.

        Returns:
            The outputs without their batch dimension, one behind the other along the last axis,
            float32; a copy.

        Raises:
            InferenceError: the runtime failed, or a damaged model gave NaN or infinity.
        """
        raw = self._invoke(bgr)
        parts = [
            _dequantized(r, quantization) if dtype == np.int8 else r
            for r, (_, dtype, quantization) in zip(raw, self._outputs, strict=True)
        ]
        return self._finite(parts[0] if len(parts) == 1 else np.concatenate(parts, -1))

    def run_levels(
        self, bgr: NDArray[np.uint8], to_levels: Callable[[NDArray[np.float32]], NDArray[np.uint8]]
    ) -> NDArray[np.uint8]:
        """Run a model of one output, and turn each of its values into a level 0-255.

        Args:
            bgr: as for :meth:`run`.
            to_levels: from float32 of any shape to uint8 of the same, value by value. Of an int8 file only
                the 256 values that there are go through it, once.

        Returns:
            The output without its batch dimension, uint8; a copy.

        Raises:
            InferenceError: the runtime failed, or a damaged model gave NaN or infinity.
        """
        (raw,) = self._invoke(bgr)
        ((_, dtype, quantization),) = self._outputs
        if dtype != np.int8:
            return to_levels(self._finite(raw))
        if self._levels is None or self._levels[0] is not to_levels:
            every = np.arange(256, dtype=np.uint8).view(np.int8)
            self._levels = to_levels, to_levels(_dequantized(every, quantization).reshape(1, 256))
        return cv2.LUT(raw.view(np.uint8), self._levels[1])

    def _finite(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(values).all():
            raise InferenceError(
                f"the model {self.spec.name} gave NaN or infinity: {self.spec.path} is damaged; "
                "reinstall upperbodyseg, or check models_dir"
            )
        return values

    def _invoke(self, bgr: NDArray[np.uint8]) -> list[NDArray[Any]]:
        try:
            self._fill_input(bgr)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index)[0] for index, _, _ in self._outputs]
        except (ValueError, RuntimeError) as exc:
            raise InferenceError(f"{self.runtime} failed while running {self.spec.name}: {exc}") from exc

    def _fill_input(self, bgr: NDArray[np.uint8]) -> None:
        tensor = self._interpreter.tensor(self._input)()[0]
        try:
            if self._dtype == np.int8:
                # Flipping the highest bit is subtracting 128.
                np.bitwise_xor(bgr, np.uint8(128), out=tensor.view(np.uint8))
            else:
                np.copyto(tensor, bgr, casting="unsafe")
        finally:
            # The runtime refuses to run while a view on its memory is held, be it by an error's traceback.
            del tensor


def _dequantized(values: NDArray[np.int8], quantization: tuple[float, int]) -> NDArray[np.float32]:
    scale, zero = quantization
    dequantized: NDArray[np.float32] = (values.astype(np.float32) - zero) * np.float32(scale)
    return dequantized
