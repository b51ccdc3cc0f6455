"""Frames in an asyncio program: the event loop goes on while a thread segments.

python examples/asyncio_frames.py [--out FOLDER]
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import FrameInput
from upperbodyseg.aio import AsyncUpperBodySegmenter


async def camera(frames: int, fps: int) -> AsyncIterator[FrameInput]:
    """Stand in for a camera: somebody who moves to the right, a new array for every frame."""
    picture = cv2.imread(str(Path(__file__).with_name("astronaut.jpg")))  # 420 x 400
    for number in range(frames):
        bgr = np.full((400, 640, 3), 120, np.uint8)
        bgr[:, 2 * number : 2 * number + 420] = picture
        yield FrameInput.from_array(bgr, timestamp=number * 1000 // fps)
        await asyncio.sleep(1 / fps)


async def other_work() -> None:
    """What else the event loop has to do."""
    while True:
        print("tick")
        await asyncio.sleep(0.1)


async def main(out: Path) -> None:
    """Segment a stream; ``await`` gives each frame's mask."""
    others = asyncio.create_task(other_work())
    async with AsyncUpperBodySegmenter() as segmenter:
        async for frame in camera(frames=20, fps=20):
            output = await segmenter.process(frame)
            cv2.imwrite(str(out / f"{output.timestamp:04d}_ms.png"), output.mask)
            print(f"{output.timestamp} ms: {len(output.persons)} person(s)")
    others.cancel()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path("asyncio_masks"), help="folder for the masks")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
asyncio.run(main(args.out))
