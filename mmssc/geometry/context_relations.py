"""Relations between voxels and their surroundings: the target of a context prior.

MonoScene, arXiv 2112.00726, section 3.3: every voxel is related to every mega voxel, a block of
2 x 2 x 2 voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmssc.errors import DataError

__all__ = ['context_relations']

_BLOCK = 2


def context_relations(
    labels: Tensor,
    num_classes: int,
    num_relations: int = 4,
    empty_index: int = 0,
    ignore_index: int = 255,
) -> Tensor:
    """Relations between each voxel and each mega voxel.

    A relation is true if *any* labelled voxel of the block has it to the (labelled) voxel:

    - 4 relations: 0 = same class, both occupied; 1 = different classes, both occupied; 2 = both
      empty; 3 = exactly one of them empty.
    - 2 relations: 0 = different classes; 1 = same class. Empty counts as a class.

    Several relations can be true for one pair. They are computed from the classes in each block,
    not voxel by voxel.

    Args:
        labels: (B, n1, n2, n3) class ids; the last voxel of an odd side belongs to no block.
        num_classes: Number of classes, including empty.
        num_relations: 4 or 2.
        empty_index: Class id of empty.
        ignore_index: Id of voxels without a label.

    Returns:
        (B, num_relations, N, M) bool, N = n1 * n2 * n3 voxels and M = (n1 // 2) * (n2 // 2) *
        (n3 // 2) mega voxels, both flat in array order.

    Raises:
        DataError: ``num_relations`` is neither 4 nor 2.
    """
    if num_relations not in (2, 4):
        raise DataError('context relations', 'num_relations', '2 or 4', num_relations)
    batch, *shape = labels.shape
    halves = [side // _BLOCK for side in shape]
    valid = labels != ignore_index
    classes = labels.long().masked_fill(~valid, 0)

    cut = (slice(None), *(slice(_BLOCK * half) for half in halves))
    one_hot = torch.nn.functional.one_hot(classes[cut], num_classes).bool()
    one_hot = one_hot & valid[cut].unsqueeze(-1)
    split = [size for half in halves for size in (half, _BLOCK)]
    # (B, M, K): whether a block holds a class.
    present = one_hot.reshape(batch, *split, num_classes).any(6).any(4).any(2).flatten(1, 3)
    by_class = present.transpose(1, 2)

    own, known = classes.flatten(1), valid.flatten(1).unsqueeze(-1)
    same = by_class.gather(1, own.unsqueeze(-1).expand(-1, -1, by_class.shape[2]))
    kinds = present.sum(2).unsqueeze(1)
    if num_relations == 2:
        relations = [kinds - same.long() > 0, same]
    else:
        occupied = (own != empty_index).unsqueeze(-1)
        has_empty = present[..., empty_index].unsqueeze(1)
        occupied_kinds = kinds - has_empty.long()
        relations = [
            occupied & same,
            occupied & (occupied_kinds - same.long() > 0),
            ~occupied & has_empty,
            torch.where(occupied, has_empty, occupied_kinds > 0),
        ]
    return torch.stack([relation & known for relation in relations], 1)
