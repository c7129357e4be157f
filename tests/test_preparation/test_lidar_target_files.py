"""Files of the command ``lidar_targets.py``: scans of all formats, coarse labels of LMSCNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from labelled_drive import (
    CAR,
    MOVING_CAR,
    SEQUENCES,
    SHAPE,
    WALL,
    read,
    run,
    scan_of,
)
from scan_files import write_las, write_pcd, write_ply

from mmssc.formats.kitti import read_raw_labels, read_voxel_bits, write_velodyne
from mmssc.formats.point_labels import write_point_labels
from mmssc.geometry import pool_labels


def rays_of_no_return(path: Path, rows: np.ndarray) -> None:
    rows[1::4, :3] = np.nan
    rows[2::4, :3] = 0
    np.save(path, rows)


@pytest.mark.parametrize(
    ('suffix', 'write'),
    [
        ('.npy', np.save), ('.pcd', lambda path, rows: write_pcd(path, rows=rows)),
        ('.ply', lambda path, rows: write_ply(path, 'binary_big_endian', rows)),
        ('.las', write_las),
    ],
)  # fmt: skip
def test_scans_of_other_formats_give_the_same_targets(tree: Path, suffix: str, write) -> None:
    out = [tree.parent / name for name in ('bin', 'other')]
    assert run(tree, '--out', out[0]) == 0
    for path in (tree / SEQUENCES / '00/velodyne').iterdir():
        rows = np.fromfile(path, '<f4').reshape(-1, 4)
        path.unlink()
        write(path.with_suffix(suffix), rows)
    assert run(tree, '--out', out[1]) == 0
    for frame in ('000000', '000001', '000002'):
        for name, volume in read(out[0], frame).items():
            assert (read(out[1], frame)[name] == volume).all()


def test_labels_of_rays_without_return_are_left_out_with_them(tree: Path) -> None:
    points, labels = scan_of(0)
    rows = np.c_[points, np.zeros(len(points))].repeat(4, axis=0).astype(np.float32)
    wrong = labels.repeat(4)
    wrong[1::4], wrong[2::4] = 99, 80
    folder = tree / SEQUENCES / '00'
    (folder / 'velodyne/000000.bin').unlink()
    rays_of_no_return(folder / 'velodyne/000000.npy', rows)
    write_point_labels(folder / 'labels/000000.label', wrong)
    assert run(tree, '--future', 0) == 0
    found = read(tree)['label']
    assert set(np.unique(found)) == {0, CAR, WALL, MOVING_CAR} and (found == WALL).sum() == 12


def test_two_files_of_one_frame_are_refused(tree: Path, capsys: pytest.CaptureFixture) -> None:
    np.save(tree / SEQUENCES / '00/velodyne/000001.npy', scan_of(1)[0])
    assert run(tree) == 2
    assert 'one file for a frame, found 000001.bin and 000001.npy' in capsys.readouterr().err


def numpy_target(points: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """The target of one scan, point by point and block by block."""
    votes: dict[tuple[int, ...], list[int]] = {}
    for point, label in zip(points.astype(np.float64), labels.tolist()):
        place = np.floor(point - (0, -8, -2)).astype(int)
        if label > 1 and (place >= 0).all() and (place < SHAPE).all():
            votes.setdefault(tuple(place), []).append(label)
    found = np.zeros(SHAPE, int)
    for place, members in votes.items():
        found[place] = min(set(members), key=lambda label: (-members.count(label), label))
    return dict(label=found, bin=found > 0)


def numpy_pooling(train: np.ndarray, k: int) -> np.ndarray:
    """The rule of LMSCNet, block by block."""
    pooled = np.zeros([side // k for side in train.shape], int)
    for x, y, z in np.ndindex(pooled.shape):
        block = (
            train[x * k : (x + 1) * k, y * k : (y + 1) * k, z * k : (z + 1) * k].ravel().tolist()
        )
        classes = [label for label in block if label not in (0, 255)]
        if classes:
            pooled[x, y, z] = min(set(classes), key=lambda one: (-classes.count(one), one))
        else:
            pooled[x, y, z] = 0 if 0 in block else 255
    return pooled


def test_one_scan_gives_the_target_of_a_plain_rewrite(tree: Path) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform((-2, -9, -3), (18, 9, 3), (400, 3)).astype(np.float32)
    points[:100] = np.round(points[:100])  # on the faces of voxels
    labels = rng.choice([0, 1, 10, 40, 50, 70, 252], len(points))
    folder = tree / SEQUENCES / '00'
    write_velodyne(folder / 'velodyne/000000.bin', points)
    write_point_labels(folder / 'labels/000000.label', labels)
    assert run(tree, '--future', 0, '--coarse-labels', 2, 4) == 0
    found = read(tree)
    for name, volume in numpy_target(points, labels).items():
        assert (found[name] == volume).all()
    # 10 and 252 are cars (1), 40 road (9), 50 building (13), 70 vegetation (15).
    names = np.zeros(256, int)
    names[[10, 252, 40, 50, 70]] = 1, 1, 9, 13, 15
    train = np.where(found['invalid'], 255, names[found['label']])
    path = f'{tree}/{SEQUENCES}/00/voxels/000000'
    for factor in (2, 4):
        shape, expected = tuple(side // factor for side in SHAPE), numpy_pooling(train, factor)
        assert (read_raw_labels(f'{path}.label_1_{factor}', shape) == expected).all()
        assert (read_voxel_bits(f'{path}.invalid_1_{factor}', shape) == (expected == 255)).all()
    # The files of the other methods have another rule and another name.
    other = pool_labels(torch.from_numpy(train), 2, 20)
    assert (other.numpy() != numpy_pooling(train, 2)).any()


def test_coarse_labels_are_made_again_and_need_a_fitting_grid(
    tree: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(tree, '--coarse-labels', 2) == 0
    path = tree / SEQUENCES / '00/voxels/000001.invalid_1_2'
    before = path.read_bytes()
    path.unlink()
    assert run(tree, '--coarse-labels', 2) == 0 and path.read_bytes() == before
    assert run(tree) == 2
    assert '--coarse-labels 2' in capsys.readouterr().err
    assert run(tree, '--overwrite') == 0 and not path.exists()
    assert run(tree, '--coarse-labels', 8, '--overwrite') == 2
    error = capsys.readouterr().err
    assert '--grid-shape: expected sides that are multiples of 8' in error
