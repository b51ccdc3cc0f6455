"""C and C++ programs, compiled without a warning and run in processes of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_programs import LONG, Compile, FrameFile, check_syntax, compile_program, run_program

from upperbodyseg import FrameInput, ImageType, SegmenterOptions, UpperBodySegmenter
from upperbodyseg.c_library.build import CLibrary

WriteFrame = Callable[..., FrameFile]

# What a program may grow by: the allocator's own unrest.
MAX_GROWTH_KIB = 1024


def masks_by_python(frames: list[FrameFile], options: SegmenterOptions) -> bytes:
    with UpperBodySegmenter(options) as engine:
        inputs = [FrameInput(f.buffer, 0, f.image_type, f.still) for f in frames]
        masks = [engine.process(frame).mask for frame in inputs]
    assert all(mask.any() for mask in masks)
    return b"".join(mask.tobytes() for mask in masks)


@pytest.mark.parametrize(
    ("source", "standard"), [("sample.c", "c11"), ("sample.cpp", "c++11"), ("sample.cpp", "c++20")]
)
def test_masks_are_pythons_to_the_byte(
    source: str, standard: str, compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frames = [
        frame_file(320, 240, ImageType.BGRA_8888),
        frame_file(320, 240, ImageType.BGRA_8888),
        frame_file(321, 241, ImageType.YUV_420_888),
        frame_file(200, 300, ImageType.RGB_888, still=True),
        frame_file(320, 240, ImageType.NV12, still=True),
        frame_file(320, 240, ImageType.I420, still=True),
    ]
    masks = tmp_path / "masks"
    arguments = [argument for frame in frames for argument in frame.arguments]
    assert run_program(compiled(source, standard), masks, "", *arguments) == ""
    assert masks.read_bytes() == masks_by_python(frames, SegmenterOptions())


def test_options_reach_the_engine(compiled: Compile, frame_file: WriteFrame, tmp_path: Path) -> None:
    frames = [frame_file(320, 240, ImageType.BGR_888, still=True)]
    masks = tmp_path / "masks"
    text = "model=fast; refine=false; people=main\nscore_threshold=0.25; test_time_augmentation=True"
    run_program(compiled("sample.c"), masks, text, *frames[0].arguments)
    options = SegmenterOptions(
        model="fast", refine=False, people="main", score_threshold=0.25, test_time_augmentation=True
    )
    assert masks.read_bytes() == masks_by_python(frames, options)


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
def test_the_cpp_image_buffer_keeps_views_and_owns_copies(standard: str, compiled: Compile) -> None:
    run_program(compiled("buffers.cpp", standard))


def test_every_mistake_is_refused_and_does_no_harm(compiled: Compile, frame_file: WriteFrame) -> None:
    frame = frame_file(160, 120, ImageType.BGRA_8888)
    assert run_program(compiled("misuse.c"), *frame.arguments) == ""


def test_four_threads_get_the_same_masks(compiled: Compile, frame_file: WriteFrame) -> None:
    frame = frame_file(96, 96, ImageType.BGRA_8888)
    run_program(compiled("threads.c"), 200, *frame.arguments)


def test_threads_may_start_python_at_once(compiled: Compile) -> None:
    run_program(compiled("starts.c"))


@pytest.mark.usefixtures("linux")
def test_memory_stays_flat_over_frames(compiled: Compile, frame_file: WriteFrame) -> None:
    frame = frame_file(96, 96, ImageType.BGRA_8888)
    frames = 10_000 if LONG else 300
    printed = run_program(compiled("memory.c"), frames, *frame.arguments, timeout=3600)
    early, late = map(int, printed.split())
    print(f"{frames} frames: {early} KiB after a tenth of them, {late} KiB at the end")
    assert late - early < MAX_GROWTH_KIB


@pytest.mark.usefixtures("linux")
def test_memory_stays_flat_over_handles(compiled: Compile) -> None:
    early, late = map(int, run_program(compiled("handles.c"), 50).split())
    # The allocator settles within some hundred handles; one lost handle of the 40 would be a MiB.
    assert late - early < 4 * MAX_GROWTH_KIB


def test_a_forked_child_is_refused(compiled: Compile) -> None:
    run_program(compiled("forked.c"))


@pytest.mark.parametrize("standard", ["c11", "c++11"])
def test_every_header_compiles_by_itself(
    standard: str, compiler: str, library: CLibrary, tmp_path: Path
) -> None:
    cpp = standard.startswith("c++")
    sources = []
    for header in sorted(library.include.rglob("*.h*")):
        if header.suffix == ".h" or cpp:
            name = header.relative_to(library.include).as_posix()
            source = tmp_path / f"{header.name}.{'cpp' if cpp else 'c'}"
            source.write_text(f"#include <{name}>\n#include <{name}>\nint main(void) {{ return 0; }}\n")
            sources.append(source)
    assert len(sources) == (15 if cpp else 8)
    check_syntax(compiler, library, sources, standard)


def test_the_masks_of_nobody_are_zeros(compiled: Compile, tmp_path: Path) -> None:
    grey = FrameFile(tmp_path / "grey", np.full((48, 64, 3), 128, np.uint8), ImageType.RGBA_8888, still=True)
    run_program(compiled("sample.c"), tmp_path / "masks", "model=fast", *grey.arguments)
    assert (tmp_path / "masks").read_bytes() == bytes(48 * 64)


def test_the_program_needs_no_writable_folder_and_no_home(
    compiled: Compile, frame_file: WriteFrame, tmp_path: Path
) -> None:
    frame = frame_file(64, 64, ImageType.BGRA_8888)
    nowhere = os.fspath(tmp_path / "does not exist")
    run_program(compiled("sample.c"), tmp_path / "masks", "", *frame.arguments, HOME=nowhere, TMPDIR=nowhere)


@pytest.mark.parametrize(("language", "standard"), [("c", "c11"), ("cpp", "c++11")])
def test_the_porting_guides_programs_run(
    language: str, standard: str, compiler: str, library: CLibrary, tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "from-the-original.md"
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert len(blocks) == 1
    source = tmp_path / f"guide.{language}"
    source.write_text(blocks[0])
    program = compile_program(compiler, library, str(source), tmp_path, standard=standard)
    assert run_program(program) == "640 x 480\n"
