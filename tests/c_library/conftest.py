from __future__ import annotations

from c_programs import compiled, compiler, frame_file, libpython, library, linux

__all__ = ["compiled", "compiler", "frame_file", "libpython", "library", "linux"]
