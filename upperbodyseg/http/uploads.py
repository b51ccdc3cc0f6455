"""The bodies of requests: counted while they arrive, in memory alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from upperbodyseg.http.limits import Limits, RefusedError

__all__ = ["Uploads"]


class Uploads:
    """The bodies that a server holds.

    Args:
        limits: of one body, of all together, and of the time that one may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    @contextlib.asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """A request's whole body. It counts as held until the context ends.

        Raises:
            RefusedError: too large (413), too slow (408), or too much is held already (503).
            ClientDisconnect: the client left.
        """
        content = bytearray()
        try:
            try:
                await asyncio.wait_for(self._read(request, content), self._limits.max_seconds)
            except asyncio.TimeoutError as exc:
                seconds = self._limits.max_seconds
                raise RefusedError(408, f"the picture did not arrive within {seconds:g} seconds") from exc
            yield bytes(content)
        finally:
            self._held -= len(content)

    async def _read(self, request: Request, content: bytearray) -> None:
        most = self._limits.max_upload_bytes
        announced = request.headers.get("content-length", "0")
        # Of a number with thousands of digits, Python's int() would raise.
        too_large = len(announced.lstrip("0")) > len(str(most)) or int(announced) > most
        if not too_large:
            async for chunk in request.stream():
                content += chunk
                self._held += len(chunk)
                if self._held > self._limits.max_total_bytes:
                    raise RefusedError(503, "the server holds too many uploads: try again later", 1)
                if len(content) > most:
                    break
            else:
                return
        raise RefusedError(413, f"that is too large: {most / 2**20:g} MiB are taken at a time")
