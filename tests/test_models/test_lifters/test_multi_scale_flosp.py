"""Lifting of several feature maps."""

from __future__ import annotations

import pytest
import torch

from mmssc.models.lifters import FLoSP, MultiScaleFLoSP
from mmssc.registry import MODELS

GRID = dict(origin=(0.0, -2.0, -1.0), voxel_size=0.5, shape=(8, 8, 4))
LIDAR2CAM = torch.tensor(
    [[0.0, -1, 0, 0.1], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=torch.float64
)
CAM2IMG = torch.tensor([[16.0, 0, 32], [0, 16, 20], [0, 0, 1]], dtype=torch.float64)
SIZE = (41, 64)


def make_maps(batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(-(-SIZE[0] // s), -(-SIZE[1] // s)) for s in (1, 2, 4)]
    return [torch.randn(batch, 1, 3, *shape, generator=generator) for shape in shapes]


def test_is_the_sum_of_its_scales() -> None:
    lifter = MODELS.build(dict(type='MultiScaleFLoSP', voxel_grid=GRID, strides=(1, 2, 4)))
    maps = make_maps()
    cameras = CAM2IMG.expand(2, 3, 3), LIDAR2CAM.expand(2, 1, 4, 4), SIZE
    volume = lifter(maps, *cameras)
    assert volume.shape == (2, 3, 8, 8, 4) and volume.any()
    parts = [FLoSP(GRID, stride)(m, *cameras) for m, stride in zip(maps, (1, 2, 4))]
    torch.testing.assert_close(volume, sum(parts))


def test_batch_equals_its_samples() -> None:
    lifter = MultiScaleFLoSP(GRID, (1, 2, 4), pose_dtype='float32')
    maps = make_maps()
    poses = torch.stack([LIDAR2CAM, LIDAR2CAM])[:, None]
    poses[1, 0, 0, 3] = -0.3
    cam2img = torch.stack([CAM2IMG, 1.5 * CAM2IMG])
    both = lifter(maps, cam2img, poses, SIZE)
    for number in range(2):
        part = slice(number, number + 1)
        alone = lifter([m[part] for m in maps], cam2img[part], poses[part], SIZE)
        assert torch.equal(both[number], alone[0])


def test_maps_and_strides_must_match() -> None:
    with pytest.raises(ValueError, match='expected 4 feature maps, one per stride, got 3'):
        MultiScaleFLoSP(GRID)(make_maps(1), CAM2IMG[None], LIDAR2CAM[None, None], SIZE)


@pytest.mark.parametrize('pose_dtype', ['float32', 'float64'])
def test_projection_is_not_done_in_half_precision(pose_dtype: str) -> None:
    lifter = MultiScaleFLoSP(GRID, (1, 2, 4), pose_dtype=pose_dtype)
    arguments = make_maps(1), CAM2IMG[None], LIDAR2CAM[None, None], SIZE
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = lifter(*arguments)
    assert torch.equal(mixed, lifter(*arguments))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_the_gpu() -> None:
    lifter = MultiScaleFLoSP(GRID, (1, 2, 4))
    maps, cameras = make_maps(1), (CAM2IMG[None], LIDAR2CAM[None, None])
    found = lifter([m.cuda() for m in maps], *(camera.cuda() for camera in cameras), SIZE)
    expected = lifter(maps, *cameras, SIZE)
    assert ((found.cpu() - expected).abs() < 1e-5).float().mean() > 0.999
