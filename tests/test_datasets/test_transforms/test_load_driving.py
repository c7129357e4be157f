import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose, pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import (
    CropDrivingImages,
    LoadDrivingDepth,
    LoadDrivingImages,
    LoadDrivingLabels,
    LoadDrivingPoints,
    MaskVoxelRange,
    PackSSCInputs,
)
from mmssc.errors import DataError
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import (
    read_depth,
    read_velodyne,
    write_depth,
    write_velodyne,
    write_voxel_labels,
)
from mmssc.formats.numpy_arrays import read_npy, write_npy
from mmssc.geometry import pool_labels, quantize_points
from mmssc.inspection import check_config
from mmssc.parity.reference_fill import integers
from mmssc.structures import SSCDataSample, VoxelGrid

INFO = 'semantickitti_infos_val.json'
PIPELINE = [
    dict(type='LoadDrivingImages'),
    dict(type='CropDrivingImages', size=(30, 44)),
    dict(type='LoadDrivingPoints'),
    dict(type='LoadDrivingLabels', optional=True),
    dict(type='PackSSCInputs'),
]


def build(root, pipeline=(), **kwargs):
    from mmssc.registry import TRANSFORMS

    kwargs.setdefault('frame_offsets', (-3, 1))
    built = [TRANSFORMS.build({**t, 'type': f'mmssc.{t["type"]}'}) for t in pipeline]
    return SemanticKITTIDataset(INFO, data_root=str(root), pipeline=built, **kwargs)


@pytest.fixture
def item(tree):
    """08/000005 with frames 5, 2 and 6."""
    return build(tree)[2]


# --- images ---------------------------------------------------------------------------------


def test_load_images(item, tree):
    results = LoadDrivingImages()(item)
    assert [path[-10:] for path in results['img_paths']] == [
        '000005.png',
        '000002.png',
        '000006.png',
    ]
    assert results['img_shape'] == results['ori_shape'] == (32, 48)
    for path, image in zip(results['img_paths'], results['img']):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, np.asarray(Image.open(path)))


def turn_first_image(item, orientation=3):
    frame, exif = item['frames'][0], Image.Exif()
    exif[0x0112] = orientation
    Image.open(frame['img_path']).save(frame['img_path'], 'JPEG', exif=exif)


READ_DEPTH = dict(depth=LoadDrivingDepth(), points=LoadDrivingPoints(source='depth'))


@pytest.mark.parametrize('depth_first', [False, True])
@pytest.mark.parametrize('reading', READ_DEPTH)
@pytest.mark.filterwarnings('ignore:.*turned by')
def test_a_turned_image_is_refused_if_its_depth_is_read(item, reading, depth_first):
    turn_first_image(item)
    steps = [LoadDrivingImages(), READ_DEPTH[reading]]
    with pytest.raises(DataError, match='orientation: .*depth map does not turn .*exiftool'):
        Compose(steps[::-1] if depth_first else steps)(item)


def test_a_turned_image_or_its_depth_alone_is_read(item):
    turn_first_image(item)
    assert Path(item['frames'][0]['depth_path']).is_file()
    with pytest.warns(UserWarning, match='turned by .*calibration'):
        results = Compose([LoadDrivingImages(), LoadDrivingPoints()])(dict(item))
    assert len(results['img']) == 3
    assert len(LoadDrivingDepth()(dict(item))['depth']) == 3


@pytest.mark.parametrize('orientation', [3, 6])
@pytest.mark.parametrize('thorough', [False, True])
@pytest.mark.filterwarnings('ignore:.*turned by')
def test_the_dataset_check_refuses_turned_images_with_depth(tree, item, orientation, thorough):
    turn_first_image(item, orientation)

    def problems(*steps: str) -> list[str]:
        pipeline = [dict(type=step) for step in steps]
        dataset = dict(
            type='SemanticKITTIDataset', data_root=str(tree), ann_file=INFO, pipeline=pipeline
        )
        report = check_config(dict(test_dataloader=dict(dataset=dataset)), thorough)
        return [one.detail for one in report.problems if 'orientation' in one.detail]

    assert problems('LoadDrivingImages') == []
    (detail,) = problems('LoadDrivingImages', 'LoadDrivingDepth')
    assert 'depth map does not turn' in detail


def test_crop_keeps_the_top_left_corner(item):
    results = LoadDrivingImages()(item)
    before = [image.copy() for image in results['img']]
    results = CropDrivingImages((30, 44))(results)
    assert results['img_shape'] == (30, 44) and results['ori_shape'] == (32, 48)
    for image, whole in zip(results['img'], before):
        np.testing.assert_array_equal(image, whole[:30, :44])


def test_small_images_are_named(item):
    results = LoadDrivingImages()(item)
    with pytest.raises(DataError, match=r'000005.png: image size: expected at least 33 x 48'):
        CropDrivingImages((33, 48))(results)


def test_frames_of_different_size_are_refused(item):
    Image.new('RGB', (40, 32)).save(item['frames'][1]['img_path'])
    with pytest.raises(DataError, match=r'000002.png: image size.*\(32, 40\)'):
        LoadDrivingImages()(item)


def test_normalised_crop_equals_the_reference(unit_cases, tmp_path):
    pixels = integers('image_u8', (376, 1241, 3), 1, 0, 256).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    results = dict(sequence='00', frames=[dict(frame_id='0', img_path=str(tmp_path / 'a.png'))])
    packed = Compose([LoadDrivingImages(), CropDrivingImages((370, 1220)), PackSSCInputs()])(
        results
    )
    image = packed['inputs']['img'][0].float() / 255
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    normalised = ((image - mean) / std).numpy()
    assert normalised.shape == tuple(unit_cases['image/normalised/shape'])
    np.testing.assert_allclose(
        normalised.reshape(-1)[unit_cases['image/normalised/idx']],
        unit_cases['image/normalised/val'], rtol=0, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize('mode', ['L', 'P', 'RGBA'])
def test_other_image_modes_become_rgb(tmp_path, mode):
    Image.new(mode, (4, 3), 3).save(tmp_path / 'a.png')
    assert read_rgb(tmp_path / 'a.png').shape == (3, 4, 3)


def test_a_cut_or_flipped_image_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (32, 48, 3), np.uint8)).save(tmp_path / 'a.png')
    valid = (tmp_path / 'a.png').read_bytes()
    for damaged in (valid[:-40], valid[:200], valid[:20], b'', b'x' * 100):
        (tmp_path / 'a.png').write_bytes(damaged)
        with pytest.raises(DataError):
            read_rgb(tmp_path / 'a.png')
    for at in range(8, len(valid), 97):
        flipped = bytearray(valid)
        flipped[at] ^= 16
        (tmp_path / 'a.png').write_bytes(bytes(flipped))
        with pytest.raises(DataError):
            read_rgb(tmp_path / 'a.png')


# --- points ---------------------------------------------------------------------------------


def test_points_are_moved_and_merged(item):
    points = LoadDrivingPoints()(item)['points']
    assert points.dtype == np.float32
    start = 0
    for frame, frame2ref in zip(item['frames'], item['frame2ref']):
        own = read_velodyne(frame['pseudo_lidar_path'])[:, :3].astype(np.float64)
        moved = np.c_[own, np.ones(len(own))] @ frame2ref.T
        part = points[start : start + len(own)]
        np.testing.assert_allclose(part, moved[:, :3], rtol=1e-6, atol=1e-5)
        start += len(own)
    assert start == len(points)


def test_depth_maps_are_read_cropped_and_packed(item):
    results = LoadDrivingDepth()(LoadDrivingImages()(item))
    whole = [read_depth(frame['depth_path']) for frame in item['frames']]
    assert len(whole) == 3 and (whole[0] == 0).any() and not np.array_equal(whole[0], whole[1])
    for depth, expected in zip(results['depth'], whole):
        np.testing.assert_array_equal(depth, expected)
    packed = PackSSCInputs()(CropDrivingImages((30, 44))(results))['inputs']['depth']
    assert packed.shape == (3, 30, 44) and packed.dtype == torch.float32
    np.testing.assert_array_equal(packed, np.stack(whole)[:, :30, :44])


def test_depth_maps_come_from_any_folder_and_kind(tree, tmp_path):
    for frame in (2, 5, 6):
        source = read_depth(tree / f'dataset/depth/08/{frame:06d}.npy')
        write_depth(tmp_path / f'lidar/08/{frame:06d}.png', source)
    kwargs = dict(data_prefix=dict(depth=str(tmp_path / 'lidar')), depth_suffix='.png')
    found = LoadDrivingDepth()(build(tree, **kwargs)[2])['depth']
    expected = LoadDrivingDepth()(build(tree)[2])['depth']
    np.testing.assert_allclose(found, expected, atol=0.5 / 256)


def test_a_missing_depth_map_names_the_frame_and_the_command(item, tree):
    (tree / 'dataset/depth/08/000002.npy').unlink()
    with pytest.raises(DataError, match=r'depth/08/000002.npy: frame 08/000002.*semantic_kitti'):
        LoadDrivingDepth()(item)


def test_depth_maps_have_the_size_of_the_image(item):
    write_depth(item['frames'][1]['depth_path'], np.ones((3, 4)))
    with pytest.raises(DataError, match=r'000002.npy: .*size: expected \(32, 48\) as the image'):
        LoadDrivingDepth()(LoadDrivingImages()(item))


def test_depth_gives_the_points_of_the_file(item):
    from_file = LoadDrivingPoints()(dict(item))['points']
    from_depth = LoadDrivingPoints(source='depth')(dict(item))['points']
    assert len(from_file) > 1000
    np.testing.assert_array_equal(from_file, from_depth)


def test_fallback_frames_repeat_the_points(tree):
    results = LoadDrivingPoints()(build(tree, frame_offsets=(-9, -9))[2])
    assert [frame['frame_id'] for frame in results['frames']] == ['000005'] * 3
    a, b, c = np.split(results['points'], 3)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, c)


def test_crop_to_grid_changes_no_voxel(item):
    grid = VoxelGrid((0, -12.8, -2), 0.8, (32, 32, 8))
    item['voxel_grid'] = grid
    whole = LoadDrivingPoints()(dict(item))['points']
    cropped = LoadDrivingPoints(crop_to_grid=True)(dict(item))['points']
    assert 0 < len(cropped) < len(whole)
    expected, _ = quantize_points(torch.from_numpy(whole), grid)
    found, _ = quantize_points(torch.from_numpy(cropped), grid)
    assert torch.equal(found, expected)


def test_a_cloud_outside_the_grid_is_empty(item):
    item['voxel_grid'] = VoxelGrid((1000, 0, 0), 1, (2, 2, 2))
    assert LoadDrivingPoints(crop_to_grid=True)(item)['points'].shape == (0, 3)


def test_a_fourth_column_is_warned_about_and_ignored(item):
    path = item['frames'][0]['pseudo_lidar_path']
    expected = LoadDrivingPoints()(dict(item))['points']
    points = read_velodyne(path)
    points = points.copy()
    points[:, 3] = 0.25
    write_velodyne(path, points)
    with pytest.warns(UserWarning, match=re.escape(path)):
        found = LoadDrivingPoints()(dict(item))['points']
    np.testing.assert_array_equal(found, expected)


def test_a_depth_map_of_another_size_is_refused(item):
    write_npy(item['frames'][0]['depth_path'], np.ones((3, 4), np.float32))
    with pytest.raises(DataError, match=r'\(32, 48\) as the image, found \(3, 4\)'):
        LoadDrivingPoints(source='depth')(LoadDrivingImages()(item))


def test_unknown_options_are_refused():
    with pytest.raises(DataError, match='source'):
        LoadDrivingPoints(source='lidar')
    with pytest.raises(DataError, match='scales'):
        LoadDrivingLabels(scales=('1_3',))


# --- labels ---------------------------------------------------------------------------------


def test_load_labels(item):
    results = LoadDrivingLabels()(item)
    for key, scale, shape in (
        ('gt_voxels', '1_1', (16, 16, 8)),
        ('gt_voxels_1_2', '1_2', (8, 8, 4)),
    ):
        assert results[key].shape == shape and results[key].dtype == np.uint8
        np.testing.assert_array_equal(results[key], read_npy(item['label_paths'][scale]))


def test_missing_scales_are_pooled_on_request(item):
    with pytest.raises(DataError, match='000005_1_4.npy'):
        LoadDrivingLabels(scales=('1_1', '1_4'))(dict(item))
    results = LoadDrivingLabels(scales=('1_4',), pool_missing=True)(item)
    full = torch.from_numpy(np.array(read_npy(item['label_paths']['1_1'])))
    np.testing.assert_array_equal(results['gt_voxels_1_4'], pool_labels(full, 4, 20).numpy())
    assert 'gt_voxels' not in results


def test_ids_beyond_the_classes_are_refused(item):
    labels = np.zeros((16, 16, 8), np.uint8)
    labels[3, 4, 1] = 20
    write_voxel_labels(item['label_paths']['1_1'], labels)
    with pytest.raises(DataError, match=r'0\.\.19 or 255 .20 classes., found 20 .1 vox.*raw ids'):
        LoadDrivingLabels()(item)


def test_unlabelled_samples(tree):
    item = build(tree, frame_offsets=())[3]
    with pytest.raises(DataError, match='08/000007.*optional=True'):
        LoadDrivingLabels()(dict(item))
    assert 'gt_voxels' not in LoadDrivingLabels(optional=True)(dict(item))


@pytest.mark.parametrize(('extent', 'x', 'y'), [(12.8, 64, (96, 160)), (25.6, 128, (64, 192)),
                                                (51.2, 256, (0, 256))])  # fmt: skip
def test_mask_range(extent, x, y):
    grid = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
    labels = np.ones((256, 256, 32), np.uint8)
    results = dict(voxel_grid=grid, ignore_index=255, gt_voxels=labels, gt_voxels_1_2='left alone')
    results = MaskVoxelRange(extent)(results)
    expected = np.full_like(labels, 255)
    expected[:x, y[0] : y[1]] = 1
    np.testing.assert_array_equal(results['gt_voxels'], expected)
    assert labels.min() == labels.max() == 1
    assert results['gt_voxels_1_2'] == 'left alone'
    assert 'gt_voxels' not in MaskVoxelRange(extent)(dict(voxel_grid=grid, ignore_index=255))


# --- the whole way --------------------------------------------------------------------------


def test_end_to_end(tree):
    dataset = build(tree, PIPELINE)
    packed = dataset[2]
    sample, inputs = packed['data_samples'], packed['inputs']
    assert isinstance(sample, SSCDataSample)
    assert inputs['img'].shape == (3, 3, 30, 44) and inputs['img'].dtype == torch.uint8
    assert inputs['points'].dtype == torch.float32 and inputs['points'].shape[1] == 3
    assert sample.gt_voxels.shape == (16, 16, 8) and sample.gt_voxels.dtype == torch.uint8
    assert sample.gt_voxels_1_2.shape == (8, 8, 4)
    assert (sample.sequence, sample.frame_id, sample.img_shape) == ('08', '000005', (30, 44))
    assert sample.lidar2cam.shape == (3, 4, 4) and sample.lidar2cam.dtype == np.float64
    assert sample.cam2img.shape == (3, 3)
    assert sample.voxel_grid.shape == (16, 16, 8)
    assert len(sample.img_paths) == 3
    first = np.asarray(Image.open(sample.img_paths[0]))[:30, :44]
    np.testing.assert_array_equal(inputs['img'][0].permute(1, 2, 0).numpy(), first)
    assert 'gt_voxels' not in dataset[3]['data_samples']


@pytest.mark.parametrize('num_workers', [0, 2])
def test_batches(tree, num_workers):
    loader = DataLoader(
        build(tree, PIPELINE), batch_size=2, collate_fn=pseudo_collate, num_workers=num_workers
    )
    batches = list(loader)
    assert len(batches) == 2
    assert [image.shape for image in batches[0]['inputs']['img']] == [(3, 3, 30, 44)] * 2
    assert len(batches[0]['inputs']['points']) == 2
    assert [s.frame_id for b in batches for s in b['data_samples']] == (
        ['000000', '000000', '000005', '000007']
    )


# kind of file -> (path below the frame or item, what the message must hold)
FILES = {
    'image': (lambda item: item['frames'][1]['img_path'], '08/000002', ''),
    'cloud': (
        lambda item: item['frames'][1]['pseudo_lidar_path'],
        '08/000002',
        'semantic_kitti.py',
    ),
    'depth': (lambda item: item['frames'][2]['depth_path'], '08/000006', 'semantic_kitti.py'),
    'labels': (lambda item: item['label_paths']['1_2'], '08/000005', 'semantic_kitti.py'),
}


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('damage', ['missing', 'empty', 'truncated'])
def test_bad_files_are_named(tree, kind, damage):
    find, frame, command = FILES[kind]
    path = find(build(tree)[2])
    content = (tree / path).read_bytes()
    if damage == 'missing':
        (tree / path).unlink()
    else:
        (tree / path).write_bytes(b'' if damage == 'empty' else content[: len(content) // 2 + 1])
    with pytest.raises(DataError) as caught:
        source = 'depth' if kind == 'depth' else 'pseudo_lidar'
        build(tree, [*PIPELINE[:2], dict(type='LoadDrivingPoints', source=source), PIPELINE[3]])[2]
    message = str(caught.value)
    assert path in message and frame in message and 'expected' in message
    assert command in message
    if command:
        assert f'python tools/dataset_converters/semantic_kitti.py {tree}' in message


def test_errors_come_through_worker_processes(tree):
    dataset = build(tree, PIPELINE)
    path = dataset.get_data_info(2)['frames'][1]['pseudo_lidar_path']
    (tree / path).unlink()
    loader = DataLoader(dataset, collate_fn=pseudo_collate, num_workers=1)
    with pytest.raises(DataError, match='000002.bin'):
        list(loader)


def test_errors_keep_their_fields_through_pickle():
    error = DataError('a', 'b', 'c', 'd', 'e')
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert (copy.file, copy.field, copy.expected, copy.found, copy.hint) == tuple('abcde')


@pytest.mark.parametrize('number', [0, 255])
def test_labels_without_a_class_are_announced(item, number):
    write_voxel_labels(item['label_paths']['1_1'], np.full((16, 16, 8), number, np.uint8))
    with pytest.warns(UserWarning, match='_1_1.npy: every voxel is'):
        LoadDrivingLabels(scales=('1_1',))(item)


def test_a_damaged_file_is_not_made_again_by_the_converter_alone(item):
    path = item['label_paths']['1_1']
    for shape, text in (
        ((8, 16, 16), 'another order: transpose the array'),
        ((8, 8, 8), 'Replace the file, or remove it and run: python tools/'),
        (None, r'found none\. Run: python tools/'),
    ):
        if shape is None:
            Path(path).unlink()
        else:
            write_voxel_labels(path, np.zeros(shape, np.uint8))
        with pytest.raises(DataError, match=text):
            LoadDrivingLabels()(item)
