"""From per-picture figures to tables and a page."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from upperbodyseg.evaluation.datasets import Dataset, Pair, read_truth
from upperbodyseg.evaluation.run import Method, PictureFigures
from upperbodyseg.files import write_file
from upperbodyseg.metrics import Confusion, Coverage
from upperbodyseg.pictures import PictureError, encode_picture, read_picture

__all__ = ["PUBLISHED", "Interval", "bootstrap", "markdown", "write_page"]

PUBLISHED = {
    "eg1800": ("EG1800, all 1,736", 96.25, 91.66, 76.15),
    "pphumanseg14k": ("PP-HumanSeg14K, validation, 2,431", 85.83, 86.88, 76.27),
    "easyportrait": ("EasyPortrait v1, test, 4,000", 97.28, 95.13, 83.24),
}
"""The original SDK's published figures: data set, mean IoU, boundary F1, boundary IoU, in per cent."""

_RESAMPLES = 2000
_PER_KIND = 12  # pictures shown of the worst and of the middle


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval, in per cent."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f}-{self.high:.2f})"


def bootstrap(values: Sequence[float], seed: int = 0) -> Interval:
    """Mean of values 0-1 with a 95 % interval in per cent, by the percentile bootstrap (Efron 1979).

    Pictures are drawn again with replacement 2,000 times; the same values give the same interval.
    """
    x = np.asarray(values, np.float64) * 100
    rng = np.random.default_rng(seed)
    means = [x[rng.integers(len(x), size=len(x))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(x.mean()), float(low), float(high))


def _by_method(rows: Iterable[PictureFigures]) -> dict[str, list[PictureFigures]]:
    groups: dict[str, list[PictureFigures]] = {}
    for row in rows:
        groups.setdefault(row.method, []).append(row)
    return groups


def _interval(values: Sequence[float]) -> str:
    """Mean and interval of the values that are numbers."""
    known = [v for v in values if not math.isnan(v)]
    return str(bootstrap(known)) if known else "none"


def _soft_tables(groups: dict[str, list[PictureFigures]]) -> list[str]:
    """How decided the masks are, how near to the alpha, and what the regions hold."""
    lines = [
        "How decided the masks are, at 256 x 256, in per cent. Away from the edge is more than 7 pixels "
        "off it. Interior: of the person's pixels away from the edge, those of 204 and above. Haze: of the "
        "background's away from the edge, those of 8 and above. Soft: of all pixels, those from 26 to 229. "
        "Halo: of the background's within 7 pixels of the edge, those of 64 and above. Alpha error: mean "
        "absolute difference from the ground truth within 10 pixels of its edge. Coverage: person pixels "
        "inside the segmented regions, over all pictures.",
        "",
        "| masks | interior | haze | soft | halo | alpha error | coverage |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, found in groups.items():
        names = ("interior", "haze", "soft", "halo", "alpha_error")
        cells = [_interval([getattr(r, name) for r in found]) for name in names]
        held = sum((r.coverage for r in found), Coverage())
        cells.append(f"{100 * held.share:.2f}" if held.total else "none")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def markdown(dataset: Dataset, rows: Sequence[PictureFigures], problems: Sequence[tuple[str, str]]) -> str:
    """Tables of the means, beside what the original SDK published for the data set, and the counts."""
    lines = [
        f"Layout {dataset.layout}, part {dataset.split}: {len(dataset.pairs)} pictures with a mask, "
        f"{len(dataset.pairs) - len(problems)} scored, {len(problems)} not, {len(dataset.missing)} missing.",
        "",
        "The original SDK's protocol (masks resized to 256 x 256, mean over pictures), in per cent, with 95 "
        "% bootstrap intervals:",
        "",
        "| masks | threshold | n | mean IoU | boundary F1 | boundary IoU |",
        "|---|---|---|---|---|---|",
    ]
    groups = _by_method(rows)
    for method, found in groups.items():
        for threshold in ("35", "128"):
            cells = (
                bootstrap([getattr(r, f"{figure}_{threshold}") for r in found])
                for figure in ("iou", "boundary_f1", "boundary_iou")
            )
            lines.append(f"| {method} | {threshold} | {len(found)} | {' | '.join(map(str, cells))} |")
    if dataset.layout in PUBLISHED:
        what, iou, f1, boundary = PUBLISHED[dataset.layout]
        lines.append(
            f"| the original, as published ({what}) | 35 | | {iou:.2f} | {f1:.2f} | {boundary:.2f} |"
        )
    lines += [
        "",
        "Other conventions, threshold 128, at the pictures' own size: IoU of person and of background, each "
        "over all pixels of the set, their mean (PaddleSeg, MMSegmentation); Boundary IoU (Cheng et al. "
        "2021); boundary F of DAVIS; and the milliseconds a picture, median.",
        "",
        "| masks | pooled mean IoU | Boundary IoU, 2021 | DAVIS F | ms |",
        "|---|---|---|---|---|",
    ]
    for method, found in groups.items():
        pooled = 100 * sum((r.confusion for r in found), Confusion()).mean_iou
        edges = (bootstrap([getattr(r, f) for r in found]) for f in ("boundary_iou_2021", "davis_f"))
        ms = float(np.median([r.milliseconds for r in found]))
        lines.append(f"| {method} | {pooled:.2f} | {' | '.join(map(str, edges))} | {ms:.1f} |")
    lines += ["", *_soft_tables(groups)]
    listed = [("not scored", problems), ("missing", dataset.missing)]
    for title, entries in listed:
        if entries:
            lines += ["", f"{title.capitalize()}:", ""]
            lines += [f"- {name}: {reason}" for name, reason in entries[:20]]
            if len(entries) > 20:
                lines.append(f"- and {len(entries) - 20} more")
    return "\n".join(lines)


# --- the page -----------------------------------------------------------------------------------

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border: 1px solid #ccc; padding: .2rem .6rem }
td:not(:first-child) { text-align: right }
figure { display: inline-block; margin: .3rem; vertical-align: top }
figcaption { font-size: 12px; max-width: 340px; overflow-wrap: anywhere }
img { display: block; max-width: 340px }
rect { fill: #3a7bd5 }
text { font-size: 11px; fill: #555 }
"""


def _table_html(text: str) -> str:
    """Markdown of :func:`markdown` as HTML: paragraphs, tables and lists, nothing else."""
    out: list[str] = []
    rows: list[list[str]] = []
    items: list[str] = []

    def flush() -> None:
        if rows:
            head, *body = rows
            out.append("<table><tr>" + "".join(f"<th>{c}</th>" for c in head) + "</tr>")
            out.extend("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in body)
            out.append("</table>")
            rows.clear()
        if items:
            out.append("<ul>" + "".join(f"<li>{i}</li>" for i in items) + "</ul>")
            items.clear()

    for line in text.splitlines():
        safe = html.escape(line)
        if line.startswith("|"):
            if not line.startswith("|---"):
                rows.append([c.strip() for c in safe.strip("|").split("|")])
            continue
        if line.startswith("- "):
            items.append(safe[2:])
            continue
        flush()
        if line:
            out.append(f"<p>{safe}</p>")
    flush()
    return "\n".join(out)


def _histogram(values: Sequence[float]) -> str:
    """Pictures by IoU, in twentieths, as SVG."""
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    top = max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{30 + 24 * i}" y="{120 - 100 * n / top:.1f}" width="22" height="{100 * n / top:.1f}">'
        f"<title>{i * 5}-{i * 5 + 5} %: {n}</title></rect>"
        + (
            f'<text x="{41 + 24 * i}" y="{115 - 100 * n / top:.1f}" text-anchor="middle">{n}</text>'
            if n
            else ""
        )
        for i, n in enumerate(map(int, counts))
    )
    ticks = "".join(
        f'<text x="{30 + 24 * i}" y="136" text-anchor="middle">{i * 5}</text>' for i in range(0, 21, 4)
    )
    return (
        f'<svg width="540" height="145" role="img" aria-label="pictures by IoU, per cent">{bars}{ticks}</svg>'
    )


def _overlay(bgr: NDArray[np.uint8], mask: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The background greened, and the true outline drawn in white."""
    height, width = mask.shape
    scale = min(1.0, 340 / max(height, width))
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small, a, t = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (bgr, mask, truth))
    share = a.astype(np.float32)[..., None] / 255
    tinted = small * np.float32(0.35) + np.array([20, 110, 20], np.float32)
    out: NDArray[np.uint8] = (small * share + tinted * (1 - share)).clip(0, 255).astype(np.uint8)
    outline, _ = cv2.findContours((t >= 128).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, outline, -1, (255, 255, 255), 1)
    return out


def _figure(pair: Pair, layout: str, run: Method, caption: str) -> str:
    try:
        bgr = read_picture(pair.image, upright=False).bgr
    except PictureError:  # it was there when it was scored
        return ""
    truth = read_truth(pair, layout).foreground
    data = encode_picture(_overlay(bgr, run(bgr).mask, truth), ".jpg", quality=82)
    source = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><img alt="" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def write_page(
    file: Path,
    title: str,
    summary: str,
    dataset: Dataset,
    rows: Sequence[PictureFigures],
    methods: dict[str, Method],
) -> None:
    """Write one HTML file that needs no other: tables, histograms, the worst and the middle pictures.

    The pictures shown are segmented again, so that masks need not be kept.
    """
    pairs = {p.name: p for p in dataset.pairs}
    parts = [f"<h1>{html.escape(title)}</h1>", _table_html(summary)]
    groups = _by_method(rows)
    for method, found in groups.items():
        parts.append(f"<h2>{html.escape(method)}: pictures by IoU at 128, per cent</h2>")
        parts.append(_histogram([r.iou_128 for r in found]))
    for method, run in methods.items():
        ordered = sorted(groups.get(method, ()), key=lambda r: r.iou_128)
        middle = max(len(ordered) // 2 - _PER_KIND // 2, 0)
        chosen: list[tuple[str, Sequence[PictureFigures]]] = [("worst", ordered[:_PER_KIND])]
        if len(ordered) > 2 * _PER_KIND:
            chosen.append(("in the middle", ordered[middle : middle + _PER_KIND]))
        for kind, some in chosen:
            parts.append(f"<h2>{html.escape(method)}: the {len(some)} {kind}</h2>")
            parts.append("<p>Green: taken for background. White line: the true outline.</p>")
            parts += [
                _figure(pairs[r.name], dataset.layout, run, f"{r.name}: IoU {100 * r.iou_128:.1f}")
                for r in some
                if r.name in pairs
            ]
    body = "\n".join(parts)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
    write_file(file, page.encode("utf-8"))
