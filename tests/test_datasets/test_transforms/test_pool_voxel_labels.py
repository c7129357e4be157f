"""Coarser targets of a sample, by the two rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.datasets.transforms import PoolVoxelLabels
from mmssc.errors import DataError
from mmssc.geometry import pool_labels, pool_labels_class_first


@pytest.mark.parametrize(
    ('rule', 'pool'), [('majority', pool_labels), ('class_first', pool_labels_class_first)]
)
def test_rules(rule, pool):
    labels = np.random.default_rng(0).choice([0, 1, 255], (8, 8, 8), p=[0.5, 0.03, 0.47])
    results = dict(gt_voxels=labels.astype(np.uint8), num_classes=3, ignore_index=255)
    found = PoolVoxelLabels((2, 4), rule=rule)(results)
    for factor in (2, 4):
        expected = pool(torch.from_numpy(results['gt_voxels']), factor, 3)
        assert np.array_equal(found[f'gt_voxels_1_{factor}'], expected)


def test_an_unknown_rule_is_refused():
    with pytest.raises(DataError, match='PoolVoxelLabels.rule'):
        PoolVoxelLabels(rule='any')
