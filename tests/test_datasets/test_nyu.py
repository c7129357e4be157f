"""NYUDataset and LoadRGBDFrame on a tiny tree, in two layouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image
from tiny_nyu import CAM2WORLD, FRAMES, GRID, IMAGE_SIZE, frame_arrays, make_list, write_nyu_tree

from mmssc.datasets import NYUDataset
from mmssc.datasets.rgbd_list import Frame, write_rgbd_list
from mmssc.datasets.transforms import LoadRGBDFrame, PackSSCInputs
from mmssc.datasets.transforms.load_rgbd import frame_spec_of
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz, write_npz
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.sscnet import write_nyu_depth, write_plain_depth_mm
from mmssc.geometry import label_sketch
from mmssc.models.data_preprocessors import SSCDataPreprocessor

EVERY_KEY = (
    'img', 'segmentation', 'tsdf', 'tsdf_clean', 'voxel_to_pixel', 'pixel_to_voxel', 'gt_voxels',
    'label_weight', 'gt_sketch', 'eval_masks',
)  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('nyu')
    write_nyu_tree(folder)
    return folder


@pytest.fixture
def own_root(tmp_path):
    write_nyu_tree(tmp_path)
    return tmp_path


def make_dataset(root, keys=EVERY_KEY, optional=(), **options) -> NYUDataset:
    pipeline = [LoadRGBDFrame(keys, optional), PackSSCInputs()]
    return NYUDataset(
        ann_file='nyu_infos_train.json', data_root=str(root), pipeline=pipeline, test_mode=True,
        **options,
    )  # fmt: skip


def test_everything_of_a_frame(root):
    dataset = make_dataset(root, clean_source='nyucad')
    assert len(dataset) == 2
    arrays, packed = frame_arrays(0), dataset[0]
    inputs, sample = packed['inputs'], packed['data_samples']
    assert torch.equal(inputs['img'][0].permute(1, 2, 0), torch.from_numpy(arrays['img']))
    for key in ('segmentation', 'voxel_to_pixel'):
        assert np.array_equal(inputs[key].numpy(), arrays[key]), key
    assert np.array_equal(inputs['tsdf'][0].numpy(), arrays['tsdf'])
    assert np.array_equal(inputs['tsdf_clean'][0].numpy(), -arrays['tsdf'])
    for key in ('gt_voxels', 'label_weight', 'gt_sketch'):
        assert np.array_equal(sample.get(key).numpy(), arrays[key]), key
    mapped = torch.from_numpy(arrays['voxel_to_pixel']) >= 0
    assert torch.equal(sample.eval_masks['nyu_ssc'], sample.label_weight)
    assert torch.equal(sample.eval_masks['nyu_sc'], sample.label_weight & ~mapped)
    pixel_to_voxel = inputs['pixel_to_voxel']
    assert pixel_to_voxel.shape == IMAGE_SIZE and int((pixel_to_voxel >= 0).sum()) == 20
    for voxel, pixel in enumerate(inputs['voxel_to_pixel'].flatten().tolist()):
        assert pixel < 0 or pixel_to_voxel.flatten()[pixel] == voxel


def test_types_are_those_of_the_contract(root):
    inputs = make_dataset(root, clean_source='nyucad')[0]['inputs']
    types = {key: (tuple(value.shape), value.dtype) for key, value in inputs.items()}
    volume = GRID.shape
    assert types == dict(
        img=((1, 3, *IMAGE_SIZE), torch.uint8),
        segmentation=(IMAGE_SIZE, torch.uint8),
        tsdf=((1, *volume), torch.float32),
        tsdf_clean=((1, *volume), torch.float32),
        voxel_to_pixel=(volume, torch.int64),
        pixel_to_voxel=(IMAGE_SIZE, torch.int64),
    )


def test_metainfo(root):
    dataset = make_dataset(root, clean_source='nyucad')
    first, second = (dataset[number]['data_samples'] for number in (0, 1))
    assert (first.sequence, first.frame_id, first.sample_idx) == ('train', '0003', 0)
    assert first.voxel_grid.origin == (1.0, 2.0, 3.0) and second.voxel_grid == GRID
    assert first.cam2img.tolist() == [[5, 0, 4.5], [0, 6, 3.5], [0, 0, 1]]
    assert np.allclose(first.lidar2cam[0] @ CAM2WORLD, np.eye(4))
    assert second.get('lidar2cam') is None
    assert first.img_shape == IMAGE_SIZE and first.img_paths[0].endswith('RGB/0003.png')
    assert dataset.metainfo['voxel_grid']['shape'] == list(GRID.shape)


def test_other_depth_takes_tsdf_mapping_and_camera_but_no_labels(root):
    arrays = frame_arrays(0)
    sample = make_dataset(root, source='nyucad', optional=(), keys=EVERY_KEY[:3])[0]
    assert np.array_equal(sample['inputs']['tsdf'][0].numpy(), -arrays['tsdf'])
    assert sample['data_samples'].cam2img[1, 1] == 5
    # the tree's label of NYUCAD is another file with the same content: look at the paths
    item = make_dataset(root, source='nyucad').get_data_info(0)
    assert {key: file[0].split('/')[-2] for key, file in item['files'].items()} == dict(
        tsdf='nyucad', voxel_to_pixel='nyucad', gt_voxels='nyu', label_weight='nyu',
        gt_sketch='nyu', img='RGB', segmentation='seg',
    )  # fmt: skip


def test_published_layout_gives_the_same(root):
    keys = [key for key in EVERY_KEY if key not in ('tsdf_clean', 'gt_sketch')]
    ours = make_dataset(root, keys)
    theirs = make_dataset(root, [*keys, 'gt_sketch'], source='torchssc', label_source='torchssc')
    for one, other in zip(ours, theirs):
        for key, value in one['inputs'].items():
            assert torch.equal(value, other['inputs'][key]), key
        for key in ('gt_voxels', 'label_weight'):
            assert torch.equal(one['data_samples'].get(key), other['data_samples'].get(key))
        sample = other['data_samples']
        assert torch.equal(sample.gt_sketch, label_sketch(sample.gt_voxels))


def test_only_what_is_asked_for_is_loaded(root):
    packed = make_dataset(root, ['tsdf', 'eval_masks'])[1]
    assert list(packed['inputs']) == ['tsdf']
    assert packed['data_samples'].keys() == ['eval_masks']


def test_optional_keys_follow_the_data_set(root):
    keys = dict(keys=['tsdf'], optional=['tsdf_clean'])
    assert list(make_dataset(root, **keys)[0]['inputs']) == ['tsdf']
    both = make_dataset(root, **keys, clean_source='nyucad')[0]['inputs']
    assert set(both) == {'tsdf', 'tsdf_clean'}


def test_batches_are_stacked(root):
    dataset = make_dataset(root, clean_source='nyucad')
    inputs = SSCDataPreprocessor()(pseudo_collate([dataset[0], dataset[1]]))['inputs']
    assert inputs['img'].shape == (2, 1, 3, *IMAGE_SIZE)
    assert inputs['tsdf'].shape == inputs['tsdf_clean'].shape == (2, 1, *GRID.shape)
    assert inputs['voxel_to_pixel'].shape == (2, *GRID.shape)
    assert inputs['pixel_to_voxel'].shape == inputs['segmentation'].shape == (2, *IMAGE_SIZE)
    # one of the frames has no pose: the batch goes without, as it may
    assert inputs['cam2img'].shape == (2, 3, 3) and 'lidar2cam' not in inputs


def test_volumes_of_two_sizes_are_refused(root):
    batch = pseudo_collate([make_dataset(root, ['tsdf'])[0]] * 2)
    batch['inputs']['tsdf'][1] = torch.zeros(1, 6, 4, 5)
    with pytest.raises(DataError, match=r'sample 1 of the batch: tsdf.*6, 4, 6.*6, 4, 5'):
        SSCDataPreprocessor()(batch)


def test_frames_without_a_file_can_be_left_out(own_root):
    (own_root / 'RGB/0004.png').unlink()
    frames = (Frame('0003'), Frame('0004', missing=frozenset(['shared/img'])))
    write_rgbd_list(own_root / 'nyu_infos_train.json', make_list(frames))
    with_image = make_dataset(own_root, ['img'], require=['img'])
    assert [item['data_samples'].frame_id for item in with_image] == ['0003']
    assert len(make_dataset(own_root, ['tsdf'])) == 2
    everything = make_dataset(own_root, ['img'])
    message = r'RGB/0004.png: frame train/0004: expected an image file, found no such file'
    with pytest.raises(DataError, match=message):
        everything[1]
    assert 'img' not in make_dataset(own_root, ['tsdf'], ['img'])[1]['inputs']


def test_a_file_may_be_named_by_the_config(own_root):
    (own_root / 'other').mkdir()
    for frame_id in FRAMES:
        Image.fromarray(np.full(IMAGE_SIZE, 7, np.uint8)).save(own_root / f'other/{frame_id}.png')
    files = dict(segmentation=dict(path='other/{frame_id}.png', format='ids'))
    sample = make_dataset(own_root, ['segmentation'], files=files)[0]
    assert (sample['inputs']['segmentation'] == 7).all()


@pytest.mark.parametrize(
    ('kind', 'write'), [('nyu_depth', write_nyu_depth), ('depth_mm', write_plain_depth_mm)]
)
def test_depth_maps_are_named_by_the_config(own_root, kind, write):
    depth = np.linspace(0, 9, IMAGE_SIZE[0] * IMAGE_SIZE[1]).reshape(IMAGE_SIZE)
    for frame_id in FRAMES:
        write(own_root / f'raw/{frame_id}.png', depth)
    files = dict(depth=dict(path='raw/{frame_id}.png', format=kind))
    found = make_dataset(own_root, ['depth'], files=files)[0]['inputs']['depth']
    assert found.shape == (1, *IMAGE_SIZE) and found.dtype == torch.float32
    np.testing.assert_allclose(found[0], depth, atol=0.00051)
    with pytest.raises(DataError, match='depth: expected a file in the info list, found none'):
        make_dataset(own_root, ['depth'])[0]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (dict(source='kinect'), "source 'kinect': expected files of it, found only"),
        (dict(clean_source='kinect'), "clean_source 'kinect'"),
        (dict(label_source='kinect'), "label_source 'kinect'"),
        (dict(require=['tsdf_fine']), 'expected a frame with tsdf_fine, found none of 2'),
    ],
)
def test_what_the_list_does_not_offer_is_refused(root, options, text):
    with pytest.raises(DataError, match=text):
        make_dataset(root, **options)


def test_unknown_and_missing_keys(root):
    with pytest.raises(DataError, match='LoadRGBDFrame.keys'):
        LoadRGBDFrame(['label'])
    with pytest.raises(DataError, match='train/0003: tsdf_clean.*clean_source'):
        make_dataset(root, ['tsdf_clean'])[0]
    with pytest.raises(DataError, match='train/0003: tsdf_fine.*tools/dataset_converters/nyu.py'):
        make_dataset(root, ['tsdf_fine'])[0]


@pytest.mark.parametrize(
    ('name', 'value', 'text'),
    [
        ('tsdf', None, r'keys: .*tsdf.*found label, label_weight, sketch, voxel'),
        ('tsdf', np.zeros((6, 4, 5), np.float32), r'tsdf, shape: expected .*found \(6, 4, 5\)'),
        ('tsdf', np.zeros(GRID.shape, np.int32), 'tsdf, dtype: expected float32, found int32'),
        ('tsdf', np.full(GRID.shape, np.nan, np.float32), 'tsdf: expected numbers of'),
        (
            'label',
            np.full(GRID.shape, 12, np.uint8),
            'label: expected 0..11 or 255 .*, found 12 ',
        ),
        ('label_weight', np.ones(GRID.shape, np.uint8), 'label_weight, dtype: expected bool'),
        ('voxel_to_pixel', np.full(GRID.shape, 80, np.int32), 'voxel_to_pixel: .*-1..79, found 80'),
        ('sketch', np.full(GRID.shape, 2, np.uint8), r'sketch: expected whole numbers 0..1'),
    ],
)
def test_wrong_array_of_a_prepared_file(own_root, name, value, text):
    path = own_root / 'prepared/nyu/0003.npz'
    names = ['tsdf', 'voxel_to_pixel', 'label', 'label_weight', 'sketch']
    arrays = {**read_npz(path, names), name: value}
    write_npz(path, {key: array for key, array in arrays.items() if array is not None})
    dataset = make_dataset(own_root, ['tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight',
                                      'gt_sketch'])  # fmt: skip
    with pytest.raises(DataError, match=f'0003.npz: frame train/0003, {text}'):
        dataset[0]


@pytest.mark.parametrize(('folder', 'key'), [('RGB', 'img'), ('seg', 'segmentation')])
def test_image_of_another_size(own_root, folder, key):
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(own_root / f'{folder}/0003.png')
    with pytest.raises(DataError, match=rf'{folder}/0003.png.*\(8, 10\), found \(8, 9\)'):
        make_dataset(own_root, [key])[0]


@pytest.mark.parametrize('fine_factor', [4, 2])
def test_arrays_must_look_as_the_list_says(own_root, fine_factor):
    listed = replace(make_list(), fine_factor=fine_factor)
    write_rgbd_list(own_root / 'nyu_infos_train.json', listed)
    item = make_dataset(own_root).get_data_info(1)
    assert frame_spec_of(item) == FrameSpec(GRID, IMAGE_SIZE, 12, fine_factor)
    del item['fine_factor']
    assert frame_spec_of(item).fine_factor == 4


def test_missing_list_names_the_command(tmp_path):
    with pytest.raises(DataError, match=r'nyu_infos_train.json.*python tools/dataset_conv.*nyu.py'):
        make_dataset(tmp_path)


@pytest.mark.parametrize('indices', [0, 99, [99], []])
def test_indices_must_be_frames(root, indices):
    with pytest.raises(DataError, match='NYUDataset.indices: expected .*number'):
        make_dataset(root, indices=indices)
