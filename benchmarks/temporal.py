"""Streams: how calm the masks are, how late, and how soon somebody is found or gone.

``python -m benchmarks.temporal DATA`` for a folder as training/README.md describes it, with videos
from a camera that stands still in ``clips/``. Each figure with and without temporal smoothing, and with
every frame as a still one.

Flicker is the mean absolute change of the mask, in grey levels, from one frame of a clip to the next,
where the picture has not changed. Lag is the delay, in frames, at which the true mask of a made
sequence (a cut-out that moves over a people-free picture) comes nearest to the mask found.

Somebody who walks in is found when half of what shows of them is marked. The frames are counted from the
first with a bit of shoulder, 0.4 % of the frame. An empty room is one of the held-out people-free pictures,
a little panned.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import publish
from training.library import background_files
from upperbodyseg import FrameInput, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.models.spec import MODELS

U8 = NDArray[np.uint8]
WAYS = ("still frames", "stream, no smoothing", "stream")
SIZE = (480, 640)
SPEEDS = (4, 8, 16)  # pixels a frame, of those who walk in
FIRST_BIT = 0.004  # of the frame
NEVER = 99  # frames
SAME = 2  # grey levels, of a mean over 5 x 5 pixels: less is no change


def masks(frames: Iterator[U8] | list[U8], model: str, way: str) -> Iterator[U8]:
    options = SegmenterOptions(model=model, temporal_smoothing=way == "stream")
    with UpperBodySegmenter(options) as engine:
        for bgr in frames:
            frame = FrameInput.from_array(bgr, is_still=way == "still frames")
            yield engine.process(frame).mask


def read_clip(path: Path) -> list[U8]:
    video = cv2.VideoCapture(str(path))
    frames: list[U8] = []
    while True:
        more, bgr = video.read()
        if not more:
            return frames
        frames.append(bgr)


def flicker(frames: list[U8], found: list[U8]) -> float:
    changes = []
    grey = [cv2.blur(cv2.cvtColor(f, cv2.COLOR_BGR2GRAY), (5, 5)) for f in frames]
    for t in range(1, len(frames)):
        still = cv2.absdiff(grey[t], grey[t - 1]) <= SAME
        changes.append(cv2.absdiff(found[t], found[t - 1])[still].mean())
    return float(np.mean(changes))


def place_alpha(cutout: U8, x: float, y: float) -> U8:
    """The cut-out's alpha with its corner at ``(x, y)`` of the frame, whole pixels or not."""
    shift = np.array([[1.0, 0, x], [0, 1.0, y]])
    return cv2.warpAffine(cutout[..., 3], shift, SIZE[::-1])


def place(room: U8, cutout: U8, x: int, y: int, rng: np.random.Generator) -> U8:
    """The cut-out with its corner at ``(x, y)`` over the room, with a camera's noise; BGR."""
    noise = rng.normal(0, 2, (SIZE[0] // 2, SIZE[1] // 2, 3)).astype(np.float32)
    bgr = room + cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    x0, x1 = max(x, 0), min(x + cutout.shape[1], SIZE[1])
    y0, y1 = max(y, 0), min(y + cutout.shape[0], SIZE[0])
    if x1 > x0 and y1 > y0:
        part = cutout[y0 - y : y1 - y, x0 - x : x1 - x].astype(np.float32)
        alpha = part[..., 3:] / 255
        bgr[y0:y1, x0:x1] += alpha * (part[..., :3] - room[y0:y1, x0:x1])
    return bgr.clip(0, 255).astype(np.uint8)


def load_scenes(data: Path, count: int) -> list[tuple[U8, U8]]:
    """Rooms and cut-outs, scaled to a webcam's frame; evenly out of each folder."""
    rooms = sorted((data / "backgrounds" / "houses").rglob("*.jpg"))
    people = sorted((data / "cutouts" / "viton").rglob("*.webp"))
    scenes = []
    for i in range(count):
        room = cv2.imread(str(rooms[i * len(rooms) // count]))
        cutout = cv2.imread(str(people[i * len(people) // count]), cv2.IMREAD_UNCHANGED)
        assert room is not None
        assert cutout is not None
        scale = SIZE[0] * 0.8 / cutout.shape[0]
        cutout = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        scenes.append((cv2.resize(room, SIZE[::-1]), cutout))
    return scenes


def lag(scene: tuple[U8, U8], speed: int, model: str, way: str) -> float:
    """Frames by which the mask is behind, on average over a walk through the frame."""
    room, cutout = scene
    rng = np.random.default_rng(0)
    y = SIZE[0] - cutout.shape[0]
    steps = min((SIZE[1] - cutout.shape[1] - 40) // speed, 40)
    frames = [place(room, cutout, 20 + speed * t, y, rng) for t in range(steps)]
    delays = np.arange(-1, 3.01, 0.5)
    errors = np.zeros(len(delays))
    for t, mask in enumerate(masks(frames, model, way)):
        if t >= 5:  # found and settled
            truth = [place_alpha(cutout, 20 + speed * (t - d), y) for d in delays]
            errors += [cv2.norm(mask, alpha, cv2.NORM_L1) for alpha in truth]
    k = int(np.clip(np.argmin(errors), 1, len(delays) - 2))
    low, mid, high = errors[k - 1 : k + 2]
    return float(delays[k] + 0.25 * (low - high) / (low - 2 * mid + high))  # the parabola's lowest point


def trail(scene: tuple[U8, U8], model: str, way: str) -> list[float]:
    """Mean mask of an arm and shoulder in their last frame, and where they were 1, 2 and 3 frames later."""
    room, cutout = scene
    rng = np.random.default_rng(0)
    x, y = (SIZE[1] - cutout.shape[1]) // 2, SIZE[0] - cutout.shape[0]
    less = cutout.copy()
    columns = np.nonzero(cutout[..., 3].max(0))[0]
    less[:, : columns[len(columns) // 4], 3] = 0
    frames = [place(room, cutout, x, y, rng) for _ in range(12)]
    frames += [place(room, less, x, y, rng) for _ in range(3)]
    gone = cv2.subtract(place_alpha(cutout, x, y), place_alpha(less, x, y))
    gone = cv2.erode(gone, np.ones((9, 9), np.uint8))
    return [float(mask[gone > 128].mean()) for mask in list(masks(frames, model, way))[11:]]


def walking_in(scene: tuple[U8, U8], speed: int, side: str, beside: U8 | None) -> Iterator[tuple[U8, U8]]:
    """Frames and alphas of somebody who comes in at a side, perhaps where another person is already."""
    room, cutout = scene
    columns = np.nonzero(cutout[..., 3].max(0) > 128)[0]
    cutout = cutout[:, columns[0] : columns[-1] + 1]
    rng = np.random.default_rng(0)
    y, width = SIZE[0] - cutout.shape[0], cutout.shape[1]
    if beside is not None:
        x = 20 if side == "right" else SIZE[1] - beside.shape[1] - 20
        room = place(room, beside, x, SIZE[0] - beside.shape[0], rng)
    for t in range(-8, width // speed + 1):
        shown = max(speed * t, 0)
        x = SIZE[1] - shown if side == "right" else shown - width
        yield place(room, cutout, x, y, rng), place_alpha(cutout, x, y)


def found_after(scene: tuple[U8, U8], model: str, speed: int, side: str, beside: U8 | None) -> int | None:
    """Frames from the first bit of shoulder to the one that marks half of what shows; None for never."""
    seen = list(walking_in(scene, speed, side, beside))
    first = next(t for t, (_, alpha) in enumerate(seen) if (alpha > 128).mean() > FIRST_BIT)
    found = masks([bgr for bgr, _ in seen], model, "stream")
    for t, ((_, alpha), mask) in enumerate(zip(seen, found, strict=True)):
        if t >= first and mask[alpha > 128].mean() > 128:
            return t - first
    return None


def entering_table(scenes: list[tuple[U8, U8]], model: str) -> str:
    """How soon those who walk in are found, a row a speed."""
    rows = []
    for speed in SPEEDS:
        cells = []
        for beside in (False, True):
            waits = [
                found_after(scene, model, speed, side, scenes[i - 1][1] if beside else None)
                for i, scene in enumerate(scenes)
                for side in ("left", "right")
            ]
            waited = [NEVER if wait is None else wait for wait in waits]
            cells += [f"{np.median(waited):.0f}", f"{sum(w <= 5 for w in waited)} of {len(waited)}"]
        rows.append(f"| {speed} | " + " | ".join(cells) + " |")
    head = "| pixels a frame | alone: median | within 5 | beside another: median | within 5 |"
    return "\n".join(
        [
            f"{model}: frames from the first bit of shoulder to the mask",
            "",
            head,
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def marked_in_empty_rooms(data: Path, model: str) -> tuple[int, int]:
    """Of frames of panned people-free pictures, those with more than 1 % marked; and all."""
    marked = frames = 0
    for file in background_files(data, held_out=True):
        picture = cv2.imread(str(data / file))
        assert picture is not None
        scale = 1.1 * max(SIZE[0] / picture.shape[0], SIZE[1] / picture.shape[1])
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        spare_y, spare_x = picture.shape[0] - SIZE[0], picture.shape[1] - SIZE[1]
        turns = [(0.5 + 0.5 * np.sin(t / 6), 0.5 + 0.5 * np.cos(t / 9)) for t in range(20)]
        corners = [(round(spare_y * v), round(spare_x * u)) for u, v in turns]
        views = [picture[y : y + SIZE[0], x : x + SIZE[1]].copy() for y, x in corners]
        found = [(mask >= 128).mean() > 0.01 for mask in masks(views, model, "stream")]
        marked, frames = marked + sum(found), frames + len(found)
    return marked, frames


def kept_over_cuts(scenes: list[tuple[U8, U8]], model: str) -> tuple[int, int]:
    """Of cuts to a scene whose person a still frame shows, those whose first frame in the stream does."""
    shots, alphas = [], []
    for i, (room, cutout) in enumerate(scenes):
        x, y = (20 if i % 2 else SIZE[1] - cutout.shape[1] - 20), SIZE[0] - cutout.shape[0]
        shots.append(place(room, cutout, x, y, np.random.default_rng(i)))
        alphas.append(place_alpha(cutout, x, y))

    def shown(found: list[U8]) -> list[bool]:
        return [bool(m[alpha > 128].mean() > 128) for m, alpha in zip(found, alphas, strict=True)]

    still = shown(list(masks(shots, model, "still frames")))
    stream = shown(list(masks([bgr for bgr in shots for _ in range(7)], model, "stream"))[::7])
    kept = [after for before, after in zip(still[1:], stream[1:], strict=True) if before]
    return sum(kept), len(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--scenes", type=int, default=10)
    args = parser.parse_args()
    clips = [read_clip(p) for p in sorted((args.data / "clips").glob("*.mkv"))]
    scenes = load_scenes(args.data, args.scenes)
    for model in args.model or MODELS:
        print(f"\n| {model} | " + " | ".join(WAYS) + " |\n|---|" + "---|" * len(WAYS))
        rows: dict[str, list[str]] = {}
        for way in WAYS:
            value = np.mean([flicker(clip, list(masks(clip, model, way))) for clip in clips])
            rows.setdefault(f"flicker, grey levels, {len(clips)} clips", []).append(f"{value:.3f}")
            for speed in (2, 6, 12):
                value = np.median([lag(scene, speed, model, way) for scene in scenes])
                rows.setdefault(f"lag, frames, at {speed} pixels a frame", []).append(f"{value:+.2f}")
            left = np.median([trail(scene, model, way) for scene in scenes], 0)
            rows.setdefault("mask of an arm, its last frame and 1, 2, 3 after", []).append(
                ", ".join(f"{v:.0f}" for v in left)
            )
        for name, cells in rows.items():
            print(f"| {name} | " + " | ".join(cells) + " |")
        print("\n" + entering_table(scenes, model))
        print(
            "\nframes of panned empty rooms with more than 1 % marked: {} of {}".format(
                *marked_in_empty_rooms(args.data, model)
            )
        )
        print(
            "cuts after whose first frame the person is marked: {} of {}".format(
                *kept_over_cuts(scenes, model)
            )
        )


if __name__ == "__main__":
    publish(main, "temporal")
