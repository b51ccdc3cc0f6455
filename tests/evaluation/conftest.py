from __future__ import annotations

from pathlib import Path

import pytest
from labelled import photo, square, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for i in range(6):
        write(root / f"images/{i}.png", photo(i))
        write(root / f"masks/{i}.png", square())
    return root
