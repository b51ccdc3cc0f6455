"""The network that says which of a mask's pixels are one person's.

It sees a closeup of the person (:mod:`upperbodyseg.people.closeup`): the picture and the mask round the
person's box, and where other detections are. It also says how well the box fits a person.
``training/separator_samples.py`` draws what it learns from, ``training/train_separator.py`` trains it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import conv_bn
from training.separator_samples import SIDE
from upperbodyseg.models.spec import SEPARATOR_CHANNELS as CHANNELS

__all__ = ["SIDE", "STRIDE", "Separator", "separator_loss"]

STRIDE = 4  # of the last layer, which gives 4 x 4 pixels a cell


class Separable(nn.Module):
    """Depthwise and pointwise convolution (Howard et al. 2017), round which the input goes where it can."""

    def __init__(self, cin: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = conv_bn(cin, cin, 3, stride, groups=cin, symmetric=True)
        self.pointwise = conv_bn(cin, cout, 1)
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.depthwise(x))
        return x + y if self.residual else y


class Separator(nn.Module):
    """``(N, CHANNELS, SIDE, SIDE)`` 0-255 in; ``(N, STRIDE^2 + 1, SIDE / STRIDE, SIDE / STRIDE)`` out.

    The output is the logit of the person's share of each pixel, row by row of 4 x 4 pixels. Last there is a
    logit whose likelihood is the box's fit, in the mean over all cells. At so few pixels every layer costs a
    runtime as much as its arithmetic does, so there are few, and none at full size.

    Args:
        width: maps at a quarter of the size. Half as many precede them, and more than twice as many follow.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        w, deep = width, width * 9 // 4
        self.down1 = nn.Sequential(
            conv_bn(CHANNELS, w * 3 // 8, 3, 2, symmetric=True),
            conv_bn(w * 3 // 8, w, 3, 2, symmetric=True),
            Separable(w, w),
        )
        self.down2 = nn.Sequential(Separable(w, deep, 2), Separable(deep, deep), Separable(deep, deep))
        self.down3 = nn.Sequential(Separable(deep, deep, 2), Separable(deep, deep), Separable(deep, deep))
        self.side2 = conv_bn(deep, w, 1)
        self.up2 = nn.Sequential(conv_bn(deep, w, 1), nn.Upsample(scale_factor=2, mode="bilinear"))
        self.mix2 = Separable(w, w)
        self.up1 = nn.Upsample(scale_factor=2, mode="bilinear")
        self.mix1 = Separable(w, w)
        self.head = nn.Conv2d(w, STRIDE**2 + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Batch normalisation makes up for the mean, which would be a pass over the picture.
        x1 = self.down1(x)
        x2 = self.down2(x1)
        y = self.mix2(self.up2(self.down3(x2)) + self.side2(x2))
        return self.head(self.mix1(self.up1(y) + x1))


def separator_loss(output: Tensor, share: Tensor, weight: Tensor, fit: Tensor) -> Tensor:
    """Cross-entropy, Dice (Milletari et al. 2016) for each person's whole, and the fit's cross-entropy.

    Args:
        output: ``(N, STRIDE^2 + 1, h, w)``.
        share: ``(N, SIDE, SIDE)``, the person's share of what is marked there, 0-1.
        weight: ``(N, SIDE, SIDE)``, 0 where nobody knows.
        fit: ``(N, 2)``: the box's IoU with that of the person, and the weight.
    """
    logit = F.pixel_shuffle(output[:, : STRIDE**2], STRIDE)[:, 0]
    cross = F.binary_cross_entropy_with_logits(logit, share, reduction="none")
    p = logit.sigmoid()
    both, either = (p * share * weight).sum((1, 2)), ((p + share) * weight).sum((1, 2))
    known = weight.amax((1, 2))
    dice = (1 - (2 * both + 1) / (either + 1)) * known
    fits = output[:, STRIDE**2].sigmoid().mean((1, 2)).clamp(1e-4, 1 - 1e-4)
    judged = F.binary_cross_entropy(fits, fit[:, 0], weight=fit[:, 1])
    whole = (cross * weight).sum() / weight.sum().clamp(min=1)
    return whole + 0.5 * dice.sum() / known.sum().clamp(min=1) + judged
