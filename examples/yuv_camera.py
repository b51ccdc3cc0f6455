"""A camera's frames as a stream: NV21 with padded rows, into a mask that is used again and again.

python examples/yuv_camera.py [--out FOLDER]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import FrameInput, ImageBuffer, ImageType, UpperBodySegmenter

WIDTH, HEIGHT, STEP = 640, 480, 704  # rows of 640 pixels lie 704 bytes apart, as many cameras have them
FRAMES, FPS = 30, 30

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

picture = cv2.resize(cv2.imread(str(Path(__file__).with_name("astronaut.jpg"))), (504, HEIGHT))
camera_bytes = np.zeros((HEIGHT + HEIGHT // 2, STEP), np.uint8)  # the camera fills them anew each time


def capture(number: int) -> None:
    """Stand in for the camera: somebody who moves to the right, as luma rows, then rows of V, U pairs."""
    bgr = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    bgr[:, 2 * number : 2 * number + 504] = picture
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    y, u, v = np.split(yuv, [HEIGHT * WIDTH, HEIGHT * WIDTH * 5 // 4])
    camera_bytes[:HEIGHT, :WIDTH] = y.reshape(HEIGHT, WIDTH)
    camera_bytes[HEIGHT:, :WIDTH] = np.stack([v, u], axis=-1).reshape(-1, WIDTH)


mask = np.empty((HEIGHT, WIDTH), np.uint8)
view = ImageBuffer(width=WIDTH, height=HEIGHT, step=STEP, channels=1, data=camera_bytes)  # no copy
with UpperBodySegmenter() as engine:  # one engine a stream: it follows the people from frame to frame
    for number in range(FRAMES):
        capture(number)
        frame = FrameInput(view, timestamp=number * 1000 // FPS, image_type=ImageType.YUV_420_888)
        output = engine.process(frame, out=mask)  # output.mask is the same memory as mask
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in output.timings_ms.items())
        print(f"{output.timestamp} ms: {len(output.persons)} person(s); {stages} ms")
cv2.imwrite(str(args.out / "last_mask.png"), mask)
