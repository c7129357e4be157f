import json

import numpy as np
import pytest

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.datasets.sscbench_kitti360 import kitti360_calibration
from mmssc.errors import DataError
from mmssc.formats.matrices import to_homogeneous
from mmssc.structures import VoxelGrid

INFO = 'semantickitti_infos_val.json'


def build(root, **kwargs):
    return SemanticKITTIDataset(ann_file=INFO, data_root=str(root), **kwargs)


def test_order_does_not_depend_on_the_info_file(tree):
    dataset = build(tree)
    names = [(item['sequence'], item['frame_id']) for item in dataset]
    assert names == [('00', '000000'), ('08', '000000'), ('08', '000005'), ('08', '000007')]
    assert [item['sample_idx'] for item in dataset] == [0, 1, 2, 3]


WRONG_INDICES = [
    ([0, 4], 'numbers below 4, found 4'),
    ([-5], 'numbers below 4, found -5'),
    (0, 'a number of frames from 1 to 4, or -4 to -1 for the last ones, found 0'),
    (99, 'a number of frames from 1 to 4, .*, found 99'),
    (-5, 'a number of frames from 1 to 4, .*, found -5'),
    *((value, 'a number of frames, or a list of the numbers') for value in ([], '01', True, [1.5])),
]


@pytest.mark.parametrize(('indices', 'message'), WRONG_INDICES)
def test_indices_must_be_frames(tree, indices, message):
    with pytest.raises(DataError, match=f'SemanticKITTIDataset.indices: expected {message}'):
        build(tree, indices=indices)


@pytest.mark.parametrize(
    ('indices', 'expected'), [(2, [0, 1]), (4, [0, 1, 2, 3]), (-1, [3]), ([0, -1], [0, 3])]
)
def test_indices_choose_frames(tree, indices, expected):
    every = [item['frame_id'] for item in build(tree)]
    found = [item['frame_id'] for item in build(tree, indices=indices)]
    assert found == [every[index] for index in expected]


def test_item(tree, info):
    item = build(tree)[2]
    root = str(tree)
    assert item['frames'] == [
        {
            'frame_id': '000005',
            'img_path': f'{root}/dataset/sequences/08/image_2/000005.png',
            'pseudo_lidar_path': f'{root}/dataset/pseudo_lidar/08/000005.bin',
            'depth_path': f'{root}/dataset/depth/08/000005.npy',
            'scan_path': f'{root}/dataset/sequences/08/velodyne/000005.bin',
        }
    ]
    assert item['label_paths']['1_2'] == f'{root}/dataset/labels/08/000005_1_2.npy'
    assert sorted(item['label_paths']) == ['1_1', '1_2', '1_4', '1_8']
    sequence = info['sequences']['08']
    np.testing.assert_array_equal(item['P2'], sequence['P2'])
    np.testing.assert_array_equal(item['cam2img'], sequence['P2'][:, :3])
    np.testing.assert_array_equal(item['lidar2cam'], sequence['lidar2cam'][None])
    np.testing.assert_array_equal(item['frame2ref'], np.eye(4)[None])
    assert item['voxel_grid'] == VoxelGrid((0, -25.6, -2), (3.2, 3.2, 0.8), (16, 16, 8))
    assert (item['num_classes'], item['ignore_index']) == (20, 255)


def test_unlabelled_samples_have_no_label_paths(tree):
    assert 'label_paths' not in build(tree, test_mode=True)[3]


def test_metainfo_tells_the_grid_of_the_data(tree):
    assert VoxelGrid.build(build(tree).metainfo['voxel_grid']).shape == (16, 16, 8)
    assert SemanticKITTIDataset.METAINFO['voxel_grid']['shape'] == [256, 256, 32]


def test_other_folders(tree):
    item = build(tree, data_prefix=dict(labels='other'), depth_suffix='.png')[2]
    assert item['label_paths']['1_1'] == f'{tree}/other/08/000005_1_1.npy'
    assert item['frames'][0]['depth_path'] == f'{tree}/dataset/depth/08/000005.png'
    with pytest.raises(DataError, match='data_prefix'):
        build(tree, data_prefix=dict(label='other'))
    with pytest.raises(DataError, match='frame_bound'):
        build(tree, frame_bound='all')


def frame_numbers(item):
    return [int(frame['frame_id']) for frame in item['frames']]


def query(root, frames, sequence, offsets, dataset=SemanticKITTIDataset, **kwargs):
    """The frames read for each query frame."""
    content = {
        'metainfo': {
            'dataset': dataset.METAINFO['dataset'], 'split': 'val', 'format_version': 1,
            'voxel_grid': dataset.METAINFO['voxel_grid'],
        },
        'sequences': {'a': sequence},
        'data_list': [
            {'sequence': 'a', 'frame_id': f'{f:06d}', 'labelled': False} for f in frames
        ],
    }  # fmt: skip
    write_driving_list(root / 'infos.json', content)
    built = dataset('infos.json', data_root=str(root), frame_offsets=offsets, **kwargs)
    return [frame_numbers(built[n]) for n in range(len(frames))], built


def test_kitti_fallback_equals_the_reference(unit_cases, tmp_path, info):
    poses = np.repeat(np.eye(4)[None], 16, 0)
    sequence = {**info['sequences']['08'], 'poses': poses}
    frames, _ = query(tmp_path, unit_cases['fallback/kitti_query'], sequence, (-12, -9, -6, -3))
    assert frames == unit_cases['fallback/kitti_frames'].tolist()


@pytest.fixture
def kitti360_sequence():
    projection, lidar2cam = kitti360_calibration()
    index = np.array([0, 1, 2, 4, 5, 6, 7, 11])
    poses = np.repeat(np.eye(4)[None], 8, 0)
    poses[:, 0, 3] = index
    return {'P2': projection, 'lidar2cam': lidar2cam, 'poses': poses, 'pose_indices': index}


def test_kitti360_fallback_equals_the_reference(unit_cases, tmp_path, kitti360_sequence):
    frames, dataset = query(
        tmp_path, unit_cases['fallback/kitti360_query'], kitti360_sequence,
        unit_cases['fallback/kitti360_offsets'], SSCBenchKITTI360Dataset,
    )  # fmt: skip
    assert frames == unit_cases['fallback/kitti360_frames'].tolist()
    for item in dataset:
        repeats = np.array(frame_numbers(item)) == int(item['frame_id'])
        identity = (item['frame2ref'] == np.eye(4)).all((1, 2))
        np.testing.assert_array_equal(repeats, identity)


def test_bound_by_index_reaches_the_end_of_a_drive(tmp_path, kitti360_sequence):
    offsets = (-4, 4)
    args = (tmp_path, [3, 7, 11], kitti360_sequence, offsets, SSCBenchKITTI360Dataset)
    assert query(*args)[0] == [[3, 3, 3], [7, 7, 7], [11, 7, 11]]
    assert query(*args, frame_bound='index')[0] == [[3, 3, 3], [7, 7, 11], [11, 7, 11]]


def test_lidar_poses_equal_the_reference(unit_cases, kitti_lidar2cam):
    lines = unit_cases['pose/kitti_lines'].reshape(-1, 3, 4)
    lidar = SemanticKITTIDataset.lidar_poses(to_homogeneous(lines), kitti_lidar2cam)
    np.testing.assert_allclose(lidar, unit_cases['pose/kitti_lidar'], rtol=0, atol=1e-12)
    lines = unit_cases['pose/kitti360_lines'][:, 1:].reshape(-1, 3, 4)
    lidar2cam = kitti360_calibration()[1]
    lidar = SSCBenchKITTI360Dataset.lidar_poses(to_homogeneous(lines), lidar2cam)
    np.testing.assert_allclose(lidar, unit_cases['pose/kitti360_lidar'], rtol=1e-12, atol=1e-12)


def test_kitti360_constants_equal_the_reference(unit_cases):
    projection, lidar2cam = kitti360_calibration()
    np.testing.assert_array_equal(projection, unit_cases['calib_kitti360/P'])
    np.testing.assert_array_equal(lidar2cam, unit_cases['calib_kitti360/T_velo_2_cam'])


def test_motion_of_the_full_size_case(parity, tmp_path, kitti_lidar2cam):
    lines = parity('units_1')['pose/kitti_lines'].reshape(-1, 3, 4)
    sequence = {
        'P2': [[707.0912, 0, 601.8873, 46.88783], [0, 707.0912, 183.1104, 0.1178601], [0, 0, 1, 0]],
        'lidar2cam': kitti_lidar2cam, 'poses': to_homogeneous(lines),
    }  # fmt: skip
    _, dataset = query(tmp_path, [15], sequence, (-12, -9, -6, -3))
    np.testing.assert_allclose(
        dataset[0]['lidar2cam'], parity('case_T_1')['input/ref2cam'], rtol=0, atol=1e-12
    )


def test_points_move_against_voxels(tree):
    item = build(tree, frame_offsets=(-3, 1))[2]
    assert frame_numbers(item) == [5, 2, 6]
    # current lidar -> camera n -> lidar n -> current lidar is the identity.
    lidar2cam = item['lidar2cam'][0]
    for to_camera, back in zip(item['lidar2cam'], item['frame2ref']):
        loop = back @ np.linalg.inv(lidar2cam) @ to_camera
        np.testing.assert_allclose(loop, np.eye(4), atol=1e-12)
    # The car drove 0.85 m per frame along the camera axis: an older cloud lies behind.
    assert item['frame2ref'][1][0, 3] < -2.4
    assert item['frame2ref'][2][0, 3] > 0.8


def test_a_missing_info_file_names_the_command(tmp_path):
    with pytest.raises(DataError) as caught:
        build(tmp_path)
    assert INFO in str(caught.value)
    assert f'python tools/dataset_converters/semantic_kitti.py {tmp_path}' in str(caught.value)


def test_an_info_file_without_samples_is_refused(tree):
    content = json.loads((tree / INFO).read_text())
    (tree / INFO).write_text(json.dumps({**content, 'data_list': []}))
    with pytest.raises(DataError, match='data_list: expected at least one sample, found none. Run'):
        build(tree)


def test_an_info_file_of_another_data_set_is_refused(tmp_path, kitti360_sequence):
    query(tmp_path, [3], kitti360_sequence, (), SSCBenchKITTI360Dataset)
    with pytest.raises(DataError, match='expected SemanticKITTI, found SSCBenchKITTI360') as caught:
        SemanticKITTIDataset('infos.json', data_root=str(tmp_path))
    assert 'infos.json: metainfo.dataset' in str(caught.value)
    assert 'SemanticKITTIDataset reads other files. Run: python' in str(caught.value)
    # Data of one's own in the same layout.
    SemanticKITTIDataset(
        'infos.json', data_root=str(tmp_path), metainfo=dict(dataset='SSCBenchKITTI360')
    )


def test_dense_pose_indices_let_a_frame_without_pose_fall_back(tmp_path, kitti360_sequence):
    sequence = {**kitti360_sequence, 'pose_indices': np.arange(8)}
    args = (tmp_path, [7, 9], sequence, (-3,), SSCBenchKITTI360Dataset)
    assert query(*args)[0] == [[7, 4], [9, 9]]


def test_a_frame_without_pose_is_refused_where_poses_have_no_indices(tree):
    content = json.loads((tree / INFO).read_text())
    content['sequences']['08']['poses'] = content['sequences']['08']['poses'][:6]
    (tree / INFO).write_text(json.dumps(content))
    assert len(build(tree)) == 4  # a single frame needs no pose
    with pytest.raises(DataError, match='a pose of frame 7 for 08/000007, found 6 poses'):
        build(tree, frame_offsets=(-3,))
