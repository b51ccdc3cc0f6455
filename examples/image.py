"""A picture in; its mask, the person cut out and the person before other backgrounds out.

python examples/image.py [PICTURE] [--out FOLDER]
"""

import argparse
from pathlib import Path

import cv2

from upperbodyseg import segment
from upperbodyseg.effects import blur_background, cut_out, replace_background

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("picture", nargs="?", type=Path, default=Path(__file__).with_name("astronaut.jpg"))
parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

image = cv2.imread(str(args.picture))  # (H, W, 3) uint8, BGR
if image is None:
    parser.error(f"{args.picture} is no picture that OpenCV can read")

mask = segment(image)  # (H, W) uint8: 255 person, 0 background

results = {
    "mask.png": mask,
    "cut_out.png": cut_out(image, mask),  # (H, W, 4): the mask as alpha, edge colours cleaned
    "on_green.png": replace_background(image, mask, (64, 177, 0)),  # a colour, BGR as the image
    "blurred.png": blur_background(image, mask, sigma=12),  # pixels
}
for name, picture in results.items():
    if not cv2.imwrite(str(args.out / name), picture):
        raise SystemExit(f"{args.out / name} can't be written")
    print(args.out / name)
