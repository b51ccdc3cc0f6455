"""What the README and docs/ show runs, and what they list is what there is."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import upperbodyseg
from upperbodyseg import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A comment <!-- not run: why --> on the line before keeps a block from being run.
BLOCK = re.compile(r"^(<!-- not run: [^\n]+ -->\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    """The page's Python blocks, each at its own lines so that a traceback names them."""
    text = page.read_text(encoding="utf-8")
    return [
        "\n" * text.count("\n", 0, found.start(2)) + found[2]
        for found in BLOCK.finditer(text)
        if not found[1]
    ]


WITH_CODE = [page for page in PAGES if blocks(page)]


def test_pages_have_code_that_is_run() -> None:
    assert {"README.md", "index.md", "image-types.md", "streams.md"} <= {page.name for page in WITH_CODE}


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)


def test_no_python_is_left_out_unsaid() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(BLOCK.findall(text)) == len(
            re.findall(r"^[ \t]*```[ \t]*(?:python|py)\b", text, re.MULTILINE)
        ), page


def test_all_that_the_package_gives_is_in_the_reference() -> None:
    reference = "".join(
        (ROOT / "docs" / "api" / f"{p}.md").read_text(encoding="utf-8") for p in ("upperbodyseg", "errors")
    )
    described = set(
        re.findall(r"auto(?:class|function|exception):: (?:upperbodyseg\.)?(\w+)$", reference, re.M)
    )
    assert described == set(upperbodyseg.__all__) - {"__version__"}


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The long options of a command, and of the commands below it."""
    found = {o for action in parser._actions for o in action.option_strings if o.startswith("--")}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= set().union(*map(options_of, action.choices.values()))
    return found


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser of the command line."""
    parsers: list[argparse.ArgumentParser] = []

    def remember(parser: argparse.ArgumentParser, _arguments: object) -> None:
        parsers.append(parser)
        parser.exit()

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", remember)
        with pytest.raises(SystemExit):
            cli.main([])
    return parsers[0]


SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: Path) -> list[str]:
    """The lines of the page's shell blocks that call ``upperbodyseg``, without their comments."""
    text = page.read_text(encoding="utf-8")
    lines = "\n".join(SHELL.findall(text)).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#\s.*", "", line) for line in lines if re.search(r"\bupperbodyseg [a-z]", line)]


def test_commands_that_pages_show_are_understood(program: argparse.ArgumentParser) -> None:
    shown = [line for page in PAGES for line in commands_of(page)]
    assert len(shown) > 20
    for line in shown:
        for part in re.split(r"\s(?:&&|[|<>])\s", line):
            words = shlex.split(part)
            if words[:1] == ["upperbodyseg"]:
                program.parse_args(words[1:])


@pytest.mark.skipif(os.name != "posix", reason="they are written for a POSIX shell")
@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_commands_that_segment_run_as_they_stand(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/one.jpg", "photos/two.jpg"):
        shutil.copy(ROOT / "examples" / "astronaut.jpg", tmp_path / name)
    command = tmp_path / "bin" / "upperbodyseg"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m upperbodyseg "$@"\n')
    command.chmod(0o755)
    places = {"PATH": f"{command.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    lines = [
        line.split("&&")[-1]
        for line in commands_of(ROOT / page)
        if "upperbodyseg segment" in line and "ffmpeg" not in line
    ]
    assert len(lines) >= 3
    for line in lines:
        before = set(tmp_path.rglob("*.*"))
        subprocess.run(["sh", "-ec", line], cwd=tmp_path, env=os.environ | places, check=True)
        new = set(tmp_path.rglob("*.*")) - before
        assert new or "mask.png" in line, line
        for path in new:
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert picture is not None, path
            assert np.ptp(picture) > 200, path


def test_every_option_of_the_command_line_is_described_and_no_other(program: argparse.ArgumentParser) -> None:
    commands = next(a for a in program._actions if isinstance(a, argparse._SubParsersAction)).choices
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    shared, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    sections_by_name = {section.split("\n", 1)[0]: section for section in sections}
    assert set(sections_by_name) == set(commands)
    rows = re.findall(r"^\| (.*?) \| (.*?) \|", shared, re.MULTILINE)
    for name, parser in commands.items():
        taken = options_of(parser)
        own = set(re.findall(r"^\| .*", sections_by_name[name], re.MULTILINE))
        described = {option for row in own for option in re.findall(r"`(--[a-z-]+)`", row.split(" | ")[0])}
        for options, of in rows:
            all_but = re.fullmatch(r"all but (.*)", of)
            if name not in all_but[1] if all_but else name in of.split(", "):
                described |= set(re.findall(r"`(--[a-z-]+)`", options))
        assert described == taken - {"--help"}, name
