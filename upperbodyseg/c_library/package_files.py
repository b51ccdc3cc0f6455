"""What pkg-config and CMake read. Both find the folder from their own place, so it may be moved."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cmake_config", "cmake_version", "pkg_config"]


def pkg_config(version: str) -> str:
    """``upperbodyseg.pc``."""
    rpath = "" if os.name == "nt" else " -Wl,-rpath,${libdir}"
    return f"""prefix=${{pcfiledir}}/../..
includedir=${{prefix}}/include
libdir=${{prefix}}/lib

Name: upperbodyseg
Description: Cut people out of camera frames on the CPU
Version: {version}
Cflags: -I${{includedir}}
Libs: -L${{libdir}} -lupperbodyseg{rpath}
"""


def cmake_config(binary: Path) -> str:
    """``upperbodyseg-config.cmake``, with the target ``upperbodyseg::upperbodyseg``.

    Args:
        binary: the shared library, relative to the folder.
    """
    imported = '\n  IMPORTED_IMPLIB "${_upperbodyseg_root}/lib/upperbodyseg.lib"' if os.name == "nt" else ""
    return f"""get_filename_component(_upperbodyseg_root "${{CMAKE_CURRENT_LIST_DIR}}/../../.." ABSOLUTE)
if(NOT TARGET upperbodyseg::upperbodyseg)
  add_library(upperbodyseg::upperbodyseg SHARED IMPORTED)
  set_target_properties(upperbodyseg::upperbodyseg PROPERTIES
  IMPORTED_LOCATION "${{_upperbodyseg_root}}/{binary.as_posix()}"{imported}
  INTERFACE_INCLUDE_DIRECTORIES "${{_upperbodyseg_root}}/include")
endif()
unset(_upperbodyseg_root)
"""


def cmake_version(version: str) -> str:
    """``upperbodyseg-config-version.cmake``: a later version of the same API serves, too."""
    return f"""set(PACKAGE_VERSION "{version}")
if(PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
"""
