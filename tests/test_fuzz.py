"""What fuzzing starts from does no harm, with and without Atheris."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fuzz.run import NAMES
from fuzz.targets import TARGETS, seeds

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")


def test_the_runner_knows_every_target() -> None:
    assert set(NAMES) == set(TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_no_seed_and_no_part_of_one_crashes_a_target(name: str) -> None:
    made = list(seeds(name))
    assert len(made) >= 5
    for content in made:
        for length in {len(content), len(content) - 1, len(content) // 2, 10, 0}:
            TARGETS[name](content[:length])


def test_without_atheris_the_runner_says_what_to_install() -> None:
    code = "import sys; sys.modules['atheris'] = None; from fuzz.run import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "messages", "--runs", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install '.[fuzz]'" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_target_is_fuzzed_for_a_few_cases(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("atheris", reason="Atheris, of the extra [fuzz], is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.run", name, "--runs", "50", "--crashes", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "no crash" in done.stdout
    assert list(tmp_path.iterdir()) == []
