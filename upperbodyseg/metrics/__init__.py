"""How good is a mask? The original SDK's protocol, and the field's other conventions.

Every figure is of one picture, 0-1, but for :class:`Confusion`, which adds up over pictures.
Published figures are in per cent. Which convention is which:

- :func:`score`: the original SDK's protocol; each binary mask is first resized to 256 x 256,
  bilinear, as 0 and 1 in uint8, and non-zero is foreground. The published figures are means over
  pictures.
- :class:`Confusion`: the two-class mean IoU of semantic segmentation (PaddleSeg, MMSegmentation):
  pixels of all pictures in one pot, then the mean of the foreground's and the background's IoU.
- :func:`boundary_iou`: Boundary IoU (Cheng et al., CVPR 2021).
- :func:`davis_f`: the boundary measure F of DAVIS (Perazzi et al., CVPR 2016).

- :func:`decidedness`: interior, haze, soft and halo: how sure the mask is of itself, and where.
- :func:`alpha_error`: how far the soft edge is from a soft ground truth.
- :func:`coverage`: how much of the people the segmented regions hold.

Confusion, Boundary IoU, F and coverage take the mask at the size it has, the others at 256 x 256.
"""

from upperbodyseg.metrics.binary import (
    ORIGINAL_THRESHOLD,
    Confusion,
    Scores,
    boundary_iou,
    confusion,
    davis_f,
    score,
)
from upperbodyseg.metrics.soft import Coverage, Decidedness, alpha_error, coverage, decidedness

__all__ = [
    "ORIGINAL_THRESHOLD",
    "Confusion",
    "Coverage",
    "Decidedness",
    "Scores",
    "alpha_error",
    "boundary_iou",
    "confusion",
    "coverage",
    "davis_f",
    "decidedness",
    "score",
]
