"""A camera, or a video file in its place, shown live with every frame segmented.

OpenCV reads the camera, PyAV a file. The window needs pygame-ce, since opencv-python-headless has none.
``pip install 'upperbodyseg[webcam]'`` installs both. The virtual camera needs pyvirtualcam
(``pip install 'upperbodyseg[virtual-camera]'``; GPL-2.0).

A frame goes from ``source`` through ``live`` (segmented, rendered) to ``outputs``.
"""

from __future__ import annotations

from upperbodyseg.webcam.live import Background, LiveSummary, run_live
from upperbodyseg.webcam.outputs import Output, VirtualCamera, Window
from upperbodyseg.webcam.source import CapturedFrame, FrameSource

__all__ = [
    "Background",
    "CapturedFrame",
    "FrameSource",
    "LiveSummary",
    "Output",
    "VirtualCamera",
    "Window",
    "run_live",
]
