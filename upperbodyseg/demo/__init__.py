"""The page to try the library on; what it is served with is the extra ``[demo]``."""

from __future__ import annotations

from pathlib import Path

from upperbodyseg.errors import InputError
from upperbodyseg.extras import needs_extra
from upperbodyseg.models.spec import MODELS

__all__ = ["serve"]


def serve(port: int = 8000, model: str = MODELS[0], *, open_browser: bool = True) -> None:
    """Serve the page on 127.0.0.1 until it is interrupted; no other computer can reach it.

    Args:
        port: TCP port, 1 to 65535; 0 takes any that is free.
        model: "accurate" or "fast"; the one the page starts with.
        open_browser: show the page in the default browser.

    Raises:
        MissingDependencyError: the packages of the extra ``[demo]`` are not installed.
        InputError: the port is out of range, taken, or not to be had by this user.
        ModelError: the weights or the runtime are missing or damaged.
        KeyboardInterrupt: when it was interrupted, after everything was closed.
    """
    if not (Path(__file__).parent / "static").is_dir():
        raise InputError(f"the demo can't be served from inside {__file__}: unpack it, or pip install it")
    with needs_extra("the demo", "demo"):
        from upperbodyseg.demo.server import run  # noqa: PLC0415
    run(port, model, open_browser=open_browser)
