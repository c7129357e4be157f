"""A flipped sample is consistent: proved by projection, with points and with depth maps."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import (
    CropDrivingImages,
    FlipDrivingImages,
    FlipDrivingScene,
    FrustumTargets,
    LoadDrivingDepth,
    LoadDrivingImages,
    LoadDrivingLabels,
    LoadDrivingPoints,
    PackSSCInputs,
)
from mmssc.datasets.transforms.load_driving import lift_depth
from mmssc.errors import DataError
from mmssc.geometry import points_to_occupancy, transform_points, voxel_to_pixel
from mmssc.models.lifters import FLoSP, MultiScaleFLoSP
from mmssc.structures import VoxelGrid

SIZE = (30, 40)
Y_AXIS = 1


@pytest.fixture
def item(tree):
    """08/000005 with frames 5, 2 and 6, everything loaded, cropped."""
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_val.json', data_root=str(tree), pipeline=[], frame_offsets=(-3, 1)
    )
    load = Compose([
        LoadDrivingImages(), LoadDrivingDepth(), LoadDrivingPoints(), LoadDrivingLabels(),
        CropDrivingImages(SIZE),
    ])  # fmt: skip
    return load(dataset[2])


def flipped(item, transform=None, **arguments):
    transform = transform or FlipDrivingScene(prob=1, **arguments)
    return transform(copy.deepcopy(item))


def project(results, rule):
    """Pixels (N, V, 2) and visible (N, V) of all frames."""
    lidar2cam, cam2img = (torch.from_numpy(results[key]) for key in ('lidar2cam', 'cam2img'))
    return voxel_to_pixel(results['voxel_grid'], lidar2cam, cam2img, results['img_shape'], rule)


def mirror_voxels(values, grid):
    return values.unflatten(1, grid.shape).flip(Y_AXIS + 1).flatten(1, 3)


@pytest.mark.parametrize('rule', ['sgn', 'monoscene'])
def test_every_voxel_projects_to_the_mirrored_pixel_of_its_twin(item, rule):
    # Many voxels: a few of them lie half-way between pixels, where rounding goes either way.
    item['voxel_grid'] = VoxelGrid((0, -25.6, -2), 0.8, (64, 64, 8))
    pixels, visible = project(item, rule)
    results = flipped(item)
    found, seen = project(results, rule)
    twin = mirror_voxels(pixels, item['voxel_grid'])
    twin_visible = mirror_voxels(visible, item['voxel_grid'])
    both = seen & twin_visible
    assert (seen != twin_visible).float().mean() < 1e-4 and both.sum() > 5000
    off = (found[..., 0] - (SIZE[1] - 1 - twin[..., 0])).abs() + (
        found[..., 1] - twin[..., 1]
    ).abs()
    assert off[both].max() <= 1 and (off[both] == 0).float().mean() > 0.9999
    # The test can fail: with the cameras kept, most voxels miss their pixel.
    kept, _ = project(flipped(item, calibration='kept'), rule)
    off = (kept[..., 0] - (SIZE[1] - 1 - twin[..., 0])).abs()
    assert (off[both] > 2).float().mean() > 0.5


def test_images_lifted_into_the_volume_are_mirrored(item):
    """SGN: features of all frames, by line of sight."""
    results = flipped(item)
    lifter = FLoSP(item['voxel_grid'], stride=1)

    def lift(sample):
        images = torch.from_numpy(np.stack(sample['img']).transpose(0, 3, 1, 2).astype(np.float32))
        cameras = (torch.from_numpy(sample[key])[None] for key in ('cam2img', 'lidar2cam'))
        return lifter(images[None], *cameras, SIZE)[0]

    volume, mirrored = lift(item), lift(results).flip(Y_AXIS + 1)
    assert (volume != 0).float().mean() > 0.1
    assert ((volume - mirrored).abs() < 1e-3).float().mean() > 0.999


def test_points_and_labels_are_mirrored_together(item):
    results = flipped(item)
    volumes = [
        points_to_occupancy(torch.from_numpy(sample['points']), item['voxel_grid'])
        for sample in (item, results)
    ]
    assert volumes[0].any() and torch.equal(volumes[1], volumes[0].flip(Y_AXIS))
    for key in ('gt_voxels', 'gt_voxels_1_2'):
        np.testing.assert_array_equal(results[key], item[key][:, ::-1])


def test_depth_lifts_to_the_mirrored_points(item):
    # The pseudo-lidar formula leaves this entry out: with it, it is no inverse of the projection.
    item['P2'][2, 3] = 0
    results = flipped(item)
    clouds = [
        lift_depth(np.ascontiguousarray(s['depth'][0]), s['P2'], s['lidar2cam'][0])
        for s in (item, results)
    ]
    order = [np.lexsort((cloud[:, 2].round(3), cloud[:, 0].round(3))) for cloud in clouds]
    before, after = (cloud[index] for cloud, index in zip(clouds, order))
    np.testing.assert_allclose(after, before * [1, -1, 1], atol=2e-3)


def test_motion_of_the_other_frames_follows(item):
    results = flipped(item)
    points = torch.from_numpy(item['points'][:50]).double()
    mirror = torch.tensor([1.0, -1, 1], dtype=torch.float64)
    for before, after in zip(item['frame2ref'], results['frame2ref']):
        moved = transform_points(points, torch.from_numpy(before)) * mirror
        again = transform_points(points * mirror, torch.from_numpy(after))
        torch.testing.assert_close(again, moved)


def test_a_pipeline_with_depth_and_frustums(item):
    """Symphonies: frustums of the mirrored cameras hold the mirrored voxels."""
    # 8 cells of 5 pixels: mirrored pixels fall into mirrored cells.
    index = FrustumTargets()(copy.deepcopy(item))['frustum_index'].astype(np.int64)
    pack = Compose([FlipDrivingScene(prob=1), FrustumTargets(), PackSSCInputs()])
    packed = pack(copy.deepcopy(item))
    sample = packed['data_samples']
    row, column = index // 8, index % 8
    expected = np.where(index == 255, 255, 8 * row + 7 - column)[:, ::-1]
    found = sample.frustum_index.numpy()
    assert (found == expected).mean() > 0.999 and (found != 255).mean() > 0.1
    np.testing.assert_array_equal(sample.gt_voxels, item['gt_voxels'][:, ::-1])
    np.testing.assert_array_equal(packed['inputs']['depth'][0], item['depth'][0][:, ::-1])
    assert packed['inputs']['img'].shape == (3, 3, *SIZE)


def test_twice_is_the_identity(item):
    twice = flipped(flipped(item))
    for key in ('cam2img', 'P2', 'lidar2cam', 'frame2ref', 'points', 'gt_voxels'):
        np.testing.assert_allclose(twice[key], item[key], atol=1e-6, err_msg=key)
    np.testing.assert_array_equal(twice['img'], item['img'])


def test_the_official_flip_can_be_had(tree):
    """Image at full width, then cropped; depth cropped, then mirrored; cameras kept."""
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_val.json', data_root=str(tree), pipeline=[], frame_offsets=()
    )
    whole = Compose([LoadDrivingImages(), LoadDrivingDepth(), LoadDrivingLabels()])(dataset[2])
    height, width = SIZE
    official = Compose([
        FlipDrivingScene(prob=1, calibration='kept', depth_width=width), CropDrivingImages(SIZE),
    ])(copy.deepcopy(whole))  # fmt: skip
    expected = whole['img'][0][:, ::-1][:height, :width]
    np.testing.assert_array_equal(official['img'][0], expected)
    expected = whole['depth'][0][:height, :width][:, ::-1]
    np.testing.assert_array_equal(official['depth'][0], expected)
    np.testing.assert_array_equal(official['gt_voxels'], whole['gt_voxels'][:, ::-1])
    for key in ('cam2img', 'P2', 'lidar2cam'):
        np.testing.assert_array_equal(official[key], whole[key])


def test_images_alone(item):
    """MonoScene: the voxels find their colours in the mirrored image."""
    results = flipped(item, FlipDrivingImages(prob=1))
    for key in ('gt_voxels', 'points', 'lidar2cam', 'frame2ref'):
        np.testing.assert_array_equal(results[key], item[key])
    lifter = MultiScaleFLoSP(item['voxel_grid'], strides=(1,))

    def lift(sample):
        image = torch.from_numpy(sample['img'][0].transpose(2, 0, 1).astype(np.float32))
        cameras = torch.from_numpy(sample['cam2img']), torch.from_numpy(sample['lidar2cam'][:1])
        return lifter([image[None, None]], *(camera[None] for camera in cameras), SIZE)

    before, after = lift(item), lift(results)
    assert before.any() and (before == after).float().mean() > 0.999
    # Depth, too, lifts to the same points.
    clouds = [
        lift_depth(np.ascontiguousarray(s['depth'][0]), s['P2'], s['lidar2cam'][0])
        for s in (item, results)
    ]
    volumes = [points_to_occupancy(torch.from_numpy(c), item['voxel_grid']) for c in clouds]
    assert volumes[0].any() and (volumes[0] == volumes[1]).float().mean() > 0.999


@pytest.mark.parametrize('kind', [FlipDrivingScene, FlipDrivingImages])
def test_probability(item, kind):
    transform = kind(prob=0.5)
    random.seed(0)
    count = sum(transform(dict(item))['flipped'] for _ in range(200))
    assert 80 < count < 120
    untouched = kind(prob=0)(copy.deepcopy(item))
    np.testing.assert_array_equal(untouched['img'], item['img'])
    np.testing.assert_array_equal(untouched['cam2img'], item['cam2img'])


def test_an_asymmetric_grid_is_refused(item):
    item['voxel_grid'] = VoxelGrid((0, -20, -2), (3.2, 3.2, 0.8), (16, 16, 8))
    with pytest.raises(DataError, match='extent along y'):
        flipped(item)


@pytest.mark.parametrize('kind', [FlipDrivingScene, FlipDrivingImages])
def test_frustums_come_after_the_flip(item, kind):
    with pytest.raises(DataError, match='Put FrustumTargets after'):
        kind(prob=1)(FrustumTargets()(item))


def test_unknown_options():
    with pytest.raises(DataError, match="'mirrored' or 'kept'"):
        FlipDrivingScene(calibration='other')
    with pytest.raises(DataError, match='depth_width'):
        FlipDrivingScene(depth_width=3)
