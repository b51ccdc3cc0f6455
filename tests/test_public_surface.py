from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import upperbodyseg

PACKAGE = Path(upperbodyseg.__file__).parent


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_names_that_were_promised_are_there() -> None:
    promised = (
        "UpperBodySegmenter SegmenterOptions ImageType ImageBuffer FrameInput SegmentationOutput "
        "segment UpperBodySegError InputError ModelError EngineStateError"
    )
    assert set(promised.split()) <= set(upperbodyseg.__all__)
    assert all(hasattr(upperbodyseg, name) for name in upperbodyseg.__all__)
    assert upperbodyseg.__all__ == sorted(upperbodyseg.__all__)


def test_image_types_are_the_originals_then_ours() -> None:
    assert [t.name for t in upperbodyseg.ImageType] == [
        "BGR_888",
        "RGB_888",
        "YUV_420_888",
        "RGBA_8888",
        "BGRA_8888",
        "NV12",
        "I420",
    ]


def test_errors_are_one_family() -> None:
    errors = [
        value
        for name in upperbodyseg.__all__
        if isinstance(value := getattr(upperbodyseg, name), type) and issubclass(value, Exception)
    ]
    assert len(errors) == 10
    assert all(issubclass(e, upperbodyseg.UpperBodySegError) for e in errors)
    assert issubclass(upperbodyseg.InputError, ValueError)
    assert issubclass(upperbodyseg.ImageTooLargeError, upperbodyseg.InputError)
    assert issubclass(upperbodyseg.EngineStateError, RuntimeError)
    assert issubclass(upperbodyseg.VideoError, OSError)
    assert issubclass(upperbodyseg.MissingDependencyError, ImportError)


def test_every_public_thing_is_documented() -> None:
    for name in upperbodyseg.__all__:
        thing = getattr(upperbodyseg, name)
        if name == "__version__":
            continue
        assert thing.__doc__, name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if not member.startswith("_") and (callable(value) or isinstance(value, (property, classmethod))):
                assert value.__doc__, f"{name}.{member}"


def test_importing_loads_no_runtime_no_training_stack_and_no_extra() -> None:
    loaded = run("import sys, upperbodyseg; print(*sys.modules)").split()
    heavy = {
        "torch",
        "tensorflow",
        "PIL",  # only where a picture file is read
        "pillow_heif",
        "av",
        "pygame",
        "pyvirtualcam",
        "tflite_runtime",
        "ai_edge_litert",
        "skimage",
        "scipy",
        "pytest",
        "training",
        "asyncio",
        "concurrent",
        "starlette",
        "uvicorn",
        "websockets",
    }
    assert heavy.isdisjoint({name.split(".")[0] for name in loaded})


def test_segmentation_needs_no_network() -> None:
    out = run(
        "import sys\n"
        "from skimage import data\n"
        "picture = data.astronaut()\n"
        "def refuse(event, args):\n"
        "    if event.startswith('socket.'): raise AssertionError(event)\n"
        "sys.addaudithook(refuse)\n"
        "import socket\n"
        "try: socket.socket()\n"
        "except AssertionError: pass\n"
        "else: raise SystemExit('sockets are not blocked')\n"
        "from upperbodyseg import ImageType, segment\n"
        "print(segment(picture, ImageType.RGB_888).mean() > 20)\n"
    )
    assert out.strip() == "True"


# What each part may import of ours: arrows point one way.
BASE = {"types", "image_buffer", "checks", "errors", "geometry", "buffers", "fork"}
MODELS = {"detector", "segmenter", "clock", "preprocess", "models", "postprocess"}
ENGINE = {"engine", "options"}
ALLOWED = {
    "errors": set(),
    "extras": {"errors"},
    "buffers": set(),
    "fork": set(),
    "locks": {"errors"},
    "clock": set(),
    "cpus": set(),
    "_pyinstaller": set(),
    "checks": {"errors"},
    "image_buffer": {"checks", "errors"},
    "likely_layout": {"image_buffer"},
    "planes": {"checks", "errors", "image_buffer", "likely_layout"},
    "types": {"errors", "image_buffer", "image_source", "planes"},
    "image_source": {"errors", "pictures"},
    "geometry": {"buffers"},
    "c_structs": BASE,
    "metrics": {"errors", "metrics"},
    "effects": {"checks", "effects", "engine", "errors", "image_source", "pictures"},
    "files": set(),
    "pictures": {"checks", "errors", "pictures"},
    "crop": set(),
    "backgrounds": {"checks", "effects", "errors", "pictures"},
    "preprocess": BASE | {"likely_layout", "preprocess"},
    "postprocess": BASE | {"postprocess"},
    "models": BASE | {"locks", "models", "postprocess"},
    "detector": BASE | {"clock", "preprocess", "models", "postprocess"},
    "segmenter": BASE | {"clock", "preprocess", "models", "postprocess"},
    "motion": BASE | {"preprocess"},
    "people": BASE | {"locks", "models", "people", "postprocess", "segmenter"},
    "stream": BASE | {"motion", "people", "postprocess", "preprocess"},
    "options": BASE | {"models", "preprocess"},
    "pipeline": BASE | MODELS | {"options", "people", "stream"},
    "engine": BASE | {"image_source", "locks", "models", "options", "pipeline", "preprocess", "postprocess"},
    "workers": BASE | ENGINE | {"locks"},
    "aio": BASE | ENGINE | {"locks"},
    "c_library": BASE | ENGINE | {"c_library", "c_structs", "locks", "__version__"},
    "pool": BASE | ENGINE | {"cpus", "locks", "workers"},
    "evaluation": BASE | {"evaluation", "files", "metrics", "models", "pictures"},
    "http": BASE | ENGINE | {"backgrounds", "effects", "http", "models", "pictures"},
    "demo": BASE | ENGINE | {"demo", "extras", "http", "models"},
    "serve": BASE
    | ENGINE
    | {"__version__", "backgrounds", "extras", "http", "models", "pictures", "pool", "postprocess", "serve"},
    "batch": BASE | ENGINE | {"batch", "effects", "extras", "files", "pictures"},
    "video": BASE | ENGINE | {"effects", "files", "video"},
    "webcam": BASE | ENGINE | {"video", "webcam"},
    "cli": BASE
    | ENGINE
    | {"backgrounds", "batch", "c_library", "cli", "cpus", "crop", "demo", "effects", "evaluation", "extras"}
    | {"files", "models", "pictures", "postprocess", "serve", "video", "webcam", "__version__"},
    "__main__": {"cli"},
    "__init__": {"engine", "options", "errors", "image_buffer", "types"},
}
ROOT = PACKAGE.parent
# Of the folders round the package.
AROUND = {"training": {"training"}, "benchmarks": {"benchmarks", "training", "tests"}}


def imported(file: Path) -> Iterator[list[str]]:
    """What a file imports, as the parts of its dotted name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            assert node.module is not None
            # Of the package itself, a name may be a module of it.
            yield from ([*node.module.split("."), alias.name] for alias in node.names)


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(file: Path) -> None:
    part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for top, *rest in imported(file):
        assert top not in ("training", "benchmarks", "tests", "fuzz")
        if top == "upperbodyseg" and rest:
            assert rest[0] in ALLOWED[part], f"{part} must not import {rest[0]}"


@pytest.mark.parametrize(
    "file",
    sorted(file for folder in AROUND for file in (ROOT / folder).rglob("*.py")),
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_benchmarks_import_training_and_never_the_reverse(file: Path) -> None:
    folder = file.relative_to(ROOT).parts[0]
    for top, *_ in imported(file):
        assert top not in {*AROUND, "tests"} - AROUND[folder], f"{folder} must not import {top}"
