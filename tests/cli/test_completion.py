from __future__ import annotations

import subprocess
import sys

import pytest

from upperbodyseg.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_a_shell_completes_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="the extra [completion] is not installed")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("segment", "skip-existing", "evaluate"))


def test_bash_takes_the_script() -> None:
    pytest.importorskip("shtab", reason="the extra [completion] is not installed")
    script = subprocess.run(
        [sys.executable, "-m", "upperbodyseg", "completion", "bash"], capture_output=True, check=True
    ).stdout
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "upperbodyseg[completion]" in capsys.readouterr().err
