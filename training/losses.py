"""What the two networks are taught to make small."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.recipe import Loss


def segmentation_loss(logits: Tensor, alpha: Tensor, weight: Tensor, terms: Loss = Loss()) -> Tensor:  # noqa: B008
    """Cross-entropy with a heavier edge, a soft IoU a picture, and a penalty on mid values away from edges.

    The penalty is the mean of 4p(1-p), 0 at a probability of 0 or 1 and 1 at one half, over the pixels
    where the label is certain: its mean over a window of 4 % of the side is below ``terms.certain`` or
    above 1 less it. It is the entropy minimisation of Grandvalet and Bengio 2004 with Gini's impurity.

    Args:
        logits, alpha, weight: ``(N, 1, H, W)``; alpha 0-1, soft; weight 0-1, 0 where the label
            says "ignore".
        terms: weights of the terms beside the cross-entropy.
    """
    k = max(int(logits.shape[-1] * 0.04) | 1, 3)
    # In two passes, one an axis: a square window of this size takes an eighth of a step's time.
    local = F.avg_pool2d(alpha, (k, 1), 1, (k // 2, 0), count_include_pad=False)
    local = F.avg_pool2d(local, (1, k), 1, (0, k // 2), count_include_pad=False)
    edge = 1 + 16 * local * (1 - local)  # 1 far from the edge, 5 on it
    w = weight * edge
    loss = F.binary_cross_entropy_with_logits(logits, alpha, w, reduction="sum") / w.sum().clamp(min=1)
    p = logits.sigmoid()
    if terms.soft_iou:
        both = (p * weight * alpha).sum((1, 2, 3))
        either = ((p + alpha) * weight).sum((1, 2, 3)) - both
        known = weight.amax((1, 2, 3))
        smooth = 0.002 * p[0].numel()
        loss = loss + terms.soft_iou * ((1 - (both + smooth) / (either + smooth)) * known).mean()
    if terms.decidedness:
        certain = ((local < terms.certain) | (local > 1 - terms.certain)).float() * weight
        mid = (4 * p * (1 - p) * certain).sum() / certain.sum().clamp(min=1)
        loss = loss + terms.decidedness * mid
    return loss


def _pairwise_giou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of boxes ``(..., 4)``, elementwise."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1)
    union = (area_a + area_b - inter).clamp(min=1)
    hull = (
        (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1).clamp(min=1)
    )
    iou = inter / union
    return iou, iou - (hull - union) / hull


def detection_loss(
    output: Tensor,
    mask_logits: Tensor,
    boxes: Tensor,
    alpha: Tensor,
    ignore: Tensor,
    stride: int,
    unit: float,
) -> Tensor:
    """Quality focal loss on the score, GIoU on the boxes, cross-entropy on the coarse mask.

    A cell belongs to a box when it lies in the middle of it; of several, to the smallest. Its
    score should be the IoU its own box reaches (Li et al. 2020), so that the score ranks boxes.

    Args:
        output: ``(N, 5, h, w)``; mask_logits, alpha, ignore: ``(N, 1, h, w)``.
        boxes: ``(N, B, 4)`` in input pixels, zeros where there is none.
    """
    _, _, h, w = output.shape
    y = (torch.arange(h, device=output.device) + 0.5) * stride
    x = (torch.arange(w, device=output.device) + 0.5) * stride
    centre = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (h, w, 2)
    d = output[:, 1:].permute(0, 2, 3, 1).clamp(-6, 3).exp() * unit
    predicted = torch.cat([centre - d[..., :2], centre + d[..., 2:]], -1)

    size = boxes[..., 2:] - boxes[..., :2]
    area = size.prod(-1)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    reach = (size * 0.2).clamp(min=stride * 0.75)
    off = (centre[None, None] - middle[:, :, None, None]).abs()
    inside = (off <= reach[:, :, None, None]).all(-1) & (area > 0)[:, :, None, None]  # (N, B, h, w)
    cost = torch.where(inside, area[:, :, None, None], torch.inf)
    best, owner = cost.min(1)
    positive = best < torch.inf
    target = torch.gather(
        boxes[:, :, None, None].expand(-1, -1, h, w, -1), 1, owner[:, None, :, :, None].expand(-1, 1, h, w, 4)
    )[:, 0]

    iou, giou = _pairwise_giou(predicted, target)
    quality = torch.where(positive, iou.detach().clamp(0, 1), 0.0)
    score = output[:, 0]
    # Cells of a box outside its middle could go either way: teach them half as hard.
    within = (
        (
            (centre[None, None] > boxes[:, :, None, None, :2])
            & (centre[None, None] < boxes[:, :, None, None, 2:])
        )
        .all(-1)
        .any(1)
    )
    care = torch.where(positive, 1.0, torch.where(within, 0.5, 1.0)) * torch.where(
        positive, 1.0, 1 - ignore[:, 0]
    )
    focal = (score.sigmoid().detach() - quality).abs() ** 2
    bce = F.binary_cross_entropy_with_logits(score, quality, reduction="none")
    count = positive.sum().clamp(min=1)
    score_loss = (bce * focal * care).sum() / count
    box_loss = ((1 - giou) * positive).sum() / count
    mask_loss = F.binary_cross_entropy_with_logits(mask_logits, alpha, reduction="none")
    mask_loss = (mask_loss * (1 - ignore)).mean()
    return 2.0 * score_loss + box_loss + 0.5 * mask_loss


def imitation_loss(output: Tensor, mask_logits: Tensor, taught: Tensor, stride: int, unit: float) -> Tensor:
    """How far a detector is from its teacher: scores, boxes where the teacher scores them, coarse mask.

    Args:
        output: ``(N, 5, h, w)``; mask_logits: ``(N, 1, h, w)``.
        taught: ``(N, h, w, 6)`` score and share of person, 0-1, and the distances' logarithms.
    """
    _, _, h, w = output.shape
    y = (torch.arange(h, device=output.device) + 0.5) * stride
    x = (torch.arange(w, device=output.device) + 0.5) * stride
    centre = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)

    def boxes(logarithms: Tensor) -> Tensor:
        d = logarithms.clamp(-6, 3).exp() * unit
        return torch.cat([centre - d[..., :2], centre + d[..., 2:]], -1)

    score, target = output[:, 0], taught[..., 0]
    bce = F.binary_cross_entropy_with_logits(score, target, reduction="none")
    away = (score.sigmoid().detach() - target).abs()
    score_loss = (bce * (0.05 + away)).sum() / target.sum().clamp(min=1)
    weight = torch.where(target > 0.1, target, 0.0)
    _, giou = _pairwise_giou(boxes(output[:, 1:].permute(0, 2, 3, 1)), boxes(taught[..., 2:]))
    box_loss = ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)
    mask_loss = F.binary_cross_entropy_with_logits(mask_logits[:, 0], taught[..., 1])
    return score_loss + box_loss + mask_loss
