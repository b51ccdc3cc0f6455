"""Make the README's picture: ``python docs/make_before_after.py``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import segment
from upperbodyseg.effects import replace_background

ROOT = Path(__file__).parent.parent
HEAD_AND_SHOULDERS = np.s_[:300, 70:360]  # of examples/astronaut.jpg: without flag, rocket and helmet


def main() -> None:
    """Photo, mask and the person on another background, side by side."""
    whole = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    if whole is None:
        raise SystemExit("examples/astronaut.jpg is missing")
    photo = np.ascontiguousarray(whole[HEAD_AND_SHOULDERS])
    mask = segment(photo)
    shown = replace_background(photo, mask, (180, 120, 40))
    row = np.hstack([photo, cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), shown])
    row = cv2.resize(row, None, fx=0.85, fy=0.85, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(ROOT / "docs" / "before_after.jpg"), row, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
