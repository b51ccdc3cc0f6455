"""Cut people out of camera frames and photos on the CPU.

>>> from upperbodyseg import segment
>>> mask = segment(image)  # (H, W, 3) BGR in, (H, W) uint8 out  # doctest: +SKIP
"""

from upperbodyseg.engine import UpperBodySegmenter, close_shared, segment
from upperbodyseg.errors import (
    EngineStateError,
    ImageTooLargeError,
    InferenceError,
    InputError,
    MissingDependencyError,
    ModelError,
    ModelFormatError,
    ModelNotFoundError,
    UpperBodySegError,
    VideoError,
)
from upperbodyseg.image_buffer import ImageBuffer, ImageType
from upperbodyseg.options import SegmenterOptions
from upperbodyseg.types import DetectedPerson, FrameInput, SegmentationOutput

__all__ = [
    "DetectedPerson",
    "EngineStateError",
    "FrameInput",
    "ImageBuffer",
    "ImageTooLargeError",
    "ImageType",
    "InferenceError",
    "InputError",
    "MissingDependencyError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "SegmentationOutput",
    "SegmenterOptions",
    "UpperBodySegError",
    "UpperBodySegmenter",
    "VideoError",
    "__version__",
    "close_shared",
    "segment",
]

__version__ = "0.1.0"
