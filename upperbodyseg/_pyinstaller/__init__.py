"""For PyInstaller, which looks here by the entry point ``pyinstaller40``: what a frozen program needs."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_dirs"]


def hook_dirs() -> list[str]:
    """Folders of hooks."""
    return [str(Path(__file__).parent)]
