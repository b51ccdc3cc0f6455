"""The segmenters: U-Nets on EfficientNet-Lite."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import LITE2, Backbone, Merge, SameConv2d


class Segmenter(nn.Module):
    """BGR 0-255 ``(N, 3, H, W)`` -> person logits ``(N, 1, H, W)``; H and W multiples of 32.

    An EfficientNet-Lite U-Net. The last convolution works at half size and gives four logits a cell, which
    are laid out as 2 x 2 pixels: full-size edges without a full-size layer.

    Args:
        backbone: down to a 32nd of the size.
        widths: of the merges at a 16th, an 8th, a 4th and half of the size.
        depth: convolutions of the two merges at the highest resolutions.
    """

    size: int

    def __init__(self, backbone: Backbone, widths: tuple[int, int, int, int], depth: int) -> None:
        super().__init__()
        self.backbone = backbone
        s2, s4, s8, _, s16, s32 = backbone.widths
        w16, w8, w4, w2 = widths
        self.merge16 = Merge(s32, s16, w16)
        self.merge8 = Merge(w16, s8, w8)
        self.merge4 = Merge(w8, s4, w4, depth)
        self.merge2 = Merge(w4, s2, w2, depth)
        self.head = SameConv2d(w2, 4, 3)

    def cells(self, bgr: Tensor) -> Tensor:
        """The logits before they are laid out: ``(N, 4, H/2, W/2)``, row by row of a 2 x 2 cell."""
        s2, s4, s8, _, s16, s32 = self.backbone(bgr)
        x = self.merge16(s32, s16)
        x = self.merge8(x, s8)
        x = self.merge4(x, s4)
        x = self.merge2(x, s2)
        return self.head(x)

    def forward(self, bgr: Tensor) -> Tensor:
        return F.pixel_shuffle(self.cells(bgr), 2)


class AccurateSegmenter(Segmenter):
    """For pictures of 256 x 256."""

    size = 256

    def __init__(self) -> None:
        backbone = Backbone((1, 3, 3, 4, 4, 5), LITE2, drop=0.12)
        super().__init__(backbone, (96, 48, 32, 16), depth=2)


class TeacherSegmenter(Segmenter):
    """For pictures of 256 x 256: the accurate one with twice its decoder. It isn't shipped, but teaches."""

    size = 256

    def __init__(self) -> None:
        backbone = Backbone((1, 3, 3, 4, 4, 5), LITE2, drop=0.15)
        super().__init__(backbone, (192, 96, 64, 32), depth=2)


class Lite0Segmenter(Segmenter):
    """What the fast one is cut out of."""

    size = 256

    def __init__(self) -> None:
        super().__init__(Backbone((1, 2, 2, 3, 3, 1)), (64, 40, 24, 16), depth=2)


class FastSegmenter(Segmenter):
    """:class:`Lite0Segmenter` without the blocks that it misses least, for pictures of 160 x 160.

    So what its backbone knows of pictures in general stays; a network of another shape learns the training
    pictures by heart (training/RESULTS.md).
    """

    size = 160

    def __init__(self) -> None:
        super().__init__(Backbone((1, 2, 2, 1, 2, 1), mean=0.0), (64, 40, 24, 16), depth=1)

    def start_from(self, larger: Lite0Segmenter) -> None:
        """Take over what both have."""
        self.backbone.load_larger(larger.backbone)
        for name in ("merge16", "merge8", "merge4", "merge2"):
            getattr(self, name).load_larger(getattr(larger, name))
        self.head.load_state_dict(larger.head.state_dict())

    def fold(self) -> None:
        """Prepare for the export: the input's scale goes into the weights."""
        self.backbone.fold()
