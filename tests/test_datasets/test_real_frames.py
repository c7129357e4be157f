"""The data set on real SemanticKITTI frames; see the fixture ``real_frames``."""

import gzip

import numpy as np
import pytest
import torch

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.datasets.transforms import (
    CropDrivingImages,
    LoadDrivingImages,
    LoadDrivingLabels,
    LoadDrivingPoints,
    PackSSCInputs,
)
from mmssc.formats import kitti as kf
from mmssc.geometry import (
    field_of_view_mask,
    points_to_cells,
    points_to_occupancy,
    pool_labels,
    quantize_points,
    voxel_to_pixel,
)
from mmssc.structures import VoxelGrid

GRID = VoxelGrid.build(SemanticKITTIDataset.METAINFO['voxel_grid'])


def unpacked(folder, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.decompress((folder / f'{name}.gz').read_bytes()))
    return path


@pytest.fixture(params=[('00', '000000', ()), ('08', '000005', (-5, -3, -1, 1))])
def packed(request, real_frames, tmp_path):
    """One sample, its labels made from the derived target, the lidar scan in place of depth."""
    sequence, frame, offsets = request.param
    raw = real_frames / 'dataset/sequences' / sequence
    calib = kf.read_calib(raw / 'calib.txt')
    derived = real_frames / f'derived_target/sequences/{sequence}/voxels'
    label_file = unpacked(derived, f'{frame}.label', tmp_path)
    invalid_file = unpacked(derived, f'{frame}.invalid', tmp_path)
    labels = SemanticKITTIDataset.train_labels(
        kf.read_raw_labels(label_file, GRID.shape), kf.read_voxel_bits(invalid_file, GRID.shape)
    )
    stem = tmp_path / 'labels' / sequence / frame
    kf.write_voxel_labels(f'{stem}_1_1.npy', labels)
    pooled = pool_labels(torch.from_numpy(labels), 2, 20).numpy()
    kf.write_voxel_labels(f'{stem}_1_2.npy', pooled)
    scan = kf.read_velodyne(raw / f'velodyne/{frame}.bin')[:, :3]
    for n in range(int(frame) + 1):
        kf.write_velodyne(tmp_path / f'points/{sequence}/{n:06d}.bin', scan)
    info = {
        'metainfo': {
            'dataset': 'SemanticKITTI', 'split': 'val', 'format_version': 1, 'voxel_grid': GRID,
        },
        'sequences': {
            sequence: {
                'P2': calib['P2'], 'P3': calib['P3'],
                'lidar2cam': kf.to_homogeneous(calib['Tr']),
                'poses': kf.read_poses(raw / 'poses.txt')[: int(frame) + 1],
            }
        },
        'data_list': [{'sequence': sequence, 'frame_id': frame, 'labelled': True}],
    }  # fmt: skip
    write_driving_list(tmp_path / 'infos.json', info)
    dataset = SemanticKITTIDataset(
        'infos.json', str(tmp_path), frame_offsets=offsets,
        data_prefix=dict(
            sequences=str(real_frames / 'dataset/sequences'), labels='labels', pseudo_lidar='points'
        ),
        pipeline=[LoadDrivingImages(), CropDrivingImages((370, 1220)), LoadDrivingPoints(),
                  LoadDrivingLabels(), PackSSCInputs()],
    )  # fmt: skip
    return dataset[0], len(scan)


def test_sample(packed):
    item, num_points = packed
    inputs, sample = item['inputs'], item['data_samples']
    frames = len(sample.img_paths)
    assert inputs['img'].shape == (frames, 3, 370, 1220)
    assert inputs['points'].shape == (frames * num_points, 3)
    assert sample.gt_voxels.shape == (256, 256, 32)
    classes = set(torch.unique(sample.gt_voxels).tolist())
    assert {0, 9, 15, 255} <= classes  # empty, road, vegetation, ignored
    assert sample.gt_voxels_1_2.shape == (128, 128, 16)
    if frames == 5:  # the last offset leads beyond the poses: the current frame again
        assert torch.equal(inputs['img'][0], inputs['img'][4])
        assert not torch.equal(inputs['img'][0], inputs['img'][3])
        first, *_, last = inputs['points'].split(num_points)
        assert torch.equal(first, last)


def test_scan_lies_in_labelled_voxels(packed):
    item, num_points = packed
    scan = item['inputs']['points'][:num_points]
    hit = points_to_occupancy(scan, GRID)
    labels = item['data_samples'].gt_voxels
    known = hit & (labels != 255)
    assert int(known.sum()) > 5000
    assert float((labels[known] > 0).float().mean()) > 0.9


def test_two_thirds_of_the_voxels_are_seen(packed):
    sample = packed[0]['data_samples']
    lidar2cam = torch.from_numpy(sample.lidar2cam)
    mask = field_of_view_mask(GRID, lidar2cam, torch.from_numpy(sample.cam2img), (370, 1220))
    assert mask.shape == (len(lidar2cam), 256, 256, 32)
    assert 0.66 < float(mask[0].float().mean()) < 0.7


def test_the_road_is_in_the_lower_half_of_the_image(packed):
    sample = packed[0]['data_samples']
    pixels, visible = voxel_to_pixel(
        GRID, torch.from_numpy(sample.lidar2cam[0]), torch.from_numpy(sample.cam2img), (370, 1220)
    )
    labels = sample.gt_voxels.reshape(-1)
    road = pixels[visible & (labels == 9)]
    assert len(road) > 500
    assert float((road[:, 1] > 370 / 2).float().mean()) > 0.98
    assert np.isfinite(sample.lidar2cam).all()


@pytest.mark.parametrize('sequence, frame', [('00', '000000'), ('08', '000005')])
def test_scans_have_reflectances_in_their_range(real_frames, sequence, frame):
    points = kf.read_scan(real_frames / f'dataset/sequences/{sequence}/velodyne/{frame}.bin')
    assert len(points) > 100_000
    cells, offsets, inside = points_to_cells(torch.from_numpy(points[:, :3].copy()), GRID)
    assert 0.3 < inside.float().mean() < 0.7
    # Both rules for cells differ only on the faces of voxels and at the border of the box.
    other, kept = quantize_points(torch.from_numpy(points[:, :3].copy()), GRID)
    assert (inside | ~kept).all()
    assert (cells[kept[inside]] != other).any(1).float().mean() < 1e-3
    assert offsets.abs().max() <= 0.1 + 1e-5
