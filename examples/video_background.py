"""A video with a new background; sound, times and frame rate stay. Needs pip install 'upperbodyseg[video]'.

python examples/video_background.py [VIDEO] [--out FOLDER]
"""

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import MissingDependencyError
from upperbodyseg.effects import replace_background
from upperbodyseg.video import segment_video


def make_clip(path: Path) -> Path:
    """A second of somebody who moves to the right."""
    try:
        import av  # noqa: PLC0415
    except ImportError:
        raise MissingDependencyError("a clip is made with PyAV: pip install 'upperbodyseg[video]'") from None
    picture = cv2.imread(str(Path(__file__).with_name("astronaut.jpg")))  # 420 x 400
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=480, height=400, pix_fmt="yuv420p")
        for number in range(25):
            bgr = np.full((400, 480, 3), 120, np.uint8)
            bgr[:, 2 * number : 2 * number + 420] = picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(bgr, "bgr24")))
        container.mux(stream.encode())
    return path


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video", nargs="?", type=Path, help="without it, a short clip is made")
parser.add_argument("--out", type=Path, default=Path(), help="folder for the results")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# Blue above, orange below, BGR; any picture (h, w, 3) would do.
sunset = np.linspace((160, 90, 60), (80, 160, 255), 360).astype(np.uint8)[:, None].repeat(640, axis=1)
render = partial(replace_background, background=sunset, light_wrap=0.3)
try:
    video = args.video or make_clip(args.out / "clip.mp4")
    summary = segment_video(video, args.out / "new_background.mp4", render)  # render(image, mask) a frame
except MissingDependencyError as exc:
    raise SystemExit(str(exc)) from None
print(f"{summary.frames} frames: {summary.target}", *summary.notes, sep="\n")
