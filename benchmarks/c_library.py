"""What a call from C costs more than the same call in Python: ``python -m benchmarks.c_library``.

The library is built and loaded into this process, where it uses this very Python. Calls come in pairs, one in
Python and one by C, with a frame that shows nobody. The clock is the thread's CPU time: what else the machine
does counts little. The first row has two real engines, whose frames take a hundred times what is measured.
The second has an engine that answers at once, so that only the way there and back is left. Figures are
medians; the brackets hold the middle half of the differences.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import thread_time_ns
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import versions
from upperbodyseg import (
    FrameInput,
    ImageBuffer,
    ImageType,
    SegmentationOutput,
    SegmenterOptions,
    UpperBodySegmenter,
)
from upperbodyseg.c_library import bridge
from upperbodyseg.c_library.build import CLibrary, build, find_built
from upperbodyseg.c_structs import CFrameInput, CSegmentationOutput, frame_input_to_c

PREFIX = "dpxl_coreai_upperbodyseg_naver_"
WARM = 50

# Called in a loop by C, so that ctypes, which no C program has, is not measured.
LOOP = """
#define _POSIX_C_SOURCE 200809L
#include <humanx/humanx_naver_c.h>
#include <time.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

long long timed_call(DpxlCoreAIUpperBodySegmentationNaver *handle, const DpxlFrameInput *frame,
                     DpxlCoreAIUpperBodySegmentationOutput *output) {
    long long start = now();
    bool done = dpxl_coreai_upperbodyseg_naver_process(handle, frame, 0.5, output);
    return done ? now() - start : -1;
}
"""


def timer(library: CLibrary, folder: Path) -> ctypes.CDLL:
    """A library with a function that times one call in C."""
    source, target = folder / "timed.c", folder / "timed.so"
    source.write_text(LOOP)
    line = ["cc", "-O2", "-fPIC", "-shared", *library.compile_flags, str(source), *library.link_flags]
    subprocess.run([*line, "-o", str(target)], check=True)
    timed = ctypes.CDLL(str(target))
    timed.timed_call.restype = ctypes.c_longlong
    timed.timed_call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return timed


class InstantEngine(UpperBodySegmenter):
    """Answers every frame with the mask of the first."""

    def process(
        self, frame: FrameInput, blur_sigma: float = 0.5, out: NDArray[np.uint8] | None = None
    ) -> SegmentationOutput:
        if not hasattr(self, "answer"):
            self.answer = super().process(frame, blur_sigma, out)
        return self.answer


def measure(folder: Path, engine: type[UpperBodySegmenter], calls: int, size: int) -> list[list[float]]:
    """Microseconds of every call in Python, of every call by C, and of every difference."""
    options = SegmenterOptions(model="fast")
    pixels = ImageBuffer.view(np.full((size, size, 4), 128, np.uint8))
    frame = FrameInput(pixels, 0, ImageType.BGRA_8888, is_still=True)
    struct: CFrameInput = frame_input_to_c(frame)
    output = CSegmentationOutput()
    addresses = ctypes.addressof(struct), ctypes.addressof(output)
    library = find_built(folder)
    timed = timer(library, folder)
    functions = ctypes.CDLL(str(library.binary))
    create, initialize, destroy = (
        getattr(functions, PREFIX + f) for f in ("create", "initialize", "destroy")
    )
    create.restype = ctypes.c_void_p
    with mock.patch.object(bridge, "UpperBodySegmenter", return_value=engine(options)):
        handle = ctypes.c_void_p(create())
    if not initialize(handle):
        raise SystemExit("the engine can't be initialized")
    pairs: list[tuple[float, float]] = []
    with engine(options) as own:
        for _ in range(calls + WARM):
            start = thread_time_ns()
            own.process(frame, 0.5)
            by_python = thread_time_ns() - start
            by_c = timed.timed_call(handle, *addresses)
            if by_c < 0:
                raise SystemExit("a call failed")
            pairs.append((by_python / 1000, by_c / 1000))
    destroy(handle)
    return [[p for p, _ in pairs[WARM:]], [c for _, c in pairs[WARM:]], [c - p for p, c in pairs[WARM:]]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64, help="side of the frame in pixels")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    print(f"| microseconds a call, {args.size} x {args.size} BGRA, fast | in Python | by C | more by C |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build(folder)
        for name, engine in (("two engines", UpperBodySegmenter), ("the way alone", InstantEngine)):
            python, c, more = measure(folder, engine, args.calls, args.size)
            low, middle, high = statistics.quantiles(more, n=4)
            print(
                f"| {name} | {statistics.median(python):.1f} | {statistics.median(c):.1f} | "
                f"{middle:.1f} ({low:.1f} to {high:.1f}) |",
                flush=True,
            )
    print(f"\n{versions()} Medians of {args.calls} calls, in turn; CPU time.")


if __name__ == "__main__":
    main()
