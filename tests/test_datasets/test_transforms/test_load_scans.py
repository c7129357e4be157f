"""Scans as voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import LoadScanOccupancy
from mmssc.errors import DataError
from mmssc.formats.kitti import write_velodyne, write_voxel_bits
from mmssc.geometry import floor_points, scan_to_occupancy
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0.0, -1.6, -0.8), 0.4, (8, 8, 4))


def item(folder):
    return dict(
        sequence='00', frame_id='000000', voxel_grid=GRID,
        voxel_paths=dict(bin=str(folder / '000000.bin')),
        frames=[dict(frame_id='000000', scan_path=str(folder / 'scan.bin'))],
    )  # fmt: skip


def test_both_sources(tmp_path):
    points = np.random.default_rng(0).uniform((-1, -2, -1, 0), (4, 2, 1, 1), (60, 4))
    write_velodyne(tmp_path / 'scan.bin', points)
    volume = scan_to_occupancy(torch.from_numpy(points.astype(np.float32)), GRID).numpy()
    write_voxel_bits(tmp_path / '000000.bin', volume)
    for source in ('voxels', 'scan'):
        load = LoadScanOccupancy(source)
        found = load(item(tmp_path))['occupancy']
        assert found.dtype == bool and np.array_equal(found, volume) and found.any()
        (file,) = load.files(item(tmp_path))
        assert not file.prepared and file.keys == ('occupancy',)


def test_faces_belong_to_the_upper_voxel():
    grid = VoxelGrid((0.0, -2.0, -1.0), 0.5, (8, 8, 4))
    points = torch.tensor([
        [0.0, -2.0, -1.0], [4.0, 0, 0], [3.9999998, 1.9999999, 0.99999994], [0.5, -1.5, 0.0],
        [-1e-7, 0, 0],
    ])  # fmt: skip
    indices, inside = floor_points(points, grid)
    assert inside.tolist() == [True, False, True, True, False]
    assert indices.tolist() == [[0, 0, 0], [7, 7, 3], [1, 1, 2]]


def test_other_axes_and_columns():
    turned = VoxelGrid((0.0, -0.8, -1.6), 0.4, (8, 4, 8), ('x', 'z', 'y'))
    points = torch.rand(50, 4) * torch.tensor([3.2, 3.2, 1.6, 1]) - torch.tensor([0, 1.6, 0.8, 0])
    expected = scan_to_occupancy(points, GRID)
    assert torch.equal(scan_to_occupancy(points, turned).permute(0, 2, 1), expected)


@pytest.mark.parametrize('source', ['voxels', 'scan'])
def test_a_missing_file_is_named_with_its_frame(tmp_path, source):
    with pytest.raises(DataError, match='frame 00/000000'):
        LoadScanOccupancy(source)(item(tmp_path))


def test_an_unknown_source_is_refused():
    with pytest.raises(DataError, match='LoadScanOccupancy.source'):
        LoadScanOccupancy('depth')


def test_real_scans_fill_the_voxels_of_the_data_set(real_frames):
    """The makers left out points without a label: some voxels of a scan are not in the file."""
    grid = VoxelGrid.build(SemanticKITTIDataset.METAINFO['voxel_grid'])
    checked = 0
    for path in sorted((real_frames / 'dataset/sequences').glob('*/voxels/*.bin')):
        scan = path.parents[1] / 'velodyne' / path.name
        if not scan.is_file():
            continue
        results = dict(
            sequence=path.parents[1].name, frame_id=path.stem, voxel_grid=grid,
            voxel_paths=dict(bin=str(path)), frames=[dict(scan_path=str(scan))],
        )  # fmt: skip
        voxels, own = (
            LoadScanOccupancy(source)(results)['occupancy'] for source in ('voxels', 'scan')
        )
        overlap = (voxels & own).sum() / (voxels | own).sum()
        assert overlap > 0.96, path
        checked += 1
    assert checked
