"""Synthetic drives: their files, and that everything in them is one and the same scene."""

import dataclasses
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmssc.datasets.semantic_kitti import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.formats.kitti import (
    read_calib,
    read_depth,
    read_poses,
    read_raw_labels,
    read_velodyne,
    read_voxel_bits,
)
from mmssc.geometry import depth_to_points, quantize_points
from mmssc.structures import VoxelGrid
from mmssc.synthetic.streets.drive import DriveSettings, SyntheticDrive, write_synthetic_drive
from mmssc.synthetic.streets.objects import RAW_IDS

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))
import make_synthetic

SETTINGS = DriveSettings(
    frames=4, frame_step=2.0, label_step=2, image_size=(48, 160), lidar_size=(32, 180)
)
SMALL = dataclasses.replace(
    SETTINGS, frames=2, label_step=1, image_size=(24, 80), lidar_size=(16, 60),
    grid=VoxelGrid((0.0, -25.6, -2.0), (1.6,) * 3, (32, 32, 4)),
)  # fmt: skip


TINY = ['--image-size', '24', '80', '--lidar-size', '16', '60', '--grid-shape', '32', '32', '4']


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """A written drive: its root, its sequence folder and the drive itself."""
    out = tmp_path_factory.mktemp('tree')
    drive = write_synthetic_drive(out, '03', SETTINGS)
    return out, out / 'dataset/sequences/03', drive


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*')) if path.is_file()
    }  # fmt: skip


def recall_by_colour(pixels, names):
    """Recall of each class, of test pixels that get the class with the nearest mean colour."""
    means = np.stack([pixels['train', name].mean(0) for name in names])
    recall = []
    for number, name in enumerate(names):
        distance = np.linalg.norm(pixels['test', name][:, None] - means, axis=-1)
        recall.append((distance.argmin(1) == number).mean())
    return recall


def read_voxels(folder, frame, shape):
    path = folder / 'voxels' / f'{frame:06d}'
    bits = {
        name: read_voxel_bits(path.with_suffix(f'.{name}'), shape)
        for name in ('bin', 'invalid', 'occluded')
    }
    return read_raw_labels(path.with_suffix('.label'), shape), bits


def lifted_points(out, frame):
    """Depth of a frame as lidar points (M, 3), from the files alone, and its pixels."""
    calib = read_calib(out / 'dataset/sequences/03/calib.txt')
    depth = read_depth(out / f'dataset/depth/03/{frame:06d}.npy')
    cam2lidar = np.linalg.inv(np.vstack((calib['Tr'], (0, 0, 0, 1))))
    points = depth_to_points(
        torch.from_numpy(depth),
        torch.from_numpy(calib['P2']),
        torch.from_numpy(cam2lidar),
        -1e9,
        1e9,
    )
    return points.numpy(), depth > 0


def test_tree_has_every_file_of_the_raw_layout(tree):
    out, folder, _ = tree
    frames, labelled = [f'{n:06d}' for n in range(4)], ['000000', '000002']
    expected = {'calib.txt', 'poses.txt', 'times.txt'}
    expected |= {f'image_{side}/{f}.png' for side in (2, 3) for f in frames}
    expected |= {f'velodyne/{f}.bin' for f in frames}
    kinds = ('bin', 'label', 'invalid', 'occluded')
    expected |= {f'voxels/{f}.{kind}' for f in labelled for kind in kinds}
    assert set(digests(folder)) == expected
    assert set(digests(out / 'dataset/depth/03')) == {f'{f}.npy' for f in frames}


def test_files_pass_the_strict_readers(tree):
    out, folder, drive = tree
    calib = read_calib(folder / 'calib.txt', ('P0', 'P1', 'P2', 'P3', 'Tr'))
    assert -(calib['P3'] - calib['P2'])[0, 3] / calib['P2'][0, 0] == pytest.approx(0.54)
    poses = read_poses(folder / 'poses.txt')
    np.testing.assert_allclose(poses[0], np.eye(4), atol=1e-12)
    np.testing.assert_array_equal(poses, drive.poses)
    assert np.linalg.norm(poses[1, :3, 3]) == pytest.approx(2.0, rel=0.05)
    assert len((folder / 'times.txt').read_text().splitlines()) == 4
    for side in (2, 3):
        with Image.open(folder / f'image_{side}/000003.png') as image:
            assert (image.size, image.mode) == ((160, 48), 'RGB')
    scan = read_velodyne(folder / 'velodyne/000001.bin')
    assert len(scan) > 1000 and scan[:, 3].min() >= 0 and scan[:, 3].max() < 1
    assert np.linalg.norm(scan[:, :3], axis=1).max() < 80
    # The ground is 1.73 m under the lidar, give or take its nodding.
    near = np.linalg.norm(scan[:, :2], axis=1) < 10
    assert np.percentile(scan[near, 2], 1) == pytest.approx(-1.73, abs=0.08)


def test_depth_falls_on_occupied_voxels_of_the_rendered_class(tree):
    out, folder, drive = tree
    grid = SETTINGS.grid
    for frame in (0, 2):
        labels, _ = read_voxels(folder, frame, grid.shape)
        points, has_depth = lifted_points(out, frame)
        index, inside = quantize_points(torch.from_numpy(points).float(), grid)
        index, inside = index.numpy(), inside.numpy()
        assert inside.sum() > 2000
        found = labels[tuple(index.T)]
        assert (found > 0).mean() > 0.98
        padded = np.pad(labels > 0, 1)
        close = np.zeros(len(index), bool)
        for shift in np.ndindex(3, 3, 3):
            close |= padded[tuple((index + shift).T)]
        assert close.mean() > 0.995
        rendered = drive.render(frame).labels[has_depth][inside]
        hit = found > 0
        assert (rendered[hit] == found[hit]).mean() > 0.9


def test_scan_points_fall_on_occupied_voxels(tree):
    _, folder, _ = tree
    labels, bits = read_voxels(folder, 2, SETTINGS.grid.shape)
    scan = torch.from_numpy(read_velodyne(folder / 'velodyne/000002.bin')[:, :3])
    index, _ = quantize_points(scan, SETTINGS.grid)
    hit = np.zeros(SETTINGS.grid.shape, bool)
    hit[tuple(index.numpy().T)] = True
    # Points on a voxel face may fall to either side: files hold float32.
    assert (hit != bits['bin']).sum() <= 0.01 * hit.sum()
    assert (labels[bits['bin']] > 0).all()


def test_occluded_and_invalid_mean_what_they_mean_in_the_real_set(tree):
    _, folder, _ = tree
    for frame in (0, 2):
        labels, bits = read_voxels(folder, frame, SETTINGS.grid.shape)
        occupied = labels > 0
        assert not (bits['bin'] & ~occupied).any()
        assert not (occupied & bits['invalid']).any()
        assert not ((occupied | bits['invalid']) & ~bits['occluded']).any()
        assert 0.05 < bits['invalid'].mean() < 0.5
        assert bits['invalid'].mean() < bits['occluded'].mean() < 0.8
        assert 0.1 < occupied.mean() < 0.25


def test_more_positions_see_more():
    settings = dataclasses.replace(SETTINGS, frames=3, frame_step=8.0)
    drive = SyntheticDrive('00', settings)
    everything = drive.annotate(0)
    alone = SyntheticDrive('00', dataclasses.replace(settings, frames=1))
    # One frame of a shorter drive is another street: keep the street, take away the positions.
    alone.street, alone.lidar2world = drive.street, drive.lidar2world[:1]
    first = alone.annotate(0)
    assert not (everything.invalid & ~first.invalid).any()
    assert everything.invalid.sum() < 0.9 * first.invalid.sum()
    np.testing.assert_array_equal(first.scan, everything.scan)
    # What the first position sees as free stays free; the voxels it does not see through differ.
    assert (first.occluded != everything.occluded).mean() < 0.01


def test_a_wall_hides_what_is_behind_it():
    drive = SyntheticDrive('00', dataclasses.replace(SETTINGS, frames=1))
    solids = drive.street.solids.take(np.array([0]))
    pose = drive.lidar2world[0]
    wall = dataclasses.replace(
        solids, kind=np.zeros(1, np.uint8), center=(pose @ (20.0, 0, 0, 1))[None, :3],
        half_size=np.array([(0.2, 4.0, 6.0)]), yaw=np.array([np.arctan2(pose[1, 0], pose[0, 0])]),
        label=np.array([RAW_IDS['building']], np.uint16),
    )  # fmt: skip
    drive.street = dataclasses.replace(drive.street, solids=wall)
    made = drive.annotate(0)
    x, y = 20.0 / 0.8, 32
    assert (made.labels[int(x) - 1 : int(x) + 2, y, 2:] == RAW_IDS['building']).any(0).all()
    assert made.invalid[40, y, 2:].all() and made.occluded[40, y, 2:].all()
    assert not made.invalid[10, y, 2:].any() and not made.occluded[10, y, 2:].any()
    assert (made.labels[10, y, 2:] == 0).all()
    assert not made.invalid[40, 2, 2:].any(), 'beside the wall the view is open'


def test_right_image_is_the_left_one_shifted_by_the_disparity(tree):
    _, folder, drive = tree
    left, right = drive.render(1, 2), drive.render(1, 3)
    focal = drive.calib['P2'][0, 0]
    rows, columns = np.nonzero(left.depth)
    depth = left.depth[rows, columns]
    shifted = np.round(columns - 0.54 * focal / depth).astype(int)
    inside = shifted >= 0
    rows, columns, shifted, depth = (part[inside] for part in (rows, columns, shifted, depth))
    same = np.abs(right.depth[rows, shifted] - depth) < 0.05 * depth
    assert same.mean() > 0.9
    images = [np.array(Image.open(folder / f'image_{n}/000001.png'), np.float64) for n in (2, 3)]
    error = np.abs(images[0][rows, columns] - images[1][rows, shifted])[same].mean()
    unshifted = np.abs(images[0][rows, columns] - images[1][rows, columns])[same].mean()
    assert error < 10 and error < 0.6 * unshifted


def test_poses_agree_with_the_depth_of_other_frames(tree):
    out, folder, _ = tree
    calib, poses = read_calib(folder / 'calib.txt'), read_poses(folder / 'poses.txt')
    tr = np.vstack((calib['Tr'], (0, 0, 0, 1)))
    points, _ = lifted_points(out, 0)
    lidar_poses = np.linalg.inv(tr) @ poses @ tr
    to_third = tr @ np.linalg.inv(lidar_poses[2]) @ lidar_poses[0]
    camera = np.column_stack((points, np.ones(len(points)))) @ to_third.T
    image = camera @ calib['P2'].T
    depth = read_depth(out / 'dataset/depth/03/000002.npy')
    front = image[:, 2] > 1
    u, v = np.round(image[front, :2] / image[front, 2:]).astype(int).T
    inside = (u >= 0) & (u < 160) & (v >= 0) & (v < 48)
    expected, found = camera[front][inside, 2], depth[v[inside], u[inside]]
    assert inside.sum() > 2000
    assert (np.abs(found - expected) < 0.08 * expected).mean() > 0.85
    # The drive went 4 m in between: without the motion the depths do not agree.
    unmoved = np.abs(found - expected - 4.0) < 0.08 * expected
    assert unmoved.mean() < 0.5


@pytest.mark.parametrize('workers', [0, 2])
def test_the_same_seed_gives_the_same_bytes(workers, tmp_path):
    arguments = ['--sequences', '01', '08', '--frames', '2', '--label-step', '1', '--seed', '5']
    arguments += [
        '--grid-shape',
        '32',
        '32',
        '4',
        '--voxel-size',
        '1.6',
        '--image-size',
        '24',
        '80',
    ]
    arguments += ['--lidar-size', '16', '60', '--workers', str(workers)]
    make_synthetic.main(['--out', str(tmp_path / 'cli'), *arguments])
    settings = dataclasses.replace(SMALL, seed=5, frame_step=1.0)
    for sequence in ('01', '08'):
        write_synthetic_drive(tmp_path / 'python', sequence, settings)
    found = digests(tmp_path / 'cli/dataset')
    assert len(found) == 2 * (3 + 2 * (2 + 1 + 1 + 4))
    assert found == digests(tmp_path / 'python/dataset')


def test_seeds_and_sequences_differ():
    images = [
        SyntheticDrive(sequence, dataclasses.replace(SMALL, seed=seed)).render(0).image
        for sequence, seed in (('00', 0), ('00', 1), ('01', 0))
    ]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_a_second_run_does_nothing_and_other_settings_are_refused(tmp_path, capsys):
    arguments = ['--out', str(tmp_path), '--sequences', '00', '--frames', '1', *TINY]
    make_synthetic.main(arguments)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}
    make_synthetic.main(arguments)
    assert 'complete already: 00' in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}
    assert make_synthetic.main([*arguments, '--seed', '3']) == 2
    assert 'seed' in capsys.readouterr().err
    make_synthetic.main([*arguments, '--overwrite'])
    assert before != {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}


def test_a_shorter_drive_replaces_a_longer_one_whole(tmp_path, capsys):
    arguments = ['--out', str(tmp_path), '--sequences', '00', *TINY]
    make_synthetic.main([*arguments, '--frames', '3', '--label-step', '1'])
    (tmp_path / 'dataset/labels/00').mkdir(parents=True)
    capsys.readouterr()
    make_synthetic.main([*arguments, '--frames', '2', '--label-step', '2', '--overwrite'])
    assert 'make them again' in capsys.readouterr().out
    make_synthetic.main(['--out', str(tmp_path / 'new'), '--sequences', '00', *TINY,
                         '--frames', '2', '--label-step', '2'])  # fmt: skip
    assert digests(tmp_path / 'dataset') == digests(tmp_path / 'new/dataset')


@pytest.mark.parametrize(
    ('options', 'folder'),
    [
        (['--sequences', '00', '--frames', '1'], 'dataset/sequences/00'),
        (['--layout', 'nyu', '--frames', '1', '0'], 'NYUtrain'),
    ],
)
def test_real_data_are_not_overwritten(options, folder, tmp_path, capsys):
    (tmp_path / folder).mkdir(parents=True)
    for more in ([], ['--overwrite']):
        assert make_synthetic.main(['--out', str(tmp_path), *options, *more]) == 2
        assert 'did not make' in capsys.readouterr().err
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


@pytest.mark.parametrize(
    ('shape', 'size', 'origin'),
    [
        ((32, 32, 4), 1.6, (0.0, -25.6, -2.0)),
        ((48, 30, 12), 0.4, (2.0, -6.0, -2.4)),
        ((20, 20, 10), 0.2, (4.0, -2.0, -2.0)),
    ],
)
def test_other_grids_hold_the_scene(shape, size, origin):
    settings = dataclasses.replace(SETTINGS, frames=2, grid=VoxelGrid(origin, (size,) * 3, shape))
    drive = SyntheticDrive('02', settings)
    made, view = drive.annotate(1), drive.render(1)
    assert made.labels.shape == shape and made.labels.any()
    cam2lidar = np.linalg.inv(drive.lidar2cam)
    points = depth_to_points(
        *(torch.from_numpy(a) for a in (view.depth, drive.calib['P2'], cam2lidar))
    )
    index, inside = quantize_points(points, settings.grid)
    assert inside.sum() > 100
    assert (made.labels[tuple(index.numpy().T)] > 0).mean() > 0.95


def test_streets_hold_the_classes_of_the_real_set_in_like_shares():
    settings = dataclasses.replace(SETTINGS, frames=3, frame_step=30.0)
    total = np.zeros(256, np.int64)
    for sequence in ('00', '01', '02', '03'):
        drive = SyntheticDrive(sequence, settings)
        total += np.bincount(drive.annotate(1).labels.reshape(-1), minlength=256)
    learning_map = SemanticKITTIDataset.METAINFO['learning_map']
    assert set(np.flatnonzero(total)) <= {0, *RAW_IDS.values()} <= set(learning_map)
    share = {name: total[raw] / total[1:].sum() for name, raw in RAW_IDS.items()}
    for name in ('road', 'sidewalk', 'building', 'terrain', 'vegetation'):
        assert 0.04 < share[name] < 0.5, name
    for name in ('car', 'fence', 'trunk', 'pole', 'person', 'traffic-sign'):
        assert 0 < share[name] < 0.06, name
    assert len(np.flatnonzero(total)) > 14


def test_colours_tell_classes_apart():
    names = ('road', 'sidewalk', 'terrain', 'building', 'vegetation')
    settings = dataclasses.replace(SMALL, frames=4, frame_step=25.0)
    pixels = {}
    for split, sequences in (('train', ('00', '01')), ('test', ('05', '06'))):
        drives = [SyntheticDrive(sequence, settings) for sequence in sequences]
        views = [drive.render(frame) for drive in drives for frame in range(4)]
        for name in names:
            found = [view.image[view.labels == RAW_IDS[name]] for view in views]
            pixels[split, name] = np.concatenate(found).astype(np.float64)
    recall = recall_by_colour(pixels, names)
    # The colour of a single pixel: chance is 20 %. Shape and place do the rest.
    assert np.mean(recall) > 0.5, dict(zip(names, recall))


def test_bad_settings_name_the_field(capsys):
    with pytest.raises(DataError, match='frames'):
        DriveSettings(frames=0)
    with pytest.raises(DataError, match='image_size'):
        DriveSettings(image_size=(0, 320))
    with pytest.raises(DataError, match='grid axes'):
        DriveSettings(grid=VoxelGrid((0, 0, 0), (1, 1, 1), (4, 4, 4), ('x', 'z', 'y')))
    with pytest.raises(DataError, match='sequence'):
        SyntheticDrive('first', SMALL)
    assert make_synthetic.main(['--out', 'unused', '--sequences', '00', '00']) == 2
    assert '--sequences' in capsys.readouterr().err
