"""Many pictures on all CPUs: an engine each, results in the order of the pictures.

python examples/thread_pool.py [PICTURE_OR_FOLDER ...] [--out FOLDER]
"""

import argparse
from pathlib import Path

import cv2

from upperbodyseg import FrameInput
from upperbodyseg.pool import SegmenterPool

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("pictures", nargs="*", type=Path, help="without them, some are made")
parser.add_argument("--out", type=Path, default=Path("pool_masks"), help="folder for the masks")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

if not args.pictures:
    astronaut = cv2.imread(str(Path(__file__).with_name("astronaut.jpg")))
    args.pictures = [args.out / "pictures"]
    args.pictures[0].mkdir(exist_ok=True)
    for percent in (50, 75, 100, 150):
        picture = cv2.resize(astronaut, None, fx=percent / 100, fy=percent / 100)
        cv2.imwrite(str(args.pictures[0] / f"{percent}.png"), picture)
        cv2.imwrite(str(args.pictures[0] / f"{percent}_mirrored.png"), picture[:, ::-1])


def read(path: Path) -> FrameInput:
    """A picture file as a frame; the array lives as long as the frame does."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} is no picture that OpenCV can read")
    return FrameInput.from_array(image, is_still=True)


paths = [p for given in args.pictures for p in (sorted(given.iterdir()) if given.is_dir() else [given])]
cv2.setNumThreads(1)  # OpenCV's own threads would only be in the engines' way
with SegmenterPool() as pool:
    # Pictures are read as results are asked for: a few at a time are in memory, however many there are.
    for path, output in zip(paths, pool.map(map(read, paths)), strict=True):
        cv2.imwrite(str(args.out / f"{path.stem}_mask.png"), output.mask)
        print(f"{path}: {len(output.persons)} person(s)")
