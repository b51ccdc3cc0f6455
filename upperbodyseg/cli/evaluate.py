"""``upperbodyseg evaluate``: how good are the masks on a labelled data set?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from upperbodyseg.cli import console
from upperbodyseg.cli.engine_options import add_engine_options, engine_options
from upperbodyseg.cli.progress import ProgressBar
from upperbodyseg.engine import DEFAULT_BLUR_SIGMA, UpperBodySegmenter
from upperbodyseg.errors import InputError
from upperbodyseg.evaluation.datasets import LAYOUTS, read_dataset
from upperbodyseg.evaluation.peers import MediaPipeSelfie
from upperbodyseg.evaluation.report import markdown, write_page
from upperbodyseg.evaluation.run import CSV_NAME, Method, Prediction, evaluate
from upperbodyseg.files import write_file
from upperbodyseg.models.interpreter import choose_runtime
from upperbodyseg.models.spec import DETECTOR, SEGMENTER, WEIGHTS, load_spec
from upperbodyseg.postprocess.mask import check_blur_sigma
from upperbodyseg.types import FrameInput

if TYPE_CHECKING:
    from argparse import _SubParsersAction

__all__ = ["add_parser"]

_LAYOUTS_HELP = (
    "eg1800: eg1800_train.txt and eg1800_test.txt, Images/, Labels/; "
    "pphumanseg14k: train.txt and val.txt with lines of a picture and a mask; "
    "easyportrait: images/PART, annotations/PART; "
    "folder: images/, masks/ (PNG, 128 and above is person; one of many greys is taken for an alpha, too); "
    "manifest: manifest.csv with the columns image (or file), mask and maybe split "
    "(masks: 255 person, 0 background, 128 unknown)"
)


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the ``evaluate`` command."""
    parser = commands.add_parser(
        "evaluate",
        help="score the masks on a labelled data set",
        description="Segment every picture of a labelled data set and score the masks. Writes a CSV of all "
        "pictures, a summary and a page with the worst ones. Started again after an interruption, it goes on "
        "where it was.",
        epilog=f"Layouts: {_LAYOUTS_HELP}.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET_DIR")
    parser.add_argument("--layout", required=True, choices=tuple(LAYOUTS))
    parser.add_argument("--split", help="which part (default: the layout's usual one)")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="folder for the results (default: evaluation-LAYOUT)"
    )
    add_engine_options(parser, stills=True)
    parser.add_argument("--blur-sigma", type=float, default=DEFAULT_BLUR_SIGMA, metavar="S")
    parser.add_argument("--peer", choices=("mediapipe",), help="score this one's masks on the same pictures")
    parser.add_argument(
        "--peer-model",
        type=Path,
        metavar="FILE",
        help="the peer's file: selfie_segmentation.tflite of the npm package @mediapipe/selfie_segmentation",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    sigma = check_blur_sigma(args.blur_sigma)
    if (args.peer is None) != (args.peer_model is None):
        raise InputError("--peer mediapipe and --peer-model FILE go together: the peer's file is not shipped")
    options = engine_options(args)
    dataset = read_dataset(args.dataset, args.layout, args.split)
    out: Path = args.output or Path(f"evaluation-{args.layout}")
    runtime = choose_runtime(args.runtime)
    specs = [load_spec(name, runtime, WEIGHTS / args.model) for name in (DETECTOR, SEGMENTER)]
    settings = {
        "dataset": str(args.dataset.resolve()),
        "layout": dataset.layout,
        "split": dataset.split,
        "runtime": runtime,
        "models": " ".join(s.sha256[:16] for s in specs),
        "blur_sigma": str(sigma),
        "test_time_augmentation": str(options.test_time_augmentation),
        "people": options.people,
    }
    with UpperBodySegmenter(options) as engine:

        def ours(bgr: NDArray[np.uint8]) -> Prediction:
            frame = FrameInput.from_array(bgr, is_still=True)
            output = engine.process(frame, sigma)
            return Prediction(output.mask, output.regions)

        methods: dict[str, Method] = {f"upperbodyseg {args.model}": ours}
        if args.peer_model is not None:
            peer = MediaPipeSelfie(args.peer_model, args.threads)
            methods[MediaPipeSelfie.name] = lambda bgr: Prediction(peer(bgr))
        bar = ProgressBar(len(dataset.pairs))
        try:
            rows, problems = evaluate(dataset, methods, out, settings, bar.show)
        except OSError as exc:
            raise InputError(f"can't write into {out}: {exc}") from exc
        finally:
            bar.close()
        if not rows:
            raise InputError(f"no picture could be scored; the first: {problems[0][0]}: {problems[0][1]}")
        summary = markdown(dataset, rows, problems)
        title = f"upperbodyseg on {args.dataset.resolve().name} ({dataset.layout}, {dataset.split})"
        try:
            write_file(out / "summary.md", f"{summary}\n".encode())
            write_page(out / "report.html", title, summary, dataset, rows, methods)
        except OSError as exc:
            raise InputError(f"can't write into {out}: {exc}") from exc
    print(summary)
    console.warn(f"\nwritten: {out / CSV_NAME}, {out / 'summary.md'}, {out / 'report.html'}")
    return 1 if problems or dataset.missing else 0
