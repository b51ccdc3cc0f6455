"""What memory an engine keeps."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from frames import bgr_frame
from numpy.typing import NDArray

from upperbodyseg import SegmenterOptions, UpperBodySegmenter

U8 = NDArray[np.uint8]


def test_a_large_still_leaves_no_large_scratch_memory(portrait: U8, webcam: U8) -> None:
    with UpperBodySegmenter(SegmenterOptions(model="fast")) as engine:
        large = cv2.resize(portrait, (5000, 5300))
        tracemalloc.start()
        try:
            output = engine.process(bgr_frame(large))
            held, peak = tracemalloc.get_traced_memory()
            assert output.persons
            assert peak > 5 * output.mask.size
            assert held < output.mask.size + 2**20
            usual = engine.process(bgr_frame(webcam)).mask.size
            once, _ = tracemalloc.get_traced_memory()
            engine.process(bgr_frame(webcam))
            twice, _ = tracemalloc.get_traced_memory()
            assert once > held + usual  # that of usual frames stays
            assert abs(twice - once) < 2**16
        finally:
            tracemalloc.stop()


RESIDENT = """
import sys
import cv2
import numpy as np
from upperbodyseg import segment

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

portrait = np.load(sys.argv[1])
for _ in range(3):
    segment(portrait)
before = resident()
assert segment(cv2.resize(portrait, (6000, 6000))).any()
print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_process_keeps_little_of_a_large_photo(portrait: U8, tmp_path: Path) -> None:
    np.save(tmp_path / "portrait.npy", portrait)
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, str(tmp_path / "portrait.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 72 * 1024  # kilobytes: two bytes a pixel; while it runs, some twelve
