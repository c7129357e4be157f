"""The real NYU: the authors' files of all frames, and frame 0001 rebuilt from its raw files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.datasets import NYUDataset
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.evaluation import SSCMetric
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.sscnet import NYU_CAMERAS, read_plain_depth_mm
from mmssc.geometry import (
    find_floor,
    label_weight,
    measured_reach,
    project_voxels,
    turn_camera,
)
from mmssc.preparation.rgbd.cache import place_camera
from mmssc.preparation.rgbd.nyu import prepare_nyu
from mmssc.preparation.rgbd.own_camera import prepare_own
from mmssc.preparation.rgbd.published_figures import frame_figures
from mmssc.structures import SSCDataSample, VoxelGrid

FIGURES = Path(__file__).parents[1] / 'data' / 'parity' / 'sketch' / 'nyu_frames.csv'
KEYS = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'eval_masks')
# Ground truth inside the SSC mask, voxels of the masks, whole volume empty and ignored.
TRAIN = (7049946, 80205, 1072333, 907680, 116952, 180994, 436852, 282264, 255113, 28247, 1806927,
         852366)  # fmt: skip
TEST = (5271085, 59482, 861419, 765935, 105774, 124349, 325654, 320764, 224459, 19979, 1311487,
        647293)  # fmt: skip
SUMS = dict(
    train=(TRAIN, 13069879, 11716415, 44616281, 52395786),
    test=(TEST, 10037680, 8988710, 35321839, 44669966),
)


def expected_figures() -> dict[str, dict[str, float]]:
    with FIGURES.open() as file:
        return {row['frame']: row for row in csv.DictReader(file)}


def frames_of(root: Path, split: str, keys=KEYS, **options) -> NYUDataset:
    return NYUDataset(
        ann_file=f'nyu_infos_{split}.json', data_root=str(root),
        pipeline=[LoadRGBDFrame(keys)], test_mode=True, **options,
    )  # fmt: skip


@pytest.fixture(scope='module')
def lists(real_nyu, tmp_path_factory) -> Path:
    """Info lists of the authors' files, which stay where they are."""
    out = tmp_path_factory.mktemp('lists')
    assert prepare_nyu('test', [str(real_nyu), '--list-only', '--out', str(out)]) == 0
    return out


def test_the_figures_of_a_row_are_those_of_the_mask_sums():
    rows = expected_figures()
    assert len(rows) == 1449
    for split, (classes, ssc, sc, empty, ignored) in SUMS.items():
        chosen = [row for row in rows.values() if row['split'] == split]
        total = {key: sum(int(row[key]) for row in chosen) for key in ('ssc_voxels', 'sc_voxels')}
        assert total == dict(ssc_voxels=ssc, sc_voxels=sc)
        for number in range(1, 12):
            assert sum(int(row[f'class_{number}']) for row in chosen) == classes[number]
        assert sum(int(row['class_0']) for row in chosen) == empty
        assert sum(int(row['class_255']) for row in chosen) == ignored
    assert NYUDataset.METAINFO['class_counts'] == TRAIN


def test_a_frame_without_an_image_says_so(lists):
    with_images = frames_of(lists, 'train', ['img'], require=['img'])
    assert len(frames_of(lists, 'train')) == 795 and len(with_images) == 10
    assert len(frames_of(lists, 'test', ['img'], require=['img'])) == 8
    assert with_images[0]['img'][0].shape == (480, 640, 3)


@pytest.mark.slow
@pytest.mark.parametrize('split', ['train', 'test'])
def test_every_frame_of_the_authors(lists, split):
    """Weights follow their rule, and masks and checksums are the published ones, on all frames."""
    rows, classes = expected_figures(), NYUDataset.METAINFO['classes']
    metric = SSCMetric(protocols=('nyu', 'nyu_sc', 'full'))
    metric.dataset_meta = NYUDataset.METAINFO
    expected, ssc, sc, empty, ignored = SUMS[split]
    for frame in frames_of(lists, split):
        labels = torch.from_numpy(frame['gt_voxels'])
        weight = label_weight(labels, torch.from_numpy(frame['tsdf']))
        assert np.array_equal(weight, frame['label_weight']), frame['frame_id']
        for key, value in frame_figures(frame, (480, 640)).items():
            tolerance = 1e-6 if key == 'tsdf_mean' else 0
            assert abs(value - float(rows[frame['frame_id']][key])) <= tolerance, key
        sample = SSCDataSample(metainfo=dict(sequence=split, frame_id=frame['frame_id']))
        sample.gt_voxels = labels
        sample.pred_voxels = torch.where(labels == 255, 0, labels)
        sample.eval_masks = {
            name: torch.from_numpy(mask) for name, mask in frame['eval_masks'].items()
        }
        metric.process(None, [sample.to_dict()])
    total = {
        view: sum(record[view].confusion for record in metric.results) for view in ('nyu', 'full')
    }
    assert tuple(total['nyu'].sum(1).tolist()) == expected and sum(expected) == ssc
    assert int(sum(record['nyu_sc'].confusion.sum() for record in metric.results)) == sc
    assert int(total['full'][0].sum()) == empty
    assert sum(record['full'].ignored for record in metric.results) == ignored
    figures = metric.compute_metrics(metric.results)
    assert figures['SC_IoU_nyu'] == figures['SSC_mIoU_nyu'] == figures['SSC_mIoU'] == 100
    assert len(classes) == 12


@pytest.mark.slow
def test_the_labels_end_within_the_measured_reach(lists):
    """What pictures of predictions leave out has no label: at most 1 % of all frames together."""
    frames = frames_of(lists, 'train', ('tsdf', 'voxel_to_pixel', 'gt_voxels'))
    cam2img = torch.from_numpy(camera_matrix(NYU_CAMERAS['nyu']))
    labelled = beyond = 0
    for number in range(0, len(frames), 20):
        frame = frames[number]
        mapping, labels = frame['voxel_to_pixel'], torch.from_numpy(frame['gt_voxels'])
        grid, size = frame['voxel_grid'], frame['image_size']
        origin, pose = place_camera(mapping, size, NYU_CAMERAS['nyu'], grid)
        grid, world2cam = replace(grid, origin=origin), torch.from_numpy(np.linalg.inv(pose))
        visible = torch.from_numpy(mapping >= 0)
        # These files have no depth image: the voxels that a pixel hits stand for it.
        _, centers = project_voxels(grid, world2cam, cam2img)
        depth = torch.zeros(size[0] * size[1], dtype=centers.dtype)
        depth[torch.from_numpy(mapping)[visible].long()] = centers.reshape(grid.shape)[visible]
        reach = visible | measured_reach(depth.reshape(size), grid, world2cam, cam2img)
        shown = visible | (torch.from_numpy(frame['tsdf']) < 0)
        occupied = (labels > 0) & (labels != 255) & shown
        labelled += int(occupied.sum())
        beyond += int((occupied & ~reach).sum())
    assert labelled > 100_000 and beyond < 0.01 * labelled


def test_frame_0001_from_its_raw_files(raw_nyu, tmp_path):
    """Label, mapping and weight: no voxel differs; TSDF: one, by 1/64."""
    arguments = [str(raw_nyu), '--out', str(tmp_path), '--verify', str(FIGURES), '--workers', '1']
    assert prepare_nyu('test', arguments) == 0
    (frame,) = frames_of(tmp_path, 'test')
    assert frame['frame_id'] == '0001'
    row = expected_figures()['0001']
    found = frame_figures(frame, (480, 640))
    # The voxel that differs is -1 in the authors' file and -63/64 here: no count changes.
    exact = {key: value for key, value in found.items() if key != 'tsdf_mean'}
    assert exact == {key: int(row[key]) for key in exact}
    assert found['tsdf_mean'] == pytest.approx(float(row['tsdf_mean']), abs=2e-7)
    assert frame['lidar2cam'].shape == (1, 4, 4)


def test_frame_0001_equals_the_authors_arrays(raw_nyu, lists, tmp_path):
    arguments = [str(raw_nyu), '--out', str(tmp_path), '--layout', 'torchssc', '--workers', '1']
    assert prepare_nyu('test', arguments) == 0
    (ours,) = frames_of(tmp_path, 'test')
    theirs = frames_of(lists, 'test')[0]
    assert theirs['frame_id'] == '0001'
    for key in ('gt_voxels', 'label_weight', 'voxel_to_pixel'):
        assert int((ours[key] != theirs[key]).sum()) == 0, key
    difference = np.abs(ours['tsdf'] - theirs['tsdf']).reshape(-1)
    assert np.flatnonzero(difference > 1e-6).tolist() == [115605]
    assert difference.max() == pytest.approx(1 / 64)


def test_own_camera_on_seven_scenes(seven_scenes, tmp_path):
    """Two frames of one room: the floor that each sees is the same one."""
    arguments = [str(seven_scenes), '--camera', str(seven_scenes / 'camera-intrinsics.txt'),
                 '--depth', 'frame-*.depth.png', '--color', 'frame-*.color.jpg',
                 '--out', str(tmp_path), '--workers', '1']  # fmt: skip
    assert prepare_own('test', arguments) == 0
    dataset = NYUDataset(
        ann_file='own_infos.json', data_root=str(tmp_path), source='own', label_source='own',
        pipeline=[LoadRGBDFrame(['img', 'tsdf', 'voxel_to_pixel'])], test_mode=True,
    )  # fmt: skip
    up, height = [], []
    for frame in dataset:
        assert (frame['voxel_to_pixel'] >= 0).sum() > 1000
        assert (frame['tsdf'] < -0.5).mean() > 0.05
        # up in the frame of the data set's own poses
        given = np.loadtxt(seven_scenes / f'frame-{frame["frame_id"]}.pose.txt')
        level2cam = frame['lidar2cam'][0]
        up.append(given[:3, :3] @ level2cam[:3, 2])
        floor = given @ level2cam @ np.array([0, 0, 0, 1])
        height.append(floor[:3] @ up[0])
    assert up[0] @ up[1] > np.cos(np.radians(3))
    assert height[0] == pytest.approx(height[1], abs=0.08)


# Errors of a pose that is wrong, not only inexact: degrees, metres.
WRONG_ANGLE, WRONG_HEIGHT = 10, 0.3


def floor_errors(nyu: Path, path: Path, degrees: int = 0) -> tuple[float, float] | None:
    """Errors against the annotated pose: degrees of "up", metres of height; None: refused."""
    stored = np.load(nyu / f'Mapping/{path.name[3:7]}.npz')['arr_0'].reshape(60, 36, 60)
    mapping = np.where(stored == 480 * 640, -1, stored)
    grid = VoxelGrid((0, 0, 0), (0.08,) * 3, (60, 36, 60), ('x', 'z', 'y'), 'world')
    _, expected = place_camera(mapping, (480, 640), NYU_CAMERAS['nyu'], grid)
    depth = torch.from_numpy(read_plain_depth_mm(path))
    camera = torch.from_numpy(camera_matrix(NYU_CAMERAS['nyu']))
    camera, turn = turn_camera(camera, (480, 640), degrees)
    try:
        found = find_floor(torch.rot90(depth, -degrees // 90), camera).cam2world.double() @ turn
    except DataError:
        return None
    angle = np.degrees(np.arccos(min(1, float(found[2, :3].numpy() @ expected[2, :3]))))
    return float(angle), abs(float(found[2, 3]) - expected[2, 3])


def test_the_floor_of_real_frames(real_nyu):
    """Of the 10 training frames five show floor; the others (walls, beds, desks) are refused."""
    paths = sorted(real_nyu.glob('train/depth/*.png'))
    errors = {path.name[3:7]: floor_errors(real_nyu, path) for path in paths}
    found = {name: error for name, error in errors.items() if error is not None}
    assert len(errors) == 10 and set(found) == {'0006', '0007', '0008', '0010', '0012'}
    for angle, height in found.values():
        assert angle < 2 and height < 0.15


def test_no_pose_of_a_real_test_frame_is_wrong(real_nyu):
    for path in sorted(real_nyu.glob('test/depth/*.png')):
        error = floor_errors(real_nyu, path)
        assert error is None or (error[0] < WRONG_ANGLE and error[1] < WRONG_HEIGHT), path


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_turned_real_frames_are_refused(real_nyu, degrees):
    """Walls and ceilings would make floors. Two ceilings do, upside down."""
    paths = sorted(real_nyu.glob('t*/depth/*.png'))
    assert len(paths) == 18
    answered = {path.name[3:7] for path in paths if floor_errors(real_nyu, path, degrees)}
    assert answered <= ({'0015', '0016'} if degrees == 180 else set())
