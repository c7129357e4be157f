"""The table of sample keys, and that everything derives from it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from mmssc.datasets.transforms import (
    CropDrivingImages,
    FlipDrivingScene,
    FlipRGBDImage,
    FlipRGBDVolumes,
    PackSSCInputs,
    ResizeRGBDImage,
    TransposeRGBDVolumes,
)
from mmssc.errors import DataError
from mmssc.models.data_preprocessors import SSCDataPreprocessor
from mmssc.structures import VoxelGrid
from mmssc.structures.sample_keys import (
    SAMPLE_KEYS,
    SampleKey,
    add_sample_key,
    find_sample_key,
    keys_of_role,
)
from mmssc.testing.random_driving_sample import random_driving_sample
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

SIZES = dict(N=2, H=5, W=7, X=4, Y=6, Z=4, M=9)
GRID = VoxelGrid((0.0, -3.0, -2.0), 1.0, (4, 6, 4))
RGBD = VoxelGrid((-2.0, 0.0, 1.0), 1.0, (4, 6, 4), ('x', 'z', 'y'), 'world')
VOXEL_KEYS = sorted(name for name, key in SAMPLE_KEYS.items() if key.over_voxels)
ARRAYS = [key for key in SAMPLE_KEYS.values() if key.shape and key.name != 'gt_voxels_1_N']


def make_results(grid, names):
    """Arrays as the transforms see them: views are lists, no channel, the colour last."""
    random = np.random.default_rng(0)
    results = dict(
        sequence='train', frame_id='0003', voxel_grid=grid, img_shape=(5, 7), ori_shape=(5, 7)
    )
    for name in names:
        key = find_sample_key(name)
        shape = [SIZES.get(axis, axis) for axis in key.shape[key.has_channel :]]
        if name == 'img':
            shape = [2, 5, 7, 3]
        array = random.integers(0, 2, shape).astype(key.dtype)
        array = list(array) if key.has_views else array
        results[name] = dict(nyu_ssc=array) if key.role == 'mask' else array
    return results


def test_packed_shapes_and_types_are_those_of_the_table():
    packed = PackSSCInputs()(make_results(GRID, [key.name for key in ARRAYS]))
    sample = packed['data_samples']
    for key in ARRAYS:
        expected = tuple(SIZES.get(axis, axis) for axis in key.shape)
        if key.role in ('input', 'target', 'mask'):
            value = packed['inputs'][key.name] if key.role == 'input' else sample.get(key.name)
            value = value['nyu_ssc'] if key.role == 'mask' else value
            assert tuple(value.shape) == expected, key.name
            assert value.dtype == getattr(torch, key.dtype), key.name
    assert {name for name, _ in keys_of_role(SAMPLE_KEYS, 'input')} == set(packed['inputs'])
    assert 'P2' not in sample and 'P2' not in packed['inputs'] and 'cam2img' in sample


@pytest.mark.parametrize(
    'packed',
    [
        random_driving_sample(GRID, 4, (8, 9), num_frames=2, points_per_frame=10),
        random_rgbd_sample(RGBD, 4, (8, 9)),
    ],
)
def test_random_samples_are_of_the_table(packed):
    for name, tensor in packed['inputs'].items():
        key = find_sample_key(name)
        assert key.role in ('input', 'meta') and tensor.ndim == len(key.shape), name
        assert tensor.dtype == getattr(torch, key.dtype), name
    for name in packed['data_samples'].keys():  # noqa: SIM118 BaseDataElement is no dict
        assert find_sample_key(name).role in ('target', 'mask'), name


@pytest.mark.parametrize('name', VOXEL_KEYS)
def test_flips_of_rgbd_volumes_take_every_key_along(name):
    before = make_results(RGBD, [name])
    after = FlipRGBDVolumes(('z',), 1.0)(make_results(RGBD, [name]))
    one, other = before[name], after[name]
    if SAMPLE_KEYS[name].role == 'mask':
        one, other = one['nyu_ssc'], other['nyu_ssc']
    assert np.array_equal(other, one[:, ::-1])


@pytest.mark.parametrize('name', VOXEL_KEYS)
def test_flips_of_a_drive_take_every_key_along_or_refuse(name):
    names = [name, 'cam2img', 'lidar2cam']
    if SAMPLE_KEYS[name].refers_to:
        with pytest.raises(DataError, match=f'refers to pixels or voxels yet, found {name}'):
            FlipDrivingScene(1.0)(make_results(GRID, names))
        return
    before, after = make_results(GRID, names), FlipDrivingScene(1.0)(make_results(GRID, names))
    one, other = before[name], after[name]
    if SAMPLE_KEYS[name].role == 'mask':
        one, other = one['nyu_ssc'], other['nyu_ssc']
    assert np.array_equal(other, one[:, ::-1])


@pytest.mark.parametrize(
    'step',
    [FlipRGBDVolumes(('x', 'y'), 1.0), TransposeRGBDVolumes(('x', 'y'), 1.0), FlipRGBDImage(1.0)],
)
def test_twice_is_nothing(step):
    names = [key.name for key in ARRAYS if key.refers_to != 'pixels']
    before = make_results(RGBD, names)
    after = step(step(make_results(RGBD, names)))
    for name in names:
        one, other = before[name], after[name]
        if SAMPLE_KEYS[name].role == 'mask':
            one, other = one['nyu_ssc'], other['nyu_ssc']
        assert np.array_equal(np.asarray(one), np.asarray(other)), name


def test_depth_follows_its_image():
    before = make_results(RGBD, ['img', 'depth', 'segmentation'])
    after = FlipRGBDImage(1.0)(make_results(RGBD, ['img', 'depth', 'segmentation']))
    assert np.array_equal(after['depth'][1], before['depth'][1][:, ::-1])
    assert np.array_equal(after['segmentation'], before['segmentation'][:, ::-1])


def test_labels_of_any_scale_are_targets():
    results = make_results(GRID, [])
    results['gt_voxels_1_3'] = np.zeros((2, 2, 2), np.uint8)
    assert PackSSCInputs()(results)['data_samples'].gt_voxels_1_3.shape == (2, 2, 2)
    for other in ('gt_voxels_1_0', 'gt_voxels_2_1', 'gt_voxels_1_'):
        assert find_sample_key(other) is None


@pytest.fixture
def _own_keys():
    """Keys that a test adds go away after it."""
    before = list(SAMPLE_KEYS)
    yield
    for name in set(SAMPLE_KEYS) - set(before):
        del SAMPLE_KEYS[name]


@pytest.mark.usefixtures('_own_keys')
def test_a_key_of_a_project_needs_one_line():
    add_sample_key(SampleKey('height', 'input', (1, 'X', 'Y', 'Z'), 'float32', 'metres'))
    add_sample_key(SampleKey('lidar2imu', 'meta', (4, 4), 'float64', frames=('grid', 'camera')))
    results = make_results(GRID, ['img', 'height', 'cam2img', 'lidar2cam', 'lidar2imu'])
    volume = results['height'].copy()
    packed = PackSSCInputs()(FlipDrivingScene(1.0)(results))
    inputs = SSCDataPreprocessor()(pseudo_collate([packed, packed]))['inputs']
    assert inputs['height'].shape == (2, 1, 4, 6, 4) and inputs['lidar2imu'].shape == (2, 4, 4)
    assert np.array_equal(inputs['height'][1, 0].numpy(), volume[:, ::-1])
    with pytest.raises(DataError, match='add_sample_key: height: expected a new name'):
        add_sample_key(SampleKey('height', 'target', ('X', 'Y', 'Z')))


def test_a_batch_with_two_shapes_names_the_key():
    one, other = (
        PackSSCInputs()(dict(sequence='train', frame_id=str(n), tsdf=np.zeros((2, 2, n), 'f4')))
        for n in (3, 4)
    )
    message = r'sample 1 of the batch: tsdf, shape \(1, X, Y, Z\): expected \(1, 2, 2, 3\)'
    with pytest.raises(DataError, match=message):
        SSCDataPreprocessor()(pseudo_collate([one, other]))


@pytest.mark.parametrize(
    'wrong',
    [
        dict(role='inputs'), dict(role='input', refers_to='x'), dict(role='meta', frames=('a',)),
        dict(role='input', shape=('X', 'Y')), dict(role='input', shape=('H', 'W', 3)),
        dict(role='input', shape=('X', 3, 'Y', 'Z')), dict(role='input', shape='HW'),
        dict(role='input', shape=['H', 'W']), dict(role='input', dtype='flt'),
        dict(role='mask', shape=('H', 'W')), dict(role='input', shape=('M', 4), frames=('grid',)),
        dict(role='meta', frames=('grid', 'camera', 'pixels')),
    ],
)  # fmt: skip
def test_wrong_fields_are_refused(wrong):
    with pytest.raises(DataError, match=r"SampleKey 'x': \w+: expected "):
        SampleKey('x', **wrong)


def test_the_documents_list_every_key():
    text = (Path(__file__).parents[2] / 'docs/en/advanced_guides/sample_keys.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \| (\w+) \| (.*?) \|', text, re.M)
    listed = {name: (role, shape.strip('`')) for name, role, shape in rows}
    assert list(listed) == [key.name for key in SAMPLE_KEYS.values()]
    for name, (role, shape) in listed.items():
        key = SAMPLE_KEYS[name]
        axes = ', '.join(map(str, key.shape))
        assert (role, shape) == (key.role, f'({axes}) {key.dtype}' if key.shape else ''), name


@pytest.mark.parametrize('name', ['', 'gt_voxels_1_2'])
def test_names_that_cannot_be_found_are_refused(name):
    with pytest.raises(DataError, match='name: expected a name'):
        SampleKey(name, 'input')


@pytest.mark.usefixtures('_own_keys')
def test_channels_of_a_volume_are_changed_one_by_one():
    add_sample_key(SampleKey('normals', 'input', (3, 'X', 'Y', 'Z'), 'float32'))
    names = ['normals', 'cam2img', 'lidar2cam']
    before = make_results(GRID, names)['normals']
    flipped = FlipDrivingScene(1.0)(make_results(GRID, names))['normals']
    assert np.array_equal(flipped, before[:, :, ::-1])
    turned = TransposeRGBDVolumes(('x', 'y'), 1.0)(make_results(RGBD, ['normals']))['normals']
    assert np.array_equal(turned, before.transpose(0, 3, 2, 1))


@pytest.mark.usefixtures('_own_keys')
def test_voxel_indices_are_renumbered_wherever_they_are():
    add_sample_key(SampleKey('parent', 'input', ('X', 'Y', 'Z'), 'int64', refers_to='voxels'))
    add_sample_key(SampleKey('seeds', 'input', ('M',), 'int64', refers_to='voxels'))
    index = np.arange(GRID.num_voxels).reshape(RGBD.shape)
    results = make_results(RGBD, []) | dict(parent=index.copy(), seeds=np.array([0, 5, -1]))
    flipped = FlipRGBDVolumes(('x',), 1.0)(results)
    # Every voxel named itself, and it still does.
    assert np.array_equal(flipped['parent'], index)
    assert list(flipped['seeds']) == [index[::-1].reshape(-1)[0], index[::-1].reshape(-1)[5], -1]


@pytest.mark.usefixtures('_own_keys')
def test_own_maps_follow_the_image_with_their_values():
    add_sample_key(SampleKey('heights', 'input', ('H', 'W'), 'float32', 'metres'))
    add_sample_key(SampleKey('normals', 'input', (3, 'H', 'W'), 'float32'))
    results = make_results(GRID, ['img', 'cam2img', 'lidar2cam'])
    results['img_paths'] = ['a.png', 'b.png']
    results['heights'] = np.linspace(0, 1, 35).reshape(5, 7)
    results['normals'] = np.linspace(-0.5, 0.5, 105).reshape(5, 7, 3).astype('f4')
    heights = results['heights'][:4, :6]
    cropped = CropDrivingImages((4, 6))(results)
    enlarged = ResizeRGBDImage.resize(dict(cropped), (8, 12))
    assert np.array_equal(enlarged['heights'][::2, ::2], heights)
    inputs = PackSSCInputs()(cropped)['inputs']
    assert inputs['heights'].shape == (4, 6) and inputs['heights'].dtype == torch.float32
    assert inputs['normals'].shape == (3, 4, 6) and inputs['img'].shape == (2, 3, 4, 6)


def test_a_crop_refuses_what_names_pixels():
    results = make_results(GRID, ['img', 'frustum_index']) | dict(img_paths=['a.png', 'b.png'])
    with pytest.raises(DataError, match='found frustum_index. FrustumTargets comes after the crop'):
        CropDrivingImages((4, 6))(results)


@pytest.mark.usefixtures('_own_keys')
@pytest.mark.parametrize('shape', [(1, 4, 6, 4), (4, 6)])
def test_arrays_with_other_axes_are_refused(shape):
    add_sample_key(SampleKey('height', 'input', (1, 'X', 'Y', 'Z'), 'float32'))
    results = make_results(GRID, ['cam2img', 'lidar2cam']) | dict(height=np.zeros(shape, 'f4'))
    message = r'sample train/0003: height: expected an array \(X, Y, Z\), found \('
    for step in (FlipDrivingScene(1.0), PackSSCInputs()):
        with pytest.raises(DataError, match=message):
            step(dict(results))
