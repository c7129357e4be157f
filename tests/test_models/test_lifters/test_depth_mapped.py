"""Depth-mapped lifting against resizing to the full image and reading it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.models.lifters import DepthMappedLifter, fill_zero_elements

IMAGE_SIZE = (24, 40)
SHAPE = (6, 4, 5)


def make_mapping(batch_size: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 24 * 40, (batch_size, *SHAPE), generator=generator)
    empty = torch.rand(pixels.shape, generator=generator) < 0.5
    return pixels.masked_fill(empty, -1)


def by_resizing(features: Tensor, mapping: Tensor, align_corners: bool) -> Tensor:
    image = F.interpolate(features, IMAGE_SIZE, mode='bilinear', align_corners=align_corners)
    rows = F.pad(image.flatten(2), (0, 1))
    index = mapping.flatten(1).clone()
    index[index < 0] = rows.shape[2] - 1
    picked = rows.gather(2, index[:, None].expand(-1, features.shape[1], -1))
    return picked.view(*picked.shape[:2], *SHAPE)


@pytest.mark.parametrize('align_corners', [True, False])
@pytest.mark.parametrize('size', [(3, 5), (6, 10), (24, 40), (1, 1)])
def test_equals_resizing(align_corners: bool, size: tuple[int, int]) -> None:
    features = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    mapping = make_mapping()
    found = DepthMappedLifter(align_corners, fill=False)(features, IMAGE_SIZE, mapping)
    expected = by_resizing(features, mapping, align_corners)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)
    weight = torch.randn(found.shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((y * weight).sum(), features)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, atol=2e-5, rtol=0)


def test_kinds_of_resizing_differ() -> None:
    features, mapping = torch.randn(2, 3, 3, 5), make_mapping()
    one, other = (DepthMappedLifter(kind)(features, IMAGE_SIZE, mapping) for kind in (True, False))
    assert (one - other).abs().max() > 0.1


def test_samples_are_independent() -> None:
    lifter = DepthMappedLifter(align_corners=True)
    features, mapping = torch.randn(2, 3, 3, 5), make_mapping()
    both = lifter(features, IMAGE_SIZE, mapping)
    for number in range(2):
        alone = slice(number, number + 1)
        one = lifter(features[alone], IMAGE_SIZE, mapping[alone])
        assert torch.equal(both[alone], one)


def test_nothing_mapped_gives_zeros() -> None:
    mapping = torch.full((1, *SHAPE), -1)
    volume = DepthMappedLifter(align_corners=True)(torch.randn(1, 3, 3, 5), IMAGE_SIZE, mapping)
    assert volume.shape == (1, 3, *SHAPE) and not volume.any()


def test_pixel_outside_the_image_is_refused() -> None:
    mapping = torch.full((1, *SHAPE), 24 * 40)
    with pytest.raises(ValueError, match='pixel 960 is outside the image of 24 x 40'):
        DepthMappedLifter(align_corners=True)(torch.randn(1, 3, 3, 5), IMAGE_SIZE, mapping)


def test_filling_is_per_element_and_counts_the_border() -> None:
    volume = torch.zeros(1, 2, 3, 3, 3)
    volume[0, 0, 0, 0, 0] = 27.0  # channel 1 is 0 in the same voxel
    volume[0, 1, 1, 1, 1] = 54.0
    filled = fill_zero_elements(volume)
    assert filled[0, 0, 0, 0, 0] == 27 and filled[0, 1, 1, 1, 1] == 54
    # Corner: 8 of the 27 elements of its neighbourhood exist.
    assert filled[0, 1, 0, 0, 0] == 2 and filled[0, 0, 1, 1, 1] == 1
    assert filled[0, 0, 2, 2, 2] == 0


def test_zero_elements_pass_the_gradient() -> None:
    """Filling adds: the derivative with respect to a zero element is 1 + 1/27."""
    volume = torch.zeros(1, 1, 3, 3, 3, requires_grad=True)
    fill_zero_elements(volume)[0, 0, 1, 1, 1].backward()
    assert volume.grad[0, 0, 1, 1, 1] == pytest.approx(28 / 27)
    assert volume.grad[0, 0, 0, 0, 0] == pytest.approx(1 / 27)
