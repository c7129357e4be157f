"""Resolution for channels and back."""

import pytest
import torch

from mmssc.models.backbones.light_unet import PointwiseConv3D
from mmssc.models.layers.space_to_depth import depth_to_space, space_to_depth


@pytest.mark.parametrize('factor', [1, 2, 3])
def test_there_and_back(factor):
    volume = torch.randn(2, 6, 12, 6, 5)
    blocks = space_to_depth(volume, factor)
    assert blocks.shape == (2, 6 // factor, 12 // factor, 6 // factor, 5 * factor**3)
    assert torch.equal(depth_to_space(blocks, factor), volume)


def test_a_block_holds_its_own_voxels():
    volume = torch.arange(4 * 2 * 4).view(1, 4, 2, 4, 1)
    block = space_to_depth(volume, 2)[0, 1, 0, 1]
    assert block.tolist() == volume[0, 2:, :, 2:, 0].flatten().tolist()


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match='multiple of 2'):
        space_to_depth(torch.zeros(1, 4, 3, 4, 1), 2)
    with pytest.raises(ValueError, match='multiple of 8'):
        depth_to_space(torch.zeros(1, 4, 4, 4, 12), 2)


def test_a_matrix_product_is_a_convolution():
    layer = PointwiseConv3D(3, 7)
    volume = torch.randn(2, 3, 4, 5, 6)
    weight = layer.weight[..., None, None, None]
    expected = torch.nn.functional.conv3d(volume, weight, layer.bias)
    torch.testing.assert_close(layer(volume), expected)
