"""PyAV, the binding of FFmpeg's libraries, loaded when it is first needed."""

from __future__ import annotations

from typing import Any

from upperbodyseg.errors import MissingDependencyError

__all__ = ["load_av", "reason", "tag_options"]


def load_av() -> Any:
    """PyAV; untyped, since its annotations differ from one release to the next.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import av  # noqa: PLC0415
    except ImportError as exc:
        raise MissingDependencyError(
            "videos need PyAV, which is not installed: pip install 'upperbodyseg[video]'"
        ) from exc
    return av


def tag_options() -> dict[str, str]:
    """For av.open: hand on tags that are no UTF-8 as they are, as PyAV does by itself from 19 on."""
    return {"metadata_errors": "surrogateescape"} if int(load_av().__version__.split(".")[0]) < 19 else {}


def reason(exc: BaseException) -> str:
    """FFmpeg's words for an error."""
    return getattr(exc, "strerror", None) or str(exc)
