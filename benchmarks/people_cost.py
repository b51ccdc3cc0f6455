"""What telling people apart costs: ``python -m benchmarks.people_cost``.

CPU time of whole frames, in turn in one run, medians: without ids, confidence and what masks of persons need;
with them, as by default; and with ``people="main"``. Pictures are the astronaut alone, and twice side by
side.
"""

from __future__ import annotations

import argparse
import statistics
from time import process_time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import publish
from benchmarks.webcam import webcam_picture
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter, pipeline
from upperbodyseg.models.spec import MODELS
from upperbodyseg.people.crowd import Crowd

SIZE = (480, 640)
BARE, ALL, MAIN = "bare", "all", "main"


def pictures() -> dict[str, NDArray[np.uint8]]:
    """One person, and two who touch."""
    alone = webcam_picture(*SIZE)
    middle = alone[:, 80:560]
    half = cv2.resize(middle, (SIZE[1] // 2, SIZE[0]), interpolation=cv2.INTER_AREA)
    return {"one person": alone, "two people": np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))}


class _Bare:
    """In :class:`Crowd`'s place."""

    def __init__(self, _mask: Any, found: Any, *_: Any) -> None:
        self.persons = found.persons


def _bare(engine: UpperBodySegmenter) -> None:
    inner: Any = engine._pipeline
    inner._confidence_in = lambda _found: 1.0
    inner._stream.identities.name = lambda persons, *_, **__: tuple(persons)


def measure(model: str, bgr: NDArray[np.uint8], is_still: bool, rounds: int) -> dict[str, float]:
    """CPU milliseconds of a frame: :data:`BARE`, :data:`ALL` and :data:`MAIN`."""
    engines = {}
    for kind in (BARE, ALL, MAIN):
        engines[kind] = UpperBodySegmenter(
            SegmenterOptions(model=model, people="main" if kind == MAIN else "all")
        )
        engines[kind].initialize()
    _bare(engines[BARE])
    frame = FrameInput.from_image(bgr, is_still=is_still)
    stages: Any = pipeline
    times: dict[str, list[float]] = {kind: [] for kind in engines}
    for i in range(rounds + 2):
        for kind, engine in engines.items():
            stages.Crowd = _Bare if kind == BARE else Crowd
            start = process_time()
            for _ in range(5):  # a stream is checked once in that many
                engine.process(frame)
            if i > 1:
                times[kind].append((process_time() - start) * 200)
    stages.Crowd = Crowd
    for engine in engines.values():
        engine.close()
    return {kind: statistics.median(taken) for kind, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=60, help="of five frames each")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print('| model | picture | frame | ms without | `people="all"` | `people="main"` |')
    print("|---" * 6 + "|")
    for model in MODELS:
        for name, bgr in pictures().items():
            for is_still in (True, False):
                ms = measure(model, bgr, is_still, args.rounds)
                print(
                    f"| {model} | {name} | {'still' if is_still else 'stream'} | {ms[BARE]:.2f} | "
                    f"{100 * (ms[ALL] / ms[BARE] - 1):+.1f} % | {100 * (ms[MAIN] / ms[BARE] - 1):+.1f} % |",
                    flush=True,
                )


if __name__ == "__main__":
    publish(main, "people-cost")
