"""What a server takes at most, and the refusal that anything else is answered with."""

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
        max_total_bytes: of all uploads that are held in memory at a time.
        max_requests: pictures worked on at once, or waiting for it.
        max_connections: live streams at once, each with an engine of its own.
        max_sockets: connections at once.
        max_fps: frames a second of one live stream; of those that come faster, the newest counts.
        max_seconds: of one request, for the upload and again for the work; then it is given up.
        header_seconds: until the header of a request is there.
        idle_seconds: that a live stream may send no frame for, and keep its engine; None for any time.
        stop_seconds: that requests in progress get to finish when the server is stopped.
        formats: that pictures may have.
    """

    max_upload_bytes: int = 32 * 2**20
    max_pixels: int = 30_000_000
    max_message_bytes: int = 4 * 2**20
    max_total_bytes: int = 256 * 2**20
    max_requests: int = 2
    max_connections: int = 2
    max_fps: float = 60.0
    max_sockets: int = 64  # browsers open half a dozen at a time
    max_seconds: float = 60.0
    header_seconds: float = 10.0
    idle_seconds: float | None = None
    stop_seconds: int = 1
    formats: tuple[str, ...] = ("JPEG", "PNG", "WebP")  # only what every browser shows

    @property
    def pictures(self) -> PictureLimits:
        """Of each picture."""
        return PictureLimits(self.max_pixels, max_bytes=self.max_upload_bytes, formats=self.formats)


class RefusedError(Exception):
    """A request that is not served; the message is for whoever sent it.

    Args:
        status: the HTTP status that says the same.
        message: what was expected, what came, what to do.
        retry_after: seconds after which another try may succeed; None says nothing of it.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
