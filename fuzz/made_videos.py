"""Small video files made here, one of each container and codec that cameras and telephones write."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["clips"]

_KINDS = (
    ("mp4", "libx264", "yuv420p"),
    ("mov", "mpeg4", "yuv420p"),
    ("matroska", "libx264", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("avi", "mjpeg", "yuvj420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("gif", "gif", "rgb8"),
)


def clips(picture: NDArray[np.uint8], frames: int = 3) -> Iterator[bytes]:
    """Videos of an RGB picture ``(H, W, 3)`` that becomes darker. PyAV is needed."""
    import av  # noqa: PLC0415

    for container, codec, pixels in _KINDS:
        file = io.BytesIO()
        with av.open(file, "w", container) as output:
            stream: av.VideoStream = output.add_stream(codec, 25)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = pixels
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture // (number + 1), "rgb24")
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
        yield file.getvalue()
