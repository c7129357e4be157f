"""Labels of another kind, grid or axis order, on their way through the tools."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from converter_trees import GRID, kitti360_tree, raw_tree, run_here
from nyu_trees import CAMERA, FINE, convert, nyu_tree
from tool_runs import run_tool_in

from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.formats.kitti import read_raw_labels, read_voxel_bits, write_raw_labels
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.sscnet import (
    NYU_CAMERAS,
    SSCNET_AXES,
    read_nyu_depth,
    read_sscnet_bin,
    write_sscnet_bin,
)
from mmssc.geometry import depth_to_voxels
from mmssc.inspection import check_driving_tree
from mmssc.preparation import SSCBenchKITTI360Layout
from mmssc.preparation.rgbd.tasks import LOW_IDS
from mmssc.preparation.rgbd.volume_checks import check_volume_axes
from mmssc.structures import VoxelGrid

LABEL = 'dataset/sequences/08/voxels/000002.label'
TRAINING_LABEL = 'dataset/labels/08/000002_1_1.npy'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return raw_tree(tmp_path / 'kitti')


def to_train_ids(root: Path) -> None:
    raw = read_raw_labels(root / LABEL, GRID)
    labels = SemanticKITTIDataset.train_labels(raw, raw < 0)
    write_raw_labels(root / LABEL, labels)


def to_bytes(root: Path) -> None:
    raw = read_raw_labels(root / LABEL, GRID)
    (root / LABEL).write_bytes(raw.astype(np.uint8).tobytes())


def to_big_endian(root: Path) -> None:
    raw = read_raw_labels(root / LABEL, GRID)
    (root / LABEL).write_bytes(raw.astype('>u2').tobytes())


def to_another_grid(root: Path) -> None:
    (root / LABEL).write_bytes(bytes(64))


@pytest.mark.parametrize(
    ('spoil', 'text'),
    [
        (to_train_ids, '% of the occupied voxels: '),
        (to_train_ids, 'These look like train ids: store them as uint8 .npy'),
        (to_bytes, 'One byte per voxel: are these train ids?'),
        (to_big_endian, 'expected little-endian uint16, found big-endian (swapped bytes). Write'),
        (to_another_grid, 'found 64 bytes. Does --grid-shape fit the files?'),
    ],
)
def test_raw_labels_of_another_kind_are_refused(tree: Path, spoil, text: str, capsys) -> None:
    spoil(tree)
    assert run_here(tree, '--steps', 'labels') == 1
    errors = capsys.readouterr().err
    assert errors.count(f'{LABEL}: ') == 1 and text in errors
    # The other samples are converted.
    assert len(list(tree.glob('dataset/labels/*/*_1_1.npy'))) == 4


def test_train_ids_of_kitti360_are_refused(tmp_path: Path, capsys) -> None:
    root = kitti360_tree(tmp_path)
    for path in root.rglob('*.label'):
        write_raw_labels(path, np.full(GRID, 7, np.uint16))
    assert run_here(root, '--steps', 'labels', layout=SSCBenchKITTI360Layout) == 1
    assert 'in 100.0% of the occupied voxels: 7 (512 voxels). These look' in capsys.readouterr().err


def test_odd_labels_are_counted_in_the_summary(tree: Path, capsys) -> None:
    raw = read_raw_labels(tree / LABEL, GRID)
    raw[raw > 0] = 40
    raw[tuple(np.argwhere(raw)[0])] = 7
    write_raw_labels(tree / LABEL, raw)
    hidden = tree / 'dataset/sequences/00/voxels/000000.invalid'
    hidden.write_bytes(b'\xff' * 64)
    assert run_here(tree, '--steps', 'labels') == 0
    out = capsys.readouterr().out
    text = 'raw id 7 is not in the learning map: ignored (1 voxel in 1 frame)'
    assert f'labels: {text}' in out
    assert 'labels: every voxel is 255 (ignored) (512 voxels in 1 frame)' in out


def test_raw_ids_where_train_ids_belong_are_refused(tree: Path, capsys) -> None:
    path = tree / TRAINING_LABEL
    path.parent.mkdir(parents=True)
    np.save(path, np.full(GRID, 40, np.uint8))
    assert run_here(tree, '--steps', 'labels') == 1
    text = 'train ids: expected 0..19 or 255 (20 classes), found 40 (512 voxels). Are these raw ids'
    assert f'{path}: {text}' in capsys.readouterr().err


def swap_axes(root: Path) -> Path:
    """Labels that fit the scan only if x and y are swapped."""
    path = root / LABEL
    scan = read_voxel_bits(path.with_suffix('.bin'), GRID)
    scan[8:, :8] = False
    path.with_suffix('.bin').write_bytes(np.packbits(scan.reshape(-1)).tobytes())
    write_raw_labels(path, np.ascontiguousarray(scan.transpose(1, 0, 2)) * np.uint16(40))
    return path


def move_labels(root: Path) -> Path:
    """Labels of the whole scan, three voxels too far along y."""
    path = root / LABEL
    scan = np.zeros(GRID, bool)
    scan[2:14:3, [2, 3, 7], 1] = True
    path.with_suffix('.bin').write_bytes(np.packbits(scan.reshape(-1)).tobytes())
    write_raw_labels(path, np.roll(scan, 3, 1) * np.uint16(40))
    return path


def test_the_converter_compares_the_place(tree: Path, capsys) -> None:
    path = move_labels(tree)
    assert run_here(tree, '--steps', 'labels') == 1
    error = capsys.readouterr().err
    assert f'{path}: place: expected occupied voxels where the scan' in error
    assert 'moved by -3 voxels along y 100%' in error


def test_the_converter_compares_the_axes(tree: Path, capsys) -> None:
    path = swap_axes(tree)
    assert run_here(tree, '--steps', 'labels') == 1
    assert f'{path}: axes: expected occupied voxels where the scan' in capsys.readouterr().err
    # Without the scan, nothing shows the order.
    path.with_suffix('.bin').write_bytes(b'damaged')
    assert run_here(tree, '--steps', 'labels') == 0


def empty_labels(root: Path) -> Path:
    write_raw_labels(root / LABEL, np.zeros(GRID, np.uint16))
    return root / LABEL


def train_ids(root: Path) -> Path:
    to_train_ids(root)
    return root / LABEL


def big_endian(root: Path) -> Path:
    to_big_endian(root)
    return root / LABEL


def raw_training_labels(root: Path) -> Path:
    np.save(root / TRAINING_LABEL, np.full(GRID, 40, np.uint8))
    return root / TRAINING_LABEL


def ignored_training_labels(root: Path) -> Path:
    np.save(root / TRAINING_LABEL, np.full(GRID, 255, np.uint8))
    return root / TRAINING_LABEL


def transposed_training_labels(root: Path) -> Path:
    np.save(root / TRAINING_LABEL, np.ones((2, 16, 16), np.uint8))
    return root / TRAINING_LABEL


@pytest.mark.parametrize(
    ('spoil', 'text'),
    [
        (train_ids, 'These look like train ids'),
        (big_endian, 'ids: expected little-endian uint16, found big-endian (swapped bytes)'),
        (swap_axes, 'with x and y swapped 100%. Are the axes in another order?'),
        (move_labels, 'moved by -3 voxels along y 100%. Is the volume cropped'),
        (empty_labels, 'labels: expected a voxel with a class, found every voxel is empty'),
        (raw_training_labels, 'train ids: expected 0..19 or 255 (20 classes), found 40'),
        (ignored_training_labels, 'expected a voxel with a class, found every voxel is 255'),
        (transposed_training_labels, 'The axes are in another order: transpose the array'),
    ],
)
def test_the_dataset_check_reads_labels(tree: Path, spoil, text: str) -> None:
    assert run_here(tree, '--steps', 'labels', 'infos') == 0
    path = spoil(tree)
    printed = run_tool_in(tree.parent, 'misc/check_dataset.py', tree, status=1).stdout
    (line,) = (line for line in printed.splitlines() if str(path) in line)
    assert line.startswith('damaged') and text in line


def test_real_labels_are_right(real_frames: Path, tmp_path: Path) -> None:
    shutil.copytree(real_frames / 'dataset', tmp_path / 'dataset')
    source = real_frames / 'derived_target'
    for packed in source.rglob('*.gz'):
        path = tmp_path / 'dataset' / packed.relative_to(source).with_suffix('')
        path.unlink(missing_ok=True)
        path.write_bytes(gzip.decompress(packed.read_bytes()))
    problems = check_driving_tree(tmp_path, thorough=True).problems
    assert not [problem for problem in problems if 'label' in problem.path]


def spoil_volumes(root: Path, change, count: int) -> list[Path]:
    paths = sorted(root.rglob('*.bin'))[:count]
    for path in paths:
        volume = read_sscnet_bin(path, FINE)
        write_sscnet_bin(path, replace(volume, raw_ids=change(volume.raw_ids)))
    return paths


def nyu_train_ids(raw_ids: np.ndarray) -> np.ndarray:
    return np.where(raw_ids == 36, 11, raw_ids).astype(np.uint8)


def test_train_ids_in_the_volumes_of_nyu_are_refused(tmp_path: Path, capsys) -> None:
    root = nyu_tree(tmp_path / 'nyu', ('NYU',))
    spoil_volumes(root, nyu_train_ids, 3)
    assert convert(root) == 2
    error = capsys.readouterr().err
    assert 'ids in .bin: expected raw ids 0..36, some of them above 11, found none above' in error
    assert 'in 3 volumes: ' in error and 'These look like train ids' in error
    assert not (root / 'prepared').exists()


def test_train_ids_of_few_rooms_of_nyu_are_remarked(tmp_path: Path, capsys) -> None:
    root = nyu_tree(tmp_path / 'nyu', ('NYU',))
    spoil_volumes(root, nyu_train_ids, 1)
    # A single room without furniture is no reason for doubt.
    assert convert(root) == 0
    assert LOW_IDS not in capsys.readouterr().out
    for path in sorted(root.rglob('*.bin'))[1:]:
        path.unlink()
    assert convert(root, '--overwrite') == 0
    assert LOW_IDS in capsys.readouterr().out


def test_another_order_of_axes_in_a_volume_of_nyu_is_refused(tmp_path: Path, capsys) -> None:
    root = nyu_tree(tmp_path / 'nyu', ('NYU',))
    (path,) = spoil_volumes(root, lambda ids: 0 * ids, 1)
    frame_id = path.stem[3:7]
    volume = read_sscnet_bin(path, FINE)
    depth = read_nyu_depth(path.with_suffix('.png'))
    grid = VoxelGrid((0, 0, 0), 0.1, FINE, SSCNET_AXES, 'world').placed_at(volume.origin)
    surface = depth_to_voxels(*map(torch.from_numpy, (
        depth, camera_matrix(CAMERA), volume.cam2world)), grid)  # fmt: skip
    ids = np.zeros(grid.num_voxels, np.uint8)
    ids[surface[surface >= 0].numpy()] = 36
    right = ids.reshape(FINE)
    for ids, status in ((right, 0), (right.transpose(2, 1, 0), 1), (right[:, ::-1], 1)):
        write_sscnet_bin(path, replace(volume, raw_ids=np.ascontiguousarray(ids)))
        assert convert(root, '--overwrite') == status
        error = capsys.readouterr().err
        assert status == 0 or f'NYU{frame_id}_0000.bin: axes: expected occupied voxels' in error
    assert 'with z reversed 100%' in error


def test_the_real_volume_of_nyu_is_right(raw_nyu: Path) -> None:
    path = raw_nyu / 'NYU/testset/depth/NYU0001_0000.bin'
    volume, depth = read_sscnet_bin(path), read_nyu_depth(path.with_suffix('.png'))
    check_volume_axes(path, volume, depth, NYU_CAMERAS['nyu'], volume.grid)
    swapped = replace(volume, raw_ids=np.ascontiguousarray(volume.raw_ids.transpose(2, 1, 0)))
    with pytest.raises(DataError, match='axes stored as y, z, x'):
        check_volume_axes(path, swapped, depth, NYU_CAMERAS['nyu'], volume.grid)
