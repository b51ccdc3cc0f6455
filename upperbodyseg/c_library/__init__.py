"""The original SDK's C and C++ API on this library.

``upperbodyseg c-library build`` compiles ``src/`` into a shared library that runs Python inside the program
that loads it. The headers of ``include/`` belong to it.

- :mod:`~upperbodyseg.c_library.environment`: which Python the library runs in.
- :mod:`~upperbodyseg.c_library.build`: the compiler, and the files it makes.
- :mod:`~upperbodyseg.c_library.bridge`: what the shared library calls.
"""
