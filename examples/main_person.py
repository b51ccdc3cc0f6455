"""The main person of a picture without the others, and every person by themselves.

python examples/main_person.py [PICTURE] [--out FOLDER]
"""

import argparse
from pathlib import Path

import cv2

from upperbodyseg import FrameInput, UpperBodySegmenter
from upperbodyseg.effects import cut_out

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

image = cv2.imread(str(args.picture))  # (H, W, 3) uint8, BGR
if image is None:
    parser.error(f"{args.picture} is no picture that OpenCV can read")

with UpperBodySegmenter() as engine:
    main = engine.process(FrameInput.from_image(image, people="main"))
    everybody = engine.process(FrameInput.from_image(image))

results = {"main_person.png": cut_out(image, main.mask)}
for number, person in enumerate(everybody.everyone):
    results[f"person_{number}.png"] = cut_out(image, person.mask)
for name, picture in results.items():
    if not cv2.imwrite(str(args.out / name), picture):
        raise SystemExit(f"{args.out / name} can't be written")
    print(args.out / name)
print(f"confidence: {main.confidence:.2f}")
