"""Joined rooms, moved boxes, confused segments and erased depth, on rooms made by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from tiny_nyu import FRAMES, write_nyu_tree

from mmssc.datasets import NYUDataset
from mmssc.datasets.transforms import (
    AddRGBDViewVolumes,
    ConfuseRGBDSegments,
    EraseRGBDDepth,
    JoinRGBDRooms,
    LoadRGBDFrame,
    PackSSCInputs,
    ShiftRGBDVolumes,
)
from mmssc.errors import DataError
from mmssc.geometry import project_voxels
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((-1.0, -0.5, 1.5), 0.25, (8, 4, 6), ('x', 'z', 'y'), 'world')
IMAGE_SIZE = (24, 32)
CAM2IMG = np.array([[16.0, 0, 16], [0, 16.0, 12], [0, 0, 1]])
WORLD2CAM = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
VOLUMES = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight')


@pytest.fixture(autouse=True)
def seed():
    random.seed(0)


def frame(number: int = 0, **changes):
    """A frame; every voxel of its volumes is unlike that of another frame."""
    rng = np.random.default_rng(number)
    shape = GRID.shape
    results = dict(
        sequence='s', frame_id=str(number), voxel_grid=GRID, ignore_index=255,
        image_size=IMAGE_SIZE, cam2img=CAM2IMG, lidar2cam=WORLD2CAM[None],
        tsdf=rng.uniform(-0.9, 0.9, shape).astype(np.float32),
        voxel_to_pixel=rng.integers(0, 24 * 32, shape),
        gt_voxels=np.full(shape, number + 1, np.uint8),
        label_weight=np.full(shape, number % 2 == 0),
        eval_masks=dict(occluded=np.full(shape, number % 2 == 0)),
    )  # fmt: skip
    return {**results, **changes}


def joined(number: int = 0, **options):
    """Frame 0 joined with frame 1, which the transform draws."""
    join = JoinRGBDRooms(loading=[], **options)
    return join(frame(number, draw_item=lambda: frame(1)))


def test_each_side_of_the_cut_is_one_room():
    before, other = frame(0), frame(1)
    cuts = set()
    for _ in range(60):
        found = joined(prob=1.0, margin=0.25)
        labels = found['gt_voxels'][:, 0, 0]
        is_other = labels == 2
        assert np.diff(is_other.astype(int)).astype(bool).sum() == 1
        cuts.add((int(np.flatnonzero(np.diff(labels.astype(int)))[0]) + 1, bool(is_other[0])))
        for key in VOLUMES:
            np.testing.assert_array_equal(found[key][is_other], other[key][is_other], key)
            np.testing.assert_array_equal(found[key][~is_other], before[key][~is_other], key)
        mask = found['eval_masks']['occluded']
        assert not mask[is_other].any() and mask[~is_other].all()
    # Cuts from 2 to 6 of 8 voxels, the other room on either side.
    assert cuts == {(cut, left) for cut in range(2, 7) for left in (False, True)}


def test_the_probability_of_joining():
    counts = [len(np.unique(joined(prob=0.3)['gt_voxels'])) - 1 for _ in range(300)]
    assert 0.2 < np.mean(counts) < 0.4


def test_another_axis_can_be_cut():
    labels = joined(prob=1.0, axis='y')['gt_voxels']
    assert (labels == labels[:1, :1]).all() and len(np.unique(labels)) == 2


def test_the_files_of_a_frame_stay_as_they_are():
    first, second = frame(0), frame(1)
    copies = {key: first[key].copy() for key in VOLUMES}
    first['draw_item'] = lambda: second
    JoinRGBDRooms(loading=[], prob=1.0)(dict(first))
    for key in VOLUMES:
        np.testing.assert_array_equal(first[key], copies[key])


@pytest.mark.parametrize(
    'sample, match',
    [
        (frame(0), 'draw_item'),
        (frame(0, draw_item=lambda: frame(1), img=[np.zeros((24, 32, 3))]), 'no array over the'),
        (frame(0, draw_item=lambda: dict(frame(1), tsdf=None)), 'tsdf.*loading'),
        (frame(0, draw_item=lambda: dict(frame(1), tsdf=np.zeros((2, 4, 6)))), 'tsdf.*loading'),
    ],
    ids=['another data set', 'an image', 'no such key', 'another grid'],
)
def test_samples_that_cannot_be_joined(sample, match):
    with pytest.raises(DataError, match=match):
        JoinRGBDRooms(loading=[], prob=1.0)(sample)


def test_frames_of_a_data_set_are_joined(tmp_path):
    write_nyu_tree(tmp_path)
    loading = [LoadRGBDFrame(('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight'))]
    pipelines = [
        [*loading, PackSSCInputs()],
        [*loading, JoinRGBDRooms(loading, prob=1.0), PackSSCInputs()],
    ]
    plain, mixed = (
        NYUDataset('nyu_infos_train.json', str(tmp_path), pipeline=pipeline)
        for pipeline in pipelines
    )
    rooms = [plain[number]['inputs']['tsdf'] for number in range(len(FRAMES))]
    seen = set()
    for _ in range(20):
        found = mixed[0]['inputs']['tsdf']
        of_first, of_second = (found == room for room in rooms)
        assert (of_first | of_second).all() and of_first.any()
        seen.add(bool(of_first.all()))
    # The frame itself can be drawn as its partner, too.
    assert seen == {False, True}


def test_a_moved_box_shows_the_same_room():
    before = frame(0)
    found = ShiftRGBDVolumes(dict(x=2, y=1))
    shifts = set()
    for _ in range(100):
        after = found(frame(0))
        move = np.subtract(after['voxel_grid'].origin, GRID.origin) / 0.25
        x, z, y = (int(step) for step in move)
        shifts.add((x, z, y))
        new = tuple(np.indices(GRID.shape).reshape(3, -1))
        old = (new[0] + x, new[1], new[2] + y)
        known = (old[0] >= 0) & (old[0] < 8) & (old[2] >= 0) & (old[2] < 6)
        for key in VOLUMES:
            values = after[key][new]
            kept = before[key][tuple(axis[known] for axis in old)]
            np.testing.assert_array_equal(values[known], kept, key)
        outside = ~known.reshape(GRID.shape)
        assert (after['gt_voxels'][outside] == 255).all()
        assert (after['voxel_to_pixel'][outside] == -1).all()
        assert not after['label_weight'][outside].any()
        nearest = (old[0].clip(0, 7), old[1], old[2].clip(0, 5))
        np.testing.assert_array_equal(after['tsdf'][new], before['tsdf'][nearest])
    assert shifts == {(x, 0, y) for x in range(-2, 3) for y in range(-1, 2)}


def test_the_view_of_a_moved_box_is_that_of_the_camera():
    """Every voxel that stays in the box keeps its offset from the visible surface."""
    mapping = np.full(GRID.shape, -1)
    pixels, _ = project_voxels(GRID, torch.from_numpy(WORLD2CAM), torch.from_numpy(CAM2IMG))
    pixels = pixels.reshape(*GRID.shape, 2).numpy()
    hit = np.s_[2:6, :, 2]
    mapping[hit] = pixels[hit][..., 1] * 32 + pixels[hit][..., 0]
    before = AddRGBDViewVolumes()(frame(0, voxel_to_pixel=mapping))['surface_offset']
    moved = ShiftRGBDVolumes(dict(x=1))
    shifts = set()
    while len(shifts) < 2:
        after = moved(frame(0, voxel_to_pixel=mapping))
        shift = round((after['voxel_grid'].origin[0] - GRID.origin[0]) / 0.25)
        found = AddRGBDViewVolumes()(after)['surface_offset']
        if shift == 1:
            np.testing.assert_allclose(found[:-1], before[1:], atol=1e-5)
        elif shift == -1:
            np.testing.assert_allclose(found[1:], before[:-1], atol=1e-5)
        shifts |= {shift} - {0}


@pytest.mark.parametrize(
    'options, changes, match',
    [
        (dict(x=8), {}, r"max_shift\['x'\].*less than 8"),
        (dict(up=1), {}, "'up'"),
        (dict(x=1), dict(pixel_to_voxel=np.zeros(IMAGE_SIZE, int)), 'pixel_to_voxel'),
        (dict(x=1), dict(gt_voxels_1_2=np.zeros((4, 2, 3), np.uint8)), 'gt_voxels_1_N'),
    ],
)
def test_boxes_that_cannot_move(options, changes, match):
    with pytest.raises(DataError, match=match):
        for _ in range(20):
            ShiftRGBDVolumes(options)(frame(0, **changes))


def test_wrong_options():
    for make in (
        lambda: ShiftRGBDVolumes(dict(x=-1)),
        lambda: ShiftRGBDVolumes(dict(x=0.5)),
        lambda: JoinRGBDRooms([], margin=0.6),
        lambda: ConfuseRGBDSegments(6, confuse_prob=0.8, drop_prob=0.3),
        lambda: ConfuseRGBDSegments(num_ids=2),
        lambda: EraseRGBDDepth(max_side=0),
        lambda: EraseRGBDDepth(noise=-1),
    ):
        with pytest.raises(DataError, match='config'):
            make()


# Two regions of id 3, one of 5, and 0 (none).
SEGMENTS = np.zeros((4, 9), np.uint8)
SEGMENTS[:, :2] = 3
SEGMENTS[:, 3:5] = 5
SEGMENTS[:, 6:8] = 3


def test_regions_change_as_wholes():
    change = ConfuseRGBDSegments(num_ids=6, confuse_prob=0.4, drop_prob=0.2)
    ids, fates = {3: [], 5: []}, []
    for _ in range(500):
        found = change(dict(segmentation=SEGMENTS))['segmentation']
        assert found.dtype == np.uint8
        assert (found[SEGMENTS == 0] == 0).all()
        regions = [np.unique(found[:, place]) for place in np.s_[:2, 3:5, 6:8]]
        assert all(len(region) == 1 for region in regions)
        left, middle, right = (int(region[0]) for region in regions)
        ids[3] += [left, right]
        ids[5].append(middle)
        fates.append(left == right)
    for one, found in ids.items():
        assert set(found) == {0, 1, 2, 3, 4, 5}
        shares = np.bincount(found, minlength=6) / len(found)
        others = np.delete(shares, [0, one])
        assert abs(shares[0] - 0.2) < 0.06 and abs(shares[one] - 0.4) < 0.07
        assert np.abs(others - 0.1).max() < 0.05
    assert 0 < np.mean(fates) < 1  # Two regions of one id have fates of their own.
    assert SEGMENTS[0].tolist() == [3, 3, 0, 5, 5, 0, 3, 3, 0]


def test_erased_rectangles_are_not_observed():
    pixels, depth = project_voxels(GRID, torch.from_numpy(WORLD2CAM), torch.from_numpy(CAM2IMG))
    column, row = pixels.reshape(*GRID.shape, 2).numpy().transpose(3, 0, 1, 2)
    inside = (column >= 0) & (column < 32) & (row >= 0) & (row < 24)
    mapping = np.where(inside, row * 32 + column, -1)
    erase = EraseRGBDDepth(max_rectangles=1, max_side=0.6)
    erased_counts = []
    for _ in range(40):
        before = frame(0, voxel_to_pixel=mapping)
        after = erase(dict(before))
        gone = (mapping >= 0) & (after['voxel_to_pixel'] < 0)
        erased_counts.append(int(gone.sum()))
        np.testing.assert_array_equal(after['voxel_to_pixel'][~gone], mapping[~gone])
        np.testing.assert_array_equal(after['tsdf'][~gone], before['tsdf'][~gone])
        assert (after['tsdf'][gone] == 0).all() and (after['voxel_to_pixel'] >= 0).any()
        assert after['gt_voxels'] is before['gt_voxels']
        if gone.any():
            # All voxels of the bounding box of what went, and no other pixel is affected.
            rows, columns = row[gone], column[gone]
            box = (row >= rows.min()) & (row <= rows.max())
            box &= (column >= columns.min()) & (column <= columns.max()) & inside
            assert (gone == box).all()
    assert min(erased_counts) == 0 < max(erased_counts)


def test_noise_stays_near_surfaces():
    before = frame(0)
    before['tsdf'][:2], before['tsdf'][2:4] = 0, -1
    after = EraseRGBDDepth(max_rectangles=0, noise=0.1)(dict(before))
    change = after['tsdf'] - before['tsdf']
    assert after['tsdf'].dtype == np.float32 and np.abs(after['tsdf']).max() <= 1
    assert (change[:4] == 0).all() and 0.05 < change[4:].std() < 0.15


def test_a_frame_is_never_erased_as_a_whole():
    mapping = np.full(GRID.shape, -1)
    mapping[4, 2, 2] = 12 * 32 + 16
    erase = EraseRGBDDepth(max_rectangles=20, max_side=1)
    for _ in range(20):
        assert (erase(frame(0, voxel_to_pixel=mapping))['voxel_to_pixel'] >= 0).any()
