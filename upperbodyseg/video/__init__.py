"""Videos in, videos out: every frame segmented, everything else kept as it was.

Needs PyAV (``pip install 'upperbodyseg[video]'``), which brings FFmpeg's libraries.

>>> from upperbodyseg.effects import blur_background
>>> from upperbodyseg.video import segment_video
>>> segment_video("talk.mp4", "blurred.mp4", blur_background)  # doctest: +SKIP

A frame goes through ``reader`` (decoded, upright BGR), ``segment`` (its mask, the new picture) and a writer:
``writer`` for files, ``pictures`` for folders of PNG. ``format`` is what the reader tells the writer.
"""

from __future__ import annotations

from upperbodyseg.video.encoding import CONTAINERS
from upperbodyseg.video.format import Layout, Render
from upperbodyseg.video.paths import check_target
from upperbodyseg.video.segment import VideoSummary, segment_video

__all__ = ["CONTAINERS", "Layout", "Render", "VideoSummary", "check_target", "segment_video"]
