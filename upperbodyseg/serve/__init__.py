"""The HTTP service; what it is served with is the extra ``[serve]``."""

from __future__ import annotations

from upperbodyseg.extras import needs_extra
from upperbodyseg.serve.options import ServeOptions

__all__ = ["ServeOptions", "serve"]


def serve(options: ServeOptions) -> None:
    """Serve until the process gets SIGTERM or SIGINT; requests in progress are finished first.

    Raises:
        MissingDependencyError: the packages of the extra ``[serve]`` are not installed.
        InputError: the host or port can't be had.
        ModelError: the weights or the runtime are missing or damaged.
    """
    with needs_extra("the service", "serve"):
        from upperbodyseg.serve.server import run  # noqa: PLC0415
    run(options)
