"""Make the README's picture: ``python docs/make_before_after.py``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from upperbodyseg import segment

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Photo, mask and the person on another background, side by side."""
    photo = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    if photo is None:
        raise SystemExit("examples/astronaut.jpg is missing")
    mask = segment(photo)
    alpha = mask[..., None].astype(np.float32) / 255
    backdrop = np.full_like(photo, (180, 120, 40))
    cut = (photo * alpha + backdrop * (1 - alpha)).astype(np.uint8)
    row = np.hstack([photo, cv2.cvtColor(mask, cv2.COLOR_GRAY2BGR), cut])
    row = cv2.resize(row, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(ROOT / "docs" / "before_after.jpg"), row, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
