"""Fake label volumes for a discriminator, computed on the device for a whole batch.

The rules are those of AMMNet (arXiv 2403.07560, sec. 3.3): one fake has the right shape and wrong
classes, the other has the right classes and holes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ['erase_voxels', 'one_hot_volume', 'shuffle_classes']

SHARE = (0.1, 0.9)  # range of the share of changed voxels, see the functions


def shuffle_classes(
    labels: Tensor,
    num_classes: int,
    share: tuple[float, float] = SHARE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Give voxels of some classes a wrong class.

    In each sample a random subset of the occupied classes is picked; its size is uniform between 1
    and all of them. Of the n voxels of each picked class ``int(n p)`` are drawn with replacement,
    with p uniform in ``share``. All of them get the same wrong class, drawn uniformly from the
    occupied classes. If this is the class itself, the class before it is used; class 1 then gets a
    class from 2 upwards. The true labels decide which voxels belong to a class. With eleven
    classes present, a fifth of the occupied voxels change on average.

    Args:
        labels: (B, X, Y, Z) integers in [0, num_classes), 0 = empty.
        num_classes: K, at least 3.
        share: Range of p.
        generator: Random number generator on the device of the labels; None: the global one.

    Returns:
        A changed copy. A sample without occupied voxels does not change.
    """
    flat = labels.flatten(1).long()
    batch, device = len(flat), flat.device
    draw = _uniform(generator, device)
    count = functional.one_hot(flat, num_classes).sum(1)
    picked = _pick_classes(count, draw(batch), draw(batch, num_classes))
    wrong = _wrong_classes(draw(batch, num_classes), draw(batch, 1), num_classes)
    drawn = (count * (share[0] + (share[1] - share[0]) * draw(batch, num_classes))).long()
    # Voxels sorted by class: those of class k lie at start[k] + (0 ... count[k]-1).
    # Place start[k] + i stands for draw i of class k, so one pass makes all draws.
    ordered, order = flat.sort(dim=1, stable=True)
    start = count.cumsum(1) - count
    place = torch.arange(flat.shape[1], device=device) - start.gather(1, ordered)
    active = picked.gather(1, ordered) & (place < drawn.gather(1, ordered))
    size = count.gather(1, ordered)
    offset = (draw(*flat.shape) * size).long().minimum(size - 1)
    voxel = order.gather(1, start.gather(1, ordered) + offset)
    # Inactive draws go to an extra column, which is dropped.
    changed = torch.zeros(batch, flat.shape[1] + 1, dtype=torch.bool, device=device)
    changed = changed.scatter_(1, torch.where(active, voxel, flat.shape[1]), True)[:, :-1]
    shuffled = torch.where(changed, wrong.gather(1, flat), flat)
    return shuffled.view_as(labels).to(labels.dtype)


def _uniform(generator: torch.Generator | None, device: torch.device) -> Callable[..., Tensor]:
    """Return a function that draws a tensor of the given shape from [0, 1)."""

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    return draw


def _pick_classes(count: Tensor, size_draw: Tensor, order_draw: Tensor) -> Tensor:
    """(B, K) bool: a random subset of the occupied classes present, of random size."""
    present = count > 0
    present[:, 0] = False
    total = present.sum(1)
    size = (size_draw * total).long().clamp_max_((total - 1).clamp_min(0)) + 1
    rank = torch.where(present, order_draw, 2.0).argsort(1).argsort(1)
    return present & (rank < size[:, None])


def _wrong_classes(draw: Tensor, first_draw: Tensor, num_classes: int) -> Tensor:
    """(B, K): the wrong class for the voxels of each class; entry 0 is not used."""
    own = torch.arange(num_classes, device=draw.device).expand_as(draw)
    wrong = 1 + (draw * (num_classes - 1)).long().clamp_max_(num_classes - 2)
    first = 2 + (first_draw * (num_classes - 2)).long().clamp_max_(num_classes - 3)
    instead = torch.where(own == 1, first, own - 1)
    return torch.where(wrong == own, instead, wrong)


def erase_voxels(
    occupied: Tensor,
    share: tuple[float, float] = SHARE,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw voxels to erase.

    Of the n occupied voxels of each sample ``int(n p)`` are drawn without replacement, with p
    uniform in ``share``.

    Args:
        occupied: (B, X, Y, Z) bool.
        share: Range of p.
        generator: Random number generator on the device of ``occupied``; None: the global one.

    Returns:
        (B, X, Y, Z) bool, voxels to erase.
    """
    flat = occupied.flatten(1)
    draw = _uniform(generator, flat.device)
    part = share[0] + (share[1] - share[0]) * draw(len(flat), 1)
    count = (flat.sum(1, keepdim=True) * part).long()
    # Erase the occupied voxels with the smallest random keys; by rank, because keys may be equal.
    order = torch.where(flat, draw(*flat.shape), 2.0).argsort(1)
    goes = torch.arange(flat.shape[1], device=flat.device).expand_as(order) < count
    return torch.zeros_like(flat).scatter_(1, order, goes).view_as(occupied)


def one_hot_volume(labels: Tensor, num_classes: int) -> Tensor:
    """Map (B, X, Y, Z) integers in [0, num_classes) to (B, num_classes, X, Y, Z) float32."""
    volume = torch.zeros(
        len(labels), num_classes, *labels.shape[1:], dtype=torch.float32, device=labels.device
    )
    return volume.scatter_(1, labels.long()[:, None], 1.0)
