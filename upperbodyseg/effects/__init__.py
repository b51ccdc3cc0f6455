"""What is done with a mask: another background, a blurred one, portrait blur, a cut-out.

Arrays or files in, arrays out::

    from upperbodyseg.effects import blur_background

    shown = blur_background("photo.jpg")
    shown = blur_background(image, mask)  # a mask that is there already

All of them take an image ``(H, W, 3)`` uint8, BGR or RGB (the channels are treated alike), and its mask
``(H, W)`` uint8 as :func:`upperbodyseg.segment` gives it. What is given is never written to; any strides
will do, but those of whole rows are read without a copy.

``background``, ``blur`` and ``cutout`` are the effects. ``colours`` has what they share, the person's own
colours in soft pixels.
"""

from __future__ import annotations

from upperbodyseg.effects.background import cover, replace_background
from upperbodyseg.effects.blur import DEFAULT_SIGMA_SHARE, MAX_BLUR_SIGMA, blur_background, portrait_blur
from upperbodyseg.effects.cutout import cut_out

__all__ = [
    "DEFAULT_SIGMA_SHARE",
    "MAX_BLUR_SIGMA",
    "blur_background",
    "cover",
    "cut_out",
    "portrait_blur",
    "replace_background",
]
