"""A 2D segmentation in the volume."""

from __future__ import annotations

import pytest
import torch

from mmssc.errors import DataError
from mmssc.models.backbones.segmentation_encoder import SegmentationEncoder, lift_segmentation


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    segmentation = torch.randint(0, 4, (2, 6, 8), generator=generator, dtype=torch.uint8)
    mapping = torch.randint(-1, 48, (2, 4, 3, 5), generator=generator)
    mapping[0, :2] = -1
    mapping[1, 0, 0, 0] = 0
    return segmentation, mapping


def test_every_voxel_reads_its_pixel(pair) -> None:
    segmentation, mapping = pair
    volume = lift_segmentation(segmentation, mapping, 5)
    assert volume.shape == (2, 5, 4, 3, 5) and volume.dtype == torch.float32
    for sample in range(2):
        for voxel in torch.cartesian_prod(*map(torch.arange, (4, 3, 5))).tolist():
            pixel = int(mapping[(sample, *voxel)])
            found = volume[(sample, slice(None), *voxel)]
            expected = torch.zeros(5)
            if pixel >= 0:
                expected[int(segmentation[sample].flatten()[pixel])] = 1
            assert torch.equal(found, expected)


def test_convolutions_follow(pair) -> None:
    model = SegmentationEncoder(4, (3, 6, 8)).eval()
    assert [block.conv.in_channels for block in model.stem] == [4, 3, 6]
    with torch.no_grad():
        found = model(*pair)
        expected = model.stem(lift_segmentation(*pair, 4))
        single = torch.cat([model(s[None], m[None]) for s, m in zip(*pair)])
    assert found.shape == (2, 8, 4, 3, 5)
    assert torch.equal(found, expected)
    torch.testing.assert_close(found, single)


def test_what_does_not_fit_is_named(pair) -> None:
    segmentation, mapping = pair
    with pytest.raises(DataError, match='ids below 3'):
        lift_segmentation(segmentation, mapping, 3)
    with pytest.raises(DataError, match='pixels below 40'):
        lift_segmentation(segmentation[:, :5], mapping, 4)
