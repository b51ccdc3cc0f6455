"""The browser's package has this repository's weights and constants, and nothing of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from web_server import WEB

import upperbodyseg
from upperbodyseg.models.spec import DETECTOR, MODELS, SEGMENTER, WEIGHTS

pytest.importorskip("ai_edge_litert", reason="needs the extra litert")


from training.exported import ExportedFile
from training.float_io import with_float_io
from training.web import SHIPPED, card_row, constants_module, pair


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", [DETECTOR, SEGMENTER])
def test_float_inputs_and_outputs_change_no_result(
    model: str, name: str, astronaut: NDArray[np.uint8]
) -> None:
    content = (WEIGHTS / model / f"{name}_int8.tflite").read_bytes()
    one, other = ExportedFile(content), ExportedFile(with_float_io(content))
    noise = np.random.default_rng(1).integers(0, 256, (one.size, one.size, 3), np.uint8)
    for picture in (np.ascontiguousarray(astronaut[: one.size, 140 : 140 + one.size]), noise):
        for expected, got in zip(one.run(picture), other.run(picture), strict=True):
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, expected)


def test_float_files_take_and_give_float32() -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = (WEIGHTS / SHIPPED / f"{DETECTOR}_int8.tflite").read_bytes()
    interpreter = Interpreter(model_content=with_float_io(content))
    details = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert len(details) == 3
    assert all(detail["dtype"] == np.float32 for detail in details)
    assert with_float_io(with_float_io(content)) == with_float_io(content)


def test_the_package_has_the_shipped_weights() -> None:
    expected = pair(SHIPPED)
    folder = WEB / "weights" / SHIPPED
    assert {file.name for file in folder.iterdir()} == set(expected)
    for name, content in expected.items():
        assert (folder / name).read_bytes() == content, f"{name} is old: python -m training.web"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", [DETECTOR, SEGMENTER])
def test_the_cards_name_the_files(model: str, name: str) -> None:
    assert card_row(model, name) in (WEIGHTS / model / f"{name}.md").read_text(encoding="utf-8").splitlines()


def test_the_package_has_the_modules_constants() -> None:
    text = (WEB / "src" / "constants.js").read_text(encoding="utf-8")
    assert text == constants_module(), "the constants are old: python -m training.web"


def test_the_modules_use_constants_that_there_are() -> None:
    text = constants_module()
    found = json.loads(text[text.index("{") : text.rindex(";")])
    used = 0
    for file in (*(WEB / "src").glob("*.js"), *WEB.glob("*.js")):
        source = file.read_text(encoding="utf-8")
        for names, section in re.findall(r"const \{([^}]*)\}\s*=\s*constants\.(\w+);", source):
            for name in filter(None, map(str.strip, names.split(","))):
                assert name in found[section], f"{file.name}: {section}.{name}"
                used += 1
    assert used > 40


def test_the_version_is_pythons() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    assert package["version"] == lock["version"] == upperbodyseg.__version__
    assert package["license"] == "Apache-2.0"


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))
    assert len(lock["packages"]) > 3
    assert not any("resolved" in entry for entry in lock["packages"].values())


def test_the_package_is_small_and_complete() -> None:
    npm = shutil.which("npm")
    if npm is None or not (WEB / "wasm" / "litert_core.js").exists():
        pytest.skip("no npm, or no LiteRT.js: run npm ci and npm run runtime in web/")
    packed = subprocess.run(
        [npm, "pack", "--dry-run", "--json", "--ignore-scripts"], cwd=WEB, capture_output=True, check=True
    )
    (package,) = json.loads(packed.stdout)
    assert package["size"] <= 4_000_000  # bytes, gzipped
    files = {file["path"] for file in package["files"]}
    assert {f"src/{file.name}" for file in (WEB / "src").iterdir()} <= files
    assert {f"wasm/{file.name}" for file in (WEB / "wasm").iterdir()} <= files
    assert {"index.js", "index.d.ts", "original.js", "original.d.ts", "LICENSE", "wasm/NOTICE"} <= files
    scripts = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["scripts"]
    assert not {"preinstall", "install", "postinstall", "prepare"} & set(
        scripts
    )  # who installs it runs nothing


def test_every_module_is_short() -> None:
    files = [*(WEB / "src").glob("*.js"), *WEB.glob("*.js"), *(WEB / "examples").glob("*.js")]
    generated = Path(WEB / "src" / "constants.js")
    assert len(files) > 20
    for file in files:
        assert file == generated or len(file.read_text(encoding="utf-8").splitlines()) <= 400, file
