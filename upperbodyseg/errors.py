"""Everything the package raises on purpose.

::

    UpperBodySegError
    ├── InputError (ValueError)                what the caller gave can't be used
    │   └── ImageTooLargeError                 more pixels than SegmenterOptions.max_pixels
    ├── ModelError                             the weights or the runtime failed
    │   ├── ModelNotFoundError                 a weight file, or every TFLite runtime, is missing
    │   ├── ModelFormatError                   a weight file is not what its hash or shape says
    │   └── InferenceError                     the runtime failed while it ran a model
    ├── EngineStateError (RuntimeError)        an engine used before initialize() or after close()
    ├── VideoError (OSError)                   a video or camera can't be opened, read or written
    └── MissingDependencyError (ImportError)   an optional package is missing: names the extra to install

Messages say what was expected, what came, and what to do.
"""

from __future__ import annotations

__all__ = [
    "EngineStateError",
    "ImageTooLargeError",
    "InferenceError",
    "InputError",
    "MissingDependencyError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "UpperBodySegError",
    "VideoError",
]


class UpperBodySegError(Exception):
    """Base of every error of this package."""


class InputError(UpperBodySegError, ValueError):
    """What the caller gave can't be used; nothing was computed and no state has changed."""


class ImageTooLargeError(InputError):
    """The frame has more pixels than ``SegmenterOptions.max_pixels``; nothing was allocated."""


class ModelError(UpperBodySegError):
    """The weights or the runtime that executes them failed."""


class ModelNotFoundError(ModelError):
    """A weight file, its description, or every TensorFlow Lite runtime is missing."""


class ModelFormatError(ModelError):
    """A weight file does not have the hash, the format or the tensors that it should have."""


class InferenceError(ModelError):
    """The TensorFlow Lite runtime failed while it ran a model."""


class EngineStateError(UpperBodySegError, RuntimeError):
    """An engine was used before ``initialize()`` or after ``close()``."""


class VideoError(UpperBodySegError, OSError):
    """A video or a camera can't be opened, read or written."""


class MissingDependencyError(UpperBodySegError, ImportError):
    """A package that only an extra installs is missing; the message names the extra."""
