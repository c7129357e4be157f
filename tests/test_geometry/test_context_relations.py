"""Context relations against their definition, pair by pair."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from mmssc.errors import DataError
from mmssc.geometry import context_relations


def relations_by_definition(labels: np.ndarray, num_relations: int) -> np.ndarray:
    halves = [side // 2 for side in labels.shape]
    blocks = [
        labels[tuple(slice(2 * i, 2 * i + 2) for i in corner)].reshape(-1)
        for corner in itertools.product(*map(range, halves))
    ]
    result = np.zeros((num_relations, labels.size, len(blocks)), bool)
    for a, own in enumerate(labels.reshape(-1)):
        for b, block in enumerate(blocks):
            for other in block:
                if 255 in (own, other):
                    continue
                if num_relations == 2:
                    kind = int(own == other)
                elif own == 0 and other == 0:
                    kind = 2
                elif own == 0 or other == 0:
                    kind = 3
                else:
                    kind = 0 if own == other else 1
                result[kind, a, b] = True
    return result


@pytest.mark.parametrize('num_relations', [2, 4])
@pytest.mark.parametrize('shape', [(4, 4, 2), (5, 3, 4)])
def test_equals_the_definition(shape: tuple[int, ...], num_relations: int) -> None:
    random = np.random.default_rng(0)
    labels = random.choice([0, 0, 0, 1, 2, 3, 255], (2, *shape)).astype(np.uint8)
    found = context_relations(torch.from_numpy(labels), 4, num_relations)
    assert found.dtype == torch.bool
    for sample in range(2):
        expected = relations_by_definition(labels[sample], num_relations)
        np.testing.assert_array_equal(found[sample].numpy(), expected)
        assert expected.any((1, 2)).all()


def test_another_empty_class() -> None:
    labels = torch.tensor([0, 1, 2, 255] * 4).view(1, 4, 2, 2)
    swapped = torch.tensor([1, 0, 2, 255] * 4).view(1, 4, 2, 2)
    assert torch.equal(context_relations(labels, 3), context_relations(swapped, 3, empty_index=1))


def test_unknown_set_of_relations() -> None:
    with pytest.raises(DataError, match='2 or 4'):
        context_relations(torch.zeros(1, 2, 2, 2), 2, num_relations=3)
