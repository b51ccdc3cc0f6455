"""Ten thousand frames through one engine: ``python -m benchmarks.soak``.

Every other frame is a still one: sizes and layouts change all the time, with rows padded at random,
people and rooms in turn. Between them goes a stream, which changes to another kind of frame now and then.
Two things must hold: the process's memory stays flat once warm, and a still frame's mask is the same
however many frames came in between. Exits with 1 where one doesn't.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import zlib
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from skimage import data

from benchmarks.figures import publish
from tests.frames import make_frame
from upperbodyseg import FrameInput, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.spec import MODELS

SIZES = ((120, 160), (144, 176), (331, 311), (480, 640), (641, 359), (720, 1280), (1080, 1920))
SHOT = 60  # frames after which the stream is another
WARM = 0.2  # of the frames: after these the memory is first looked at
GROWTH = 16.0  # MB that it may then still grow by


def resident_mb() -> float:
    """The process's resident memory in MB; where /proc is missing, the highest it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Run the frames and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--model", choices=MODELS, default=MODELS[0])
    parser.add_argument("--runtime", default="auto")
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    person = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    room = cv2.cvtColor(data.coffee(), cv2.COLOR_RGB2BGR)
    pictures = {
        (what, size): cv2.resize(bgr, size[::-1], interpolation=cv2.INTER_AREA)
        for what, bgr in (("person", person), ("room", room))
        for size in SIZES
    }
    kinds = [(key, kind, padding) for key in pictures for kind in ImageType for padding in (0, 12)]
    # I420 has no padding of its own, and the makers of frames know it.
    kinds = [(key, kind, padding) for key, kind, padding in kinds if not (padding and kind is ImageType.I420)]
    masks: dict[int, int] = {}
    changed = 0
    warm_mb = 0.0
    start = perf_counter()
    with UpperBodySegmenter(SegmenterOptions(model=args.model, runtime=args.runtime)) as engine:
        for n in range(args.frames):
            is_still = n % 2 == 0
            which = int(rng.integers(len(kinds))) if is_still else n // SHOT * 37 % len(kinds)
            key, kind, padding = kinds[which]
            frame = make_frame(np.ascontiguousarray(pictures[key]), kind, padding)
            mask = engine.process(FrameInput(frame, n, kind, is_still)).mask
            if is_still:
                digest = zlib.crc32(mask.tobytes())
                changed += masks.setdefault(which, digest) != digest
            if n == int(args.frames * WARM):
                gc.collect()
                warm_mb = resident_mb()
    gc.collect()
    grown = resident_mb() - warm_mb
    seconds = perf_counter() - start
    print(f"{args.frames} frames of {len(masks)} kinds in {seconds:.0f} s")
    print(f"memory: {warm_mb:.0f} MB after {WARM:.0%} of them, {grown:+.1f} MB since")
    print(f"masks that differed from the same frame's first: {changed}")
    if changed or grown > GROWTH:
        raise SystemExit(1)


if __name__ == "__main__":
    publish(main, "soak")
