"""What a detector sees by itself: ``python -m benchmarks.detection DATA --model fast``.

People on 10 % of the frame or more that have a box of IoU 0.5 or more, in the COCO val pictures. Each row
holds the share of held-out people-free pictures with a detection. Others in a picture count from 0.7 of
the high threshold on. The segmenter, which confirms detections, has no say here. ``benchmarks.accuracy``
has both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import SETS, add_arguments
from benchmarks.labelled import count_found, held_out_backgrounds, large_people, read_val
from upperbodyseg import DetectedPerson, ImageBuffer, ImageType
from upperbodyseg.detector import PersonDetector
from upperbodyseg.models.spec import WEIGHTS
from upperbodyseg.postprocess.acceptance import Acceptance
from upperbodyseg.preprocess.pixel_format import open_frame

FALSE_POSITIVES = (0.02, 0.04, 0.08, 0.15)
LOW = 0.7  # of the high threshold


def detect(detector: PersonDetector, bgr: NDArray[np.uint8]) -> tuple[DetectedPerson, ...]:
    return detector.detect(open_frame(ImageBuffer.view(bgr), ImageType.BGR_888, bgr.size))


def measure(data: Path, detector: PersonDetector) -> list[str]:
    """Rows of the table: threshold, people with a detection, upper bodies without one."""
    labelled = [p for p in read_val(data) if p.row["set"] == "coco"]
    detections = [detect(detector, p.bgr) for p in labelled]
    empty = []
    for file, _, held_out in held_out_backgrounds(data):
        if not held_out:
            continue
        bgr = cv2.imread(str(data / file), cv2.IMREAD_COLOR)
        if bgr is None:
            raise SystemExit(f"can't read {data / file}")
        persons = detect(detector, bgr)
        empty.append(max((p.score for p in persons), default=0.0))
    empty.sort()
    rows = []
    for share in FALSE_POSITIVES:
        threshold = empty[int(len(empty) * (1 - share))]
        acceptance = Acceptance(threshold, LOW * threshold)
        found = people = alone = 0
        for picture, seen in zip(labelled, detections, strict=True):
            persons = acceptance.candidates(seen)
            large = large_people(picture)
            found, people = found + count_found(large, persons), people + len(large)
            alone += SETS["COCO val, upper bodies"](picture) and not persons
        rows.append(
            f"| {100 * share:.0f} % | {threshold:.2f} | {100 * found / people:.1f} % of {people} | {alone} |"
        )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    add_arguments(parser)
    args = parser.parse_args()
    detector = PersonDetector.load(args.models or WEIGHTS / args.model, args.runtime)
    print(
        "| people-free pictures with a detection | high threshold | people on 10 % of the frame or more | "
        "upper bodies without a detection |"
    )
    print("|---|---|---|---|")
    print("\n".join(measure(args.data, detector)))


if __name__ == "__main__":
    main()
