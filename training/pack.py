"""Make the data folder small enough to send: ``python -m training.pack DATA --labels L --out data.zip``.

The same layout, re-encoded: training pictures with a longer side of at most 288 as WebP, masks
and pseudo-labels as PNG, boxes scaled with them; val pictures as they are. ``training.run`` takes
the file in the folder's place. It holds the pictures, so it may go nowhere that they may not.
"""

from __future__ import annotations

import argparse
import csv
import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.library import label_name, read_manifest

LONGER_SIDE = 288
QUALITY = 35  # of WebP; the folder the shipped weights came from then fits into 60 MB
LEVELS = 16  # most values of a mask that is no alpha
STEP = 17  # between the levels of a soft mask: 16 are as good to learn from, and much smaller

U8 = NDArray[np.uint8]


def _encode(picture: U8, suffix: str, quality: int) -> bytes:
    options = [cv2.IMWRITE_WEBP_QUALITY, quality] if suffix == ".webp" else []
    ok, data = cv2.imencode(suffix, picture, options)
    if not ok:
        raise OSError(f"can't encode a picture as {suffix}")
    return data.tobytes()


def _coarse(alpha: U8) -> U8:
    return (np.rint(alpha / STEP) * STEP).astype(np.uint8)


def _read(file: Path) -> U8:
    picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise OSError(f"can't read {file}")
    return picture


def pack(folder: Path, labels: Path | None, out: Path, quality: int = QUALITY) -> int:
    """Write the packed file; its size in bytes."""
    scales: dict[str, tuple[float, str]] = {}
    rows = read_manifest(folder)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for row in rows:
            file = row["file"]
            if row["split"] == "val":
                scales[file] = 1.0, file
                for name in (file, row["mask"]):
                    if (folder / name).is_file():  # a cut-out's mask is its alpha
                        packed.write(folder / name, name)
                continue
            label = labels / label_name(file) if labels else None
            if row["split"] == "unlabelled" and not (label and label.exists()):
                continue
            picture = _read(folder / file)
            height, width = picture.shape[:2]
            scale = min(1.0, LONGER_SIDE / max(height, width))
            size = (round(width * scale), round(height * scale))

            def fit(plane: U8, how: int, size: tuple[int, int] = size) -> U8:
                same = plane.shape[1::-1] == size
                return plane if same else cv2.resize(plane, size, interpolation=how)

            name = str(Path(file).with_suffix(".webp"))
            scales[file] = scale, name
            picture = fit(picture, cv2.INTER_AREA)
            if picture.ndim == 3 and picture.shape[2] == 4:
                picture[..., 3] = _coarse(picture[..., 3])
            packed.writestr(name, _encode(picture, ".webp", quality))
            if (folder / row["mask"]).is_file():
                mask = _read(folder / row["mask"])
                if len(np.unique(mask)) > LEVELS:  # an alpha
                    mask = _coarse(fit(mask, cv2.INTER_AREA))
                else:  # 128 is "ignore": nothing in between may arise
                    mask = fit(mask, cv2.INTER_NEAREST)
                packed.writestr(row["mask"], _encode(mask, ".png", quality))
            if label and label.exists():
                planes = np.split(_read(label), 2)
                alpha = fit(planes[0], cv2.INTER_AREA)
                soft = np.vstack([_coarse(alpha), fit(planes[1], cv2.INTER_NEAREST)])
                packed.writestr(f"labels/{label.name}", _encode(soft, ".png", quality))
            row["file"], row["width"], row["height"] = name, str(size[0]), str(size[1])
        kept = [row for row in rows if row["file"] in {name for _, name in scales.values()}]
        packed.writestr("manifest.csv", _table(kept))
        with open(folder / "boxes.csv", newline="") as f:
            boxes = [row for row in csv.DictReader(f) if row["file"] in scales]
        for row in boxes:
            scale, row["file"] = scales[row["file"]]
            for side in ("x_min", "y_min", "x_max", "y_max"):
                row[side] = f"{float(row[side]) * scale:.1f}"
        packed.writestr("boxes.csv", _table(boxes))
    return out.stat().st_size


def _table(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--labels", type=Path, help="folder that training.pseudo_labels wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quality", type=int, default=QUALITY)
    args = parser.parse_args()
    print(f"{args.out}: {pack(args.data, args.labels, args.out, args.quality):,} bytes")


if __name__ == "__main__":
    main()
