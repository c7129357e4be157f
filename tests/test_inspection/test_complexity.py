"""Multiply-adds of models that can be counted by hand."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn
from torch.nn import functional as F

from mmssc.inspection.complexity import count_complexity
from mmssc.ops import SparseIndex, SubMConv3d
from mmssc.structures import SSCDataSample


class Counted(BaseModel):
    """A convolution, a sparse convolution, attention, and an operation that is not counted."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Conv3d(2, 4, 3, padding=1, bias=False)
        self.sparse = SubMConv3d(4, 8, 3)
        self.later = nn.Linear(3, 3)  # only in training

    def forward(self, inputs, data_samples=None, mode='tensor'):
        volume = self.dense(inputs['volume'])
        rows = volume.flatten(2).transpose(1, 2)[0]
        coords = torch.tensor([(0, 0, 0, 0), (0, 0, 0, 1), (0, 3, 0, 0)])
        rows = self.sparse(rows[:3], SparseIndex(coords, (4, 3, 2), 1))[None]
        rows = F.scaled_dot_product_attention(rows, rows, rows) + rows.cumsum(1)
        data_samples[0].pred_voxels = rows.argmax(2)
        return data_samples


def test_every_part_is_counted_by_hand():
    model = Counted().train()
    inputs = dict(volume=torch.rand(1, 2, 4, 3, 2))
    parts = count_complexity(model, inputs, [SSCDataSample()])
    assert model.training and list(parts) == ['', 'dense', 'sparse', 'later']
    assert parts['dense'].multiply_adds == 24 * 27 * 2 * 4
    # Three voxels, and a pair of neighbours in both directions.
    assert parts['sparse'].multiply_adds == (3 + 2) * 4 * 8
    assert parts['sparse'].not_counted['index_add_'] == 27
    attention = 3 * 3 * (8 + 8)
    total = sum(parts[name].multiply_adds for name in ('dense', 'sparse')) + attention
    assert parts[''].multiply_adds == total and parts['later'].multiply_adds == 0
    assert parts[''].counted['scaled_dot_product_attention'] == attention
    assert parts[''].not_counted['cumsum'] == 1
    assert [part.parameters for part in parts.values()] == [
        216 + 864 + 12, 216, 864, 12
    ]  # fmt: skip


@pytest.mark.parametrize(('depth', 'names'), [(1, ['', '0', '1']), (2, ['', '0', '0.0', '1'])])
def test_depth_gives_the_levels(depth, names):
    class Nested(nn.Sequential):
        def forward(self, inputs, data_samples, mode):
            data_samples[0].pred_voxels = super().forward(inputs['x'])
            return data_samples

    model = Nested(nn.Sequential(nn.Linear(2, 2)), nn.Linear(2, 3))
    parts = count_complexity(model, dict(x=torch.rand(5, 2)), [SSCDataSample()], depth)
    assert list(parts) == names and parts[''].multiply_adds == 5 * (4 + 6)
