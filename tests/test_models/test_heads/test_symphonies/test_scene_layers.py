"""Positions, squeezing and the classifier of Symphonies, by their definitions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmssc.errors import DataError
from mmssc.models.heads.symphonies.deform_transformer import (
    SqueezedDeformableLayer,
    squeeze_points,
    squeeze_volume,
)
from mmssc.models.heads.symphonies.scene_classifier import SceneClassifier
from mmssc.models.heads.symphonies.scene_position import ScenePosition
from mmssc.models.layers import recompute_in_backward


@pytest.mark.parametrize('squeeze', [(2, 2), (1, 2), (3, 1)])
def test_position_is_that_of_the_definition(squeeze):
    shape, (a, b) = (3, 2, 12), squeeze
    position = ScenePosition(shape, 8, squeeze)
    rows = position().view(*shape, 8)
    tables = [table.weight for table in position.embeds]
    for x, y, z in ((0, 0, 0), (2, 1, 11), (1, 0, 7), (0, 1, 3)):
        s = z % (a * b)
        parts = tables[0][a * x + s // b], tables[1][b * y + s % b], tables[2][z // (a * b)]
        torch.testing.assert_close(rows[x, y, z], position.proj(torch.cat(parts)))


def test_position_needs_a_height_that_fits():
    with pytest.raises(DataError, match='multiple of 4'):
        ScenePosition((3, 2, 6), 8)


def test_voxels_lie_in_the_picture_where_their_points_say():
    """With exact squeezing and (i + 0.5) / n the sampled cell is the voxel's own."""
    shape = (5, 3, 4)
    volume = torch.arange(60.0).view(1, *shape, 1)
    value, ((rows, columns),) = squeeze_volume(volume)
    picture = value.view(rows, columns)
    for x, y, z in ((0, 0, 0), (4, 2, 3), (2, 1, 0)):
        assert picture[x * 4 + z, y] == volume[0, x, y, z, 0]
        index = torch.tensor([x, y, z])
        point = (index + 0.5) / torch.tensor(shape)
        column, row = squeeze_points(point, shape, exact=True)
        assert column * columns - 0.5 == pytest.approx(y, abs=1e-5)
        assert row * rows - 0.5 == pytest.approx(x * 4 + z, abs=1e-5)
        _, official = squeeze_points(point, shape)
        assert official - row == pytest.approx((float(point[2]) - 0.5) * (1 / 4 - 1 / 5), abs=1e-6)


def test_squeezed_layer_without_feed_forward_has_none():
    layer = SqueezedDeformableLayer(16, num_heads=2, mlp_ratio=0)
    assert not [name for name, _ in layer.named_parameters() if 'ffn' in name or 'norm2' in name]


@pytest.mark.parametrize(('scale', 'z'), [(2, 2), (1, 1), (2, 1), (1, 2), (4, 1)])
def test_classifier_has_the_output_grid(scale, z):
    classifier = SceneClassifier(4, 7, scale, z, dict(type='BN')).eval()
    logits = classifier(torch.zeros(1, 4, 3, 2, 4))
    assert logits.shape == (1, 7, 3 * scale, 2 * scale, 4 * scale * z)


def test_recomputation_restores_the_batch_norm_also_after_an_error():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.calls = nn.BatchNorm1d(3), 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError('second pass')
            return self.norm(x) ** 2

    module = Broken()
    output = recompute_in_backward(module, torch.randn(4, 3, requires_grad=True))
    with pytest.raises(RuntimeError, match='second pass'):
        output.sum().backward()
    assert module.norm.momentum == 0.1 and module.norm.num_batches_tracked == 1
    assert 'num_batches_tracked' in dict(module.norm.named_buffers())


def test_nothing_is_recomputed_without_gradients():
    calls = []
    module = nn.Linear(2, 2)
    module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        recompute_in_backward(module, torch.zeros(1, 2))
    assert calls == [1]


def test_a_convolution_at_the_end_does_not_run_again():
    class Activated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.calls = nn.Conv2d(2, 2, 1), []
            self.conv.register_forward_hook(lambda *_: self.calls.append('conv'))

        def double(self, x):
            self.calls.append('double')
            return self.conv(x.relu() * 2)

    module = Activated()
    x = torch.randn(1, 2, 3, 3, requires_grad=True)
    recompute_in_backward(module, x, function=module.double).sum().backward()
    assert module.calls == ['double', 'conv', 'double']
    assert x.grad.any()
