"""The detectors: one box a cell, and a coarse mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.layers import LITE0, Backbone, MBConv, Merge, conv_bn, up2


class Detector(nn.Module):
    """What both detectors have in common: one box a cell of ``stride`` x ``stride`` pixels, its distances in
    units of ``unit`` pixels."""

    stride = 8
    unit = 32.0


class AccurateDetector(Detector):
    """BGR 0-255 ``(N, 3, H, W)`` -> ``(N, 5, H/8, W/8)``: one box a cell of 8 x 8 pixels.

    Channel 0 is a logit of how well the cell's box fits a person; channels 1-4 are the
    logarithms of the distances, in units of 32 pixels, from the cell's centre to the box's
    left, top, right and bottom (the arrangement of FCOS, Tian et al. 2019).

    The second output is a coarse person mask's logits, ``(N, 1, H/8, W/8)``. It gives the features a
    denser signal than boxes do, and tells people from things never seen better than the score does.
    """

    size = 192

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone((1, 2, 2, 3, 2))
        self.context = conv_bn(112, 64, 1)
        self.top = nn.Sequential(conv_bn(112, 64, 1), conv_bn(64, 64, 5, groups=64))
        self.merge8 = Merge(64, 40, 48)
        self.tower = nn.Sequential(
            conv_bn(48, 48, 5, groups=48),
            conv_bn(48, 64, 1),
            conv_bn(64, 64, 5, groups=64),
            conv_bn(64, 64, 1),
        )
        self.score = nn.Conv2d(64, 1, 1)
        self.distances = nn.Conv2d(64, 4, 1)
        self.mask = nn.Conv2d(48, 1, 1)
        nn.init.constant_(self.score.bias, -4.0)

    def forward(self, bgr: Tensor) -> tuple[Tensor, Tensor]:
        _, _, s8, _, s16 = self.backbone(bgr)
        whole = self.context(s16.mean((2, 3), keepdim=True))
        x = self.merge8(self.top(s16) + whole, s8)
        y = self.tower(x)
        return torch.cat([self.score(y), self.distances(y)], 1), self.mask(x)


class Entrance(nn.Module):
    """BGR 0-255 -> ``width`` maps of half the size.

    No mean is subtracted, since on a runtime that pass over the picture would cost as much as the
    convolution; batch normalisation does the same. ``fold`` moves the scale into the weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = 1.0 / 128.0
        self.conv = conv_bn(3, width, 3, 2)

    def forward(self, bgr: Tensor) -> Tensor:
        return self.conv(bgr if self.scale == 1.0 else bgr * self.scale)

    @torch.no_grad()
    def fold(self) -> None:
        self.conv[0].weight.mul_(self.scale)
        self.scale = 1.0


class Residual(nn.Module):
    """Plain 3x3 convolutions round which the input goes unchanged (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv_bn(width, width, 3), conv_bn(width, width, 3, act=False))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.convs(x))


class FusedConv(nn.Module):
    """A 3x3 convolution to ``mid`` maps, one of 1x1 back: an MBConv whose first two layers are one.

    At high resolution a depthwise layer costs more in int8 (Tan and Le 2021, for other reasons).
    """

    def __init__(self, cin: int, mid: int, cout: int, stride: int) -> None:
        super().__init__()
        self.expand = conv_bn(cin, mid, 3, stride)
        self.project = conv_bn(mid, cout, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.expand(x))


class Trunk(nn.Module):
    """EfficientNet-Lite0 from its second stage on: ``(N, 16, h, w)`` -> each stage's output.

    The first block, at the highest resolution, is a :class:`FusedConv`.
    """

    def __init__(self, repeats: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        cin = LITE0[0][3]
        for (k, stride, expansion, cout, _), n in zip(LITE0[1:], repeats, strict=False):
            blocks: list[nn.Module] = []
            for i in range(n):
                if len(self.stages) == 0 and i == 0:
                    blocks.append(FusedConv(cin, 64, cout, stride))
                else:
                    blocks.append(MBConv(cin, cout, k, stride if i == 0 else 1, expansion))
                cin = cout
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def load_backbone(self, backbone: Backbone) -> None:
        """Take over the blocks that ``backbone`` has too; its first stage has no place here."""
        for ours, theirs in zip(self.stages, list(backbone.stages)[1:], strict=False):
            for mine, other in zip(ours, theirs, strict=False):
                if isinstance(mine, MBConv):
                    mine.load_state_dict(other.state_dict())


class Join(nn.Module):
    """Upsample the deeper map, add the skip, and let a residual block settle it."""

    def __init__(self, deep: int, skip: int, width: int) -> None:
        super().__init__()
        self.deep = conv_bn(deep, width, 1, act=False)
        self.skip = conv_bn(skip, width, 1, act=False)
        self.settle = Residual(width)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        return self.settle(F.relu(up2(self.deep(deep)) + self.skip(skip)))


class FastDetector(Detector):
    """Outputs as the accurate detector's, of a smaller picture.

    A plain entrance, the accurate detector's first stages and a plain decoder. The accurate
    detector is its one teacher: from labels it learnt the training pictures rather than people
    (training/RESULTS.md).
    """

    size = 128

    def __init__(self) -> None:
        super().__init__()
        self.entrance = Entrance(24)
        self.enter = conv_bn(24, 16, 1, act=False)
        self.trunk = Trunk((2, 2, 2))
        self.context = conv_bn(80, 80, 1)
        self.join8 = Join(80, 40, 48)
        self.tower = nn.Sequential(conv_bn(48, 48, 3), conv_bn(48, 48, 3))
        self.score = nn.Conv2d(48, 1, 1)
        self.distances = nn.Conv2d(48, 4, 1)
        self.mask = nn.Conv2d(48, 1, 1)
        nn.init.constant_(self.score.bias, -4.0)

    def forward(self, bgr: Tensor) -> tuple[Tensor, Tensor]:
        _, x8, x16 = self.trunk(self.enter(self.entrance(bgr)))
        x = self.join8(x16 + self.context(x16.mean((2, 3), keepdim=True)), x8)
        y = self.tower(x)
        return torch.cat([self.score(y), self.distances(y)], 1), self.mask(x)

    def start_from(self, backbone: Backbone) -> None:
        """Take over what the trunk has in common with a trained backbone."""
        self.trunk.load_backbone(backbone)

    def fold(self) -> None:
        """Prepare for the export: the input's scale goes into the weights."""
        self.entrance.fold()
