"""What a call from C costs more than the same call in Python: ``python -m benchmarks.c_library``.

The library is built and loaded into this process, where it uses this very Python. One engine, with a frame
that shows nobody, is called in three ways, in random order: in Python with a frame made before, in Python
with a frame made from its memory, and by C. The clock is the thread's CPU time. Figures are lower quartiles,
since what else the machine does only adds. The first row has a real engine. The others have one that answers
at once, so that only the way there and back is left. The last calls it from a thread that Python did not
start.
"""

from __future__ import annotations

import argparse
import ctypes
import random
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import thread_time_ns
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import publish
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
#include <pthread.h>
#include <time.h>

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct call {
    DpxlCoreAIUpperBodySegmentationNaver *handle;
    const DpxlFrameInput *frame;
    DpxlCoreAIUpperBodySegmentationOutput *output;
    long long taken;
};

long long timed_call(DpxlCoreAIUpperBodySegmentationNaver *handle, const DpxlFrameInput *frame,
                     DpxlCoreAIUpperBodySegmentationOutput *output) {
    long long start = now();
    bool done = dpxl_coreai_upperbodyseg_naver_process(handle, frame, 0.5, output);
    return done ? now() - start : -1;
}

static void *run(void *given) {
    struct call *call = given;
    timed_call(call->handle, call->frame, call->output); /* the caches are the new thread's */
    call->taken = timed_call(call->handle, call->frame, call->output);
    return NULL;
}

long long timed_call_in_thread(DpxlCoreAIUpperBodySegmentationNaver *handle, const DpxlFrameInput *frame,
                               DpxlCoreAIUpperBodySegmentationOutput *output) {
    struct call call = {handle, frame, output, -1};
    pthread_t thread;
    return pthread_create(&thread, NULL, run, &call) || pthread_join(thread, NULL) ? -1 : call.taken;
}
"""


def timer(library: CLibrary, folder: Path) -> ctypes.CDLL:
    """A library with a function that times one call in C."""
    source, target = folder / "timed.c", folder / "timed.so"
    source.write_text(LOOP)
    line = [
        "cc",
        "-O2",
        "-fPIC",
        "-shared",
        "-pthread",
        *library.compile_flags,
        str(source),
        *library.link_flags,
    ]
    subprocess.run([*line, "-o", str(target)], check=True)
    timed = ctypes.CDLL(str(target))
    for call in (timed.timed_call, timed.timed_call_in_thread):
        call.restype = ctypes.c_longlong
        call.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return timed


class InstantEngine(UpperBodySegmenter):
    """Answers every frame with the mask of the first."""

    def process(
        self, frame: FrameInput, blur_sigma: float = 0.5, out: NDArray[np.uint8] | None = None
    ) -> SegmentationOutput:
        if not hasattr(self, "answer"):
            self.answer = super().process(frame, blur_sigma, out)
        return self.answer


def measure(
    folder: Path, engine: type[UpperBodySegmenter], function: str, calls: int, size: int
) -> dict[str, float]:
    """Microseconds a call, by the way of calling."""
    bgra = np.full((size, size, 4), 128, np.uint8)

    def new_frame() -> FrameInput:
        return FrameInput(ImageBuffer.view(bgra), 0, ImageType.BGRA_8888, is_still=True)

    frame = new_frame()
    struct: CFrameInput = frame_input_to_c(frame)
    output = CSegmentationOutput()
    addresses = ctypes.addressof(struct), ctypes.addressof(output)
    library = find_built(folder)
    timed_call = getattr(timer(library, folder), function)
    functions = ctypes.CDLL(str(library.binary))
    create, initialize, destroy = (
        getattr(functions, PREFIX + f) for f in ("create", "initialize", "destroy")
    )
    create.restype = ctypes.c_void_p
    own = engine(SegmenterOptions(model="fast"))
    with mock.patch.object(bridge, "UpperBodySegmenter", return_value=own):
        handle = ctypes.c_void_p(create())
    if not initialize(handle):
        raise SystemExit("the engine can't be initialized")

    def in_python() -> int:
        start = thread_time_ns()
        own.process(frame, 0.5)
        return thread_time_ns() - start

    def in_python_from_memory() -> int:
        start = thread_time_ns()
        own.process(new_frame(), 0.5)
        return thread_time_ns() - start

    def by_c() -> int:
        taken: int = timed_call(handle, *addresses)
        if taken < 0:
            raise SystemExit("a call failed")
        return taken

    ways = {"made before": in_python, "made from memory": in_python_from_memory, "by C": by_c}
    times: dict[str, list[int]] = {name: [] for name in ways}
    order = list(ways)
    for n in range(calls + WARM):
        random.shuffle(order)
        for name in order:
            taken = ways[name]()
            if n >= WARM:
                times[name].append(taken)
    destroy(handle)
    return {name: statistics.quantiles(taken, n=4)[0] / 1000 for name, taken in times.items()}


ROWS = (
    ("whole frames", UpperBodySegmenter, "timed_call"),
    ("the way alone", InstantEngine, "timed_call"),
    ("the way alone, from a thread of C", InstantEngine, "timed_call_in_thread"),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=int, default=3000, help="of each way, for each row")
    parser.add_argument("--size", type=int, default=64, help="side of the frame in pixels")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    print(f"Microseconds a call, {args.size} x {args.size} BGRA, fast.\n")
    print("| | in Python, frame made before | in Python, frame made from memory | by C |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build(folder)
        for name, engine, function in ROWS:
            found = measure(folder, engine, function, args.calls, args.size)
            print(f"| {name} | {' | '.join(f'{value:.1f}' for value in found.values())} |", flush=True)
    print(f"\nLower quartiles of {args.calls} calls; CPU time.")


if __name__ == "__main__":
    publish(main, "c_library")
