"""What the demo takes at most, and the refusal that anything else is answered with."""

from __future__ import annotations

from dataclasses import dataclass

from upperbodyseg.pictures import PictureLimits

__all__ = ["Limits", "RefusedError"]


@dataclass(frozen=True)
class Limits:
    """How much is taken at a time.

    Attributes:
        max_upload_bytes: of one request: a picture, and a background where there is one.
        max_pixels: of any picture, width x height, looked up in its header before it is decoded.
        max_message_bytes: of one WebSocket message: a camera frame, or a background for them.
        max_requests: pictures worked on at once.
        max_connections: live streams at once, each with an engine of its own.
        max_fps: frames a second of one live stream; of those that come faster, the newest counts.
        max_seconds: of one request, for the upload and again for the work; then it is given up.
    """

    max_upload_bytes: int = 32 * 2**20
    max_pixels: int = 30_000_000
    max_message_bytes: int = 4 * 2**20
    max_requests: int = 2
    max_connections: int = 2
    max_fps: float = 60.0
    max_seconds: float = 60.0

    @property
    def pictures(self) -> PictureLimits:
        """Of each picture: only what every browser shows."""
        return PictureLimits(
            self.max_pixels, max_bytes=self.max_upload_bytes, formats=("JPEG", "PNG", "WebP")
        )


class RefusedError(Exception):
    """A request that is not served; the message is for whoever sits before the page.

    Args:
        status: the HTTP status that says the same.
        message: what was expected, what came, what to do.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
