"""The HTTP service; what it is served with is the extra ``[serve]``."""

from __future__ import annotations

from upperbodyseg.errors import MissingDependencyError
from upperbodyseg.serve.options import ServeOptions

__all__ = ["ServeOptions", "serve"]


def serve(options: ServeOptions) -> None:
    """Serve until the process gets SIGTERM or SIGINT; requests in progress are finished first.

    Raises:
        MissingDependencyError: the packages of the extra ``[serve]`` are not installed.
        InputError: the host or port can't be had.
        ModelError: the weights or the runtime are missing or damaged.
    """
    try:
        from upperbodyseg.serve.server import run  # noqa: PLC0415
    except ImportError as exc:
        if (exc.name or "").split(".")[0] == "upperbodyseg":
            raise
        raise MissingDependencyError(
            f"the service needs the package {exc.name}: pip install 'upperbodyseg[serve]'"
        ) from exc
    run(options)
