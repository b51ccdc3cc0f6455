"""The rules of CONTRIBUTING.md that a machine can check: lengths, the glossary, and where figures stand."""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from upperbodyseg import cli

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FIGURES = ROOT / "docs" / "figures"
CARDS = sorted((ROOT / "upperbodyseg" / "models" / "weights").rglob("*.md"))
EXPERIMENTS = sorted((ROOT / "training" / "experiments").glob("*.md"))

# What people read, but for the figures and the experiments' records, which commands and history wrote.
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if FIGURES not in page.parents),
    ROOT / "training" / "README.md",
    ROOT / "training" / "RESULTS.md",
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- the glossary ---------------------------------------------------------------------------------


def glossary() -> dict[str, str]:
    """What not to say, and what to say instead."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("### Glossary", 1)[1]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text.split("\n#", 1)[0], re.MULTILINE)[1:]
    return {phrase.strip(): say for say, banned in rows for phrase in banned.split(",")}


BANNED = glossary()
PATTERN = re.compile(
    r"\b(" + "|".join(re.escape(phrase).replace(r"\ ", r"[\s>#*|]+") for phrase in BANNED) + r")s?\b",
    re.IGNORECASE,
)


def home_made(text: str) -> list[str]:
    return [f"{found[1]!r}, say {say(found[1])!r}" for found in PATTERN.finditer(text)]


def say(phrase: str) -> str:
    return BANNED[" ".join(phrase.lower().split())]


def strings(module: Path) -> str:
    """Docstrings, messages and help of a module: every string in it that is more than a word."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(text for text in texts if isinstance(text, str) and " " in text)


def modules() -> list[Path]:
    return sorted((ROOT / "upperbodyseg").rglob("*.py"))


def test_the_glossary_is_read_whole() -> None:
    assert len(BANNED) > 25
    assert home_made("We found some\nfalse alarms.") == ["'false alarm', say 'false positive'"]
    assert home_made("the ground truth and a finding") == []


@pytest.mark.parametrize("page", [*PAGES, *CARDS, *EXPERIMENTS], ids=name)
def test_pages_use_the_standard_terms(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "CONTRIBUTING.md":
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)  # the glossary names what is banned
    assert home_made(text) == []


@pytest.mark.parametrize("module", modules(), ids=name)
def test_docstrings_and_messages_use_the_standard_terms(module: Path) -> None:
    assert home_made(strings(module)) == []


def test_help_uses_the_standard_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    parsers: list[argparse.ArgumentParser] = []

    def keep(parser: argparse.ArgumentParser, _arguments: object) -> None:
        parsers.append(parser)
        parser.exit()

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", keep)
    with pytest.raises(SystemExit):
        cli.main([])
    commands = next(a for a in parsers[0]._actions if isinstance(a, argparse._SubParsersAction)).choices
    shown = "\n".join(parser.format_help() for parser in (parsers[0], *commands.values()))
    assert "usage" in shown
    assert home_made(shown) == []


# --- the map of the house ---------------------------------------------------------------------------


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    house = text.split("## The map of the house", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"(?:[\w/-]+/)?[\w-]+\.(?:py|md)\b", house)) - {"cli/COMMAND.py"}
    assert {"metrics/soft.py", "effects/blur.py"} <= named
    missing = {
        file for file in named if not any((root / file).exists() for root in (ROOT / "upperbodyseg", ROOT))
    }
    assert missing == set()


# --- lengths --------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def sentences(text: str) -> Iterator[str]:
    """Sentences of the prose: no code, tables, headings or pictures."""
    prose = re.sub(r"^(\||#|!\[).*$", "", without_code(text), flags=re.MULTILINE)
    prose = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    for block in re.split(r"\n\s*\n|^- ", prose, flags=re.MULTILINE):
        for sentence in re.split(r"(?<=[.!?:])\s+", " ".join(block.split())):
            if sentence:
                yield sentence


def test_the_readme_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert len(text.split()) <= 800
    lengths = [len(sentence.split()) for sentence in sentences(text)]
    assert len(lengths) > 20
    assert statistics.median(lengths) <= 15


def tables(text: str) -> list[list[list[str]]]:
    """Cells of a page's tables, heads and rules left out."""
    found = re.findall(r"(?:^\|.*\|$\n?)+", without_code(text), re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


def test_the_readme_has_one_table_of_four_rows() -> None:
    (table,) = tables(README.read_text(encoding="utf-8"))
    assert len(table) == 4


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_sentences_of_a_page_are_short(page: Path) -> None:
    lengths = [len(sentence.split()) for sentence in sentences(page.read_text(encoding="utf-8"))]
    assert not lengths or statistics.median(lengths) <= 15


def test_the_readme_of_the_training_is_short() -> None:
    assert len((ROOT / "training" / "README.md").read_text(encoding="utf-8").splitlines()) <= 80


# --- figures --------------------------------------------------------------------------------------

# A score, a ratio or a time to two places, or a share to one; no version such as 2.14.0.
FIGURE = re.compile(r"(?<![\d.x-])(?:\d+\.\d\d(?![\d.])|\d+\.\d(?= ?%))")

# The original's own figures, as it publishes them: no command of ours measures them.
PUBLISHED = {
    "accuracy.md": {"85.83", "86.88", "76.27", "97.28", "95.13", "83.24", "96.25", "91.66", "76.15"},
    "beside-others.md": {"3.09", "4.25"},
}


def figures() -> set[str]:
    return {
        found for page in FIGURES.glob("*.md") for found in FIGURE.findall(page.read_text(encoding="utf-8"))
    }


def test_figures_name_their_command() -> None:
    pages = sorted(FIGURES.glob("*.md"))
    assert {page.stem for page in pages} >= {"accuracy", "robustness", "compare"}
    for page in pages:
        first = page.read_text(encoding="utf-8").split("\n", 1)[0]
        assert re.match(r"<!-- Written by `python -m benchmarks\.\w+.*` on .*; \d{4}-\d\d-\d\d\. ", first), (
            page
        )


def test_every_file_of_figures_is_shown_once() -> None:
    included = [
        target
        for page in PAGES
        for target in re.findall(
            r"\{include\} (?:\.\./)?(?:docs/)?figures/(\S+)", page.read_text(encoding="utf-8")
        )
    ]
    assert sorted(included) == sorted(page.name for page in FIGURES.glob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=name)
def test_figures_are_typed_nowhere_else(page: Path) -> None:
    """The README's table is the exception, and held equal below; cards keep their thresholds, below 1."""
    text = without_code(page.read_text(encoding="utf-8"))
    text = re.sub(r"Python \d\.\d+( (to|and|or) \d\.\d+)?", "", text)
    if page == README:
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    typed = {found for found in FIGURE.findall(text) if page not in CARDS or float(found) >= 1}
    assert typed & figures() - PUBLISHED.get(page.name, set()) == set()


def test_the_changelog_holds_no_figures() -> None:
    text = re.sub(
        r"^## .*$|\]\(.*?\)", "", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert re.findall(r"\d+\.\d+|\d+ ?%|\d+ of \d+", text) == []


def rows_of(file: str) -> dict[tuple[str, ...], list[str]]:
    """Rows of a file of figures by their first cells."""
    text = (FIGURES / f"{file}.md").read_text(encoding="utf-8")
    return {tuple(row[:3]): row for table in tables(text) for row in table}


def test_the_readmes_table_equals_the_figures() -> None:
    accuracy = {key[:2]: row for key, row in rows_of("accuracy").items() if key[2:] == ("128",)}
    augmented = {key[0]: row for key, row in rows_of("augmentation").items()}
    times = {key[0]: row[2] for key, row in rows_of("compare").items() if len(row) > 2}
    sets = {"PicsArt val": "PicsArt val (150)", "COCO val, upper bodies": "COCO val, upper bodies (41)"}

    def scores(who: str, pictures: str) -> str:
        row = accuracy[sets[pictures], who]
        return f"{row[3]} / {row[5]}"

    def augmented_scores(pictures: str) -> str:
        iou, _, boundary = augmented[pictures][1].split(" / ")
        return f"{iou} / {boundary.split()[0]}"

    expected = {
        "`accurate`, test-time augmentation": [
            *map(augmented_scores, sets),
            times["upperbodyseg accurate, ai-edge-litert, test-time augmentation"],
        ],
        "MediaPipe Selfie": [
            *(scores("MediaPipe Selfie", s) for s in sets),
            times["MediaPipe Selfie, ai-edge-litert"],
        ],
    }
    for model in ("accurate", "fast"):
        ratio = times[f"upperbodyseg {model}, ai-edge-litert"]
        expected[f"`{model}`"] = [*(scores(model, s) for s in sets), ratio]
    (table,) = tables(README.read_text(encoding="utf-8"))
    assert {row[0]: row[1:] for row in table} == expected
