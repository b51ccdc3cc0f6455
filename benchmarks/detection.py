"""What a detector finds by itself: ``python -m benchmarks.detection DATA --model fast``.

People on a tenth or more of the COCO val pictures' frames that have a box of IoU 0.5 or more, by the share of
people-free pictures never trained on in which it finds somebody; others in a picture count from 0.7 of the
threshold on. The segmenter, which confirms what is found, has no say here: ``benchmarks.accuracy`` has both.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import SETS, add_arguments, count_found, held_out_backgrounds, large_people, read_val
from upperbodyseg import ImageBuffer, ImageType
from upperbodyseg.geometry import Letterbox
from upperbodyseg.models.interpreter import Interpreter, choose_runtime
from upperbodyseg.models.spec import DETECTOR, WEIGHTS, ModelSpec, load_spec, load_weights
from upperbodyseg.postprocess.detections import Thresholds, decode_detections
from upperbodyseg.preprocess.letterbox import letterbox
from upperbodyseg.preprocess.pixel_format import open_frame

FALSE_FINDS = (0.02, 0.04, 0.08, 0.15)
COMPANION = 0.7


class Output(NamedTuple):
    """The detector's output of one picture, and how the picture lay in its input."""

    cells: NDArray[np.float32]
    fit: Letterbox
    frame_size: tuple[int, int]


def run(interpreter: Interpreter, spec: ModelSpec, bgr: NDArray[np.uint8]) -> Output:
    frame = open_frame(ImageBuffer.view(bgr), ImageType.BGR_888, bgr.size)
    square, fit = letterbox(frame, spec.input_shape[1])
    return Output(interpreter.run(square), fit, (frame.height, frame.width))


def measure(data: Path, spec: ModelSpec) -> list[str]:
    """Rows of the table: threshold, people found, upper bodies without a find."""
    interpreter = Interpreter(spec, load_weights(spec))
    labelled = [p for p in read_val(data) if p.row["set"] == "coco"]
    outputs = [run(interpreter, spec, p.bgr) for p in labelled]
    rooms = []
    for file, held_out in held_out_backgrounds(data):
        if not held_out:
            continue
        bgr = cv2.imread(str(data / file), cv2.IMREAD_COLOR)
        if bgr is None:
            raise SystemExit(f"can't read {data / file}")
        output = run(interpreter, spec, bgr)  # type: ignore[arg-type]
        persons = decode_detections(output.cells, spec.stride, spec.unit, *output[1:])
        rooms.append(max((p.score for p in persons), default=0.0))
    rooms.sort()
    rows = []
    for share in FALSE_FINDS:
        threshold = rooms[int(len(rooms) * (1 - share))]
        found = people = alone = 0
        for picture, output in zip(labelled, outputs, strict=True):
            finds = decode_detections(output.cells, spec.stride, spec.unit, *output[1:])
            persons = Thresholds(threshold, COMPANION * threshold).passing(finds)
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
    spec = load_spec(DETECTOR, choose_runtime(args.runtime), args.models or WEIGHTS / args.model)
    print(
        "| people-free pictures with a find | threshold | large people found | upper bodies without a find |"
    )
    print("|---|---|---|---|")
    print("\n".join(measure(args.data, spec)))


if __name__ == "__main__":
    main()
