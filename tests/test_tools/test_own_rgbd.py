"""Frames of one's own depth camera: pose from the floor, from files or by hand; wrong input."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nyu_trees import file_states
from PIL import Image

from mmssc.datasets import NYUDataset
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.geometry import depth_volumes, place_grid
from mmssc.geometry.floor import tilted_camera
from mmssc.preparation.rgbd.own_camera import prepare_own

CAMERA = '65,65,39.5,29.5'
# Voxels of 0.4 m.
OPTIONS = ['--camera', CAMERA, '--grid-shape', '8', '6', '8', '--voxel-size', '0.4',
           '--workers', '1']  # fmt: skip
HEIGHTS = dict(a=1.2, b=1.5)


def room_depth(height: float, tilt: float) -> np.ndarray:
    """Depth of the floor and of a wall 3 m ahead, (60, 80)."""
    pose = tilted_camera(height, tilt).double().numpy()
    row, column = np.mgrid[:60, :80]
    rays = np.stack([(column - 39.5) / 65, (row - 29.5) / 65, np.ones((60, 80))], -1)
    rays = rays @ pose[:3, :3].T
    with np.errstate(divide='ignore'):
        floor = np.where(rays[..., 2] < 0, -height / rays[..., 2], np.inf)
        wall = np.where(rays[..., 1] > 0, 3 / rays[..., 1], np.inf)
    depth = np.minimum(floor, wall)
    return np.where(depth < 8, depth, 0)


@pytest.fixture
def root(tmp_path) -> Path:
    for name, height in HEIGHTS.items():
        depth = room_depth(height, math.radians(15))
        (tmp_path / 'depth').mkdir(exist_ok=True)
        write_plain_depth_mm(tmp_path / f'depth/frame-{name}.png', depth)
        (tmp_path / 'rgb').mkdir(exist_ok=True)
        np.savetxt(tmp_path / f'{name}.txt', tilted_camera(height, math.radians(15)))
    Image.fromarray(np.full((60, 80, 3), 7, np.uint8)).save(tmp_path / 'rgb/a.jpg')
    return tmp_path


def prepare(root: Path, *options: object) -> int:
    depth = ['--depth', 'depth/frame-*.png', '--color', 'rgb/*.jpg']
    return prepare_own('test', [str(root), *OPTIONS, *depth, *map(str, options)])


def frames_of(root: Path, keys=('tsdf', 'voxel_to_pixel'), require=()) -> list[dict]:
    return list(
        NYUDataset(
            ann_file='own_infos.json', data_root=str(root), source='own', label_source='own',
            pipeline=[LoadRGBDFrame(keys)], test_mode=True, require=require,
        )
    )  # fmt: skip


def test_pose_from_files(root):
    assert prepare(root, '--poses', '*.txt', '--fine') == 0
    frames = frames_of(root, ('tsdf', 'tsdf_fine', 'voxel_to_pixel'))
    assert [frame['frame_id'] for frame in frames] == ['a', 'b']
    for frame, height in zip(frames, HEIGHTS.values()):
        pose = tilted_camera(height, math.radians(15))
        grid = place_grid(pose, 0.4, (8, 6, 8))
        assert frame['voxel_grid'].origin == pytest.approx(grid.origin, abs=1e-6)
        assert np.allclose(frame['lidar2cam'][0] @ pose.numpy(), np.eye(4), atol=1e-5)
        depth = np.round(room_depth(height, math.radians(15)) * 1000) / 1000
        depth = torch.from_numpy(depth.astype(np.float32))
        camera = torch.tensor([[65, 0, 39.5], [0, 65, 29.5], [0, 0, 1]])
        expected = depth_volumes(depth, camera, pose, frame['voxel_grid'])
        assert np.array_equal(frame['voxel_to_pixel'], expected.voxel_to_pixel)
        assert np.array_equal(frame['tsdf'], expected.tsdf)
        assert (frame['tsdf'] < 0).any() and (frame['voxel_to_pixel'] >= 0).sum() > 20
    assert frames[0]['missing'] == set() and frames[1]['missing'] == {'img'}


def test_fine_volumes_of_another_factor_are_read(root):
    assert prepare(root, '--poses', '*.txt', '--fine', '--fine-factor', 2) == 0
    for frame in frames_of(root, ('tsdf', 'tsdf_fine')):
        fine = frame['tsdf_fine'].astype(np.float64)
        assert fine.shape == (16, 12, 16)
        pooled = fine.reshape(8, 2, 6, 2, 8, 2).mean((1, 3, 5))
        assert np.allclose(pooled, frame['tsdf'], atol=1e-3)
    (root / 'prepared/own/a.npz').unlink()
    with pytest.raises(DataError, match='Run: python tools/dataset_converters/own_rgbd.py'):
        frames_of(root)


@pytest.mark.parametrize('scale', ['0', '-5', 'nan'])
def test_unit_of_the_depth_is_checked(root, scale, capsys):
    with pytest.raises(SystemExit):
        prepare(root, f'--depth-scale={scale}')
    assert f'{scale} is not a positive number' in capsys.readouterr().err


def test_the_floor_gives_the_pose(root, capsys):
    assert prepare(root) == 0
    assert re.search(
        r'a: camera 1.2\d m above the floor, 15.\d degrees down, .* \(floor: confidence 0.\d\d\)',
        capsys.readouterr().out,
    )
    for frame, height in zip(frames_of(root), HEIGHTS.values()):
        found = np.linalg.inv(frame['lidar2cam'][0])
        assert np.allclose(found, tilted_camera(height, math.radians(15)), atol=0.03)


def test_an_image_that_may_be_on_its_side_is_refused_or_said(root, capsys):
    """A bare corner on its side shows a floor too; the user's word on the turn decides."""
    for path in (root / 'depth').glob('*.png'):
        upright = np.array(Image.open(path)).astype(np.uint16)
        Image.fromarray(np.ascontiguousarray(np.rot90(upright))).save(path)
    options = [
        str(root),
        *OPTIONS[2:],
        '--depth',
        'depth/frame-*.png',
        '--camera',
        '65,65,29.5,39.5',
    ]
    assert prepare_own('test', options) == 1
    error = capsys.readouterr().err
    assert 'frame-a.png: floor: expected' in error and '--rotate 0 if it is' in error
    assert prepare_own('test', [*options, '--rotate', '90']) == 0


def test_frames_of_low_confidence_are_named(root, capsys, monkeypatch):
    monkeypatch.setattr('mmssc.preparation.rgbd.own_camera._UNSURE', 1.0)
    with pytest.warns(UserWarning, match='check the camera of 2 frames with a floor of conf'):
        assert prepare(root) == 0
    capsys.readouterr()
    assert prepare(root, '--height', 1.3, '--overwrite') == 0
    assert 'floor: confidence' not in capsys.readouterr().out


def test_pose_by_hand_and_grid_by_hand(root):
    assert prepare(root, '--height', 1.3, '--tilt', 10, '--origin', -1, 0.5, -0.1) == 0
    for frame in frames_of(root):
        found = np.linalg.inv(frame['lidar2cam'][0])
        assert np.allclose(found, tilted_camera(1.3, math.radians(10)), atol=1e-6)
        assert frame['voxel_grid'].origin == pytest.approx((-1, -0.1, 0.5))


def test_roll_by_hand(root, capsys):
    assert prepare(root, '--height', 1.3, '--tilt', 10, '--roll', -5) == 0
    expected = tilted_camera(1.3, math.radians(10), math.radians(-5))
    for frame in frames_of(root):
        assert np.allclose(np.linalg.inv(frame['lidar2cam'][0]), expected, atol=1e-6)
    words = 'camera 1.30 m above the floor, 10.0 degrees down, rolled by -5.0 degrees'
    assert words in capsys.readouterr().out


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_images_that_are_not_upright(root, degrees, capsys):
    """The world is the same as that of upright images; the files and their pixels stay."""
    for path in (root / 'depth').glob('*.png'):
        upright = np.array(Image.open(path)).astype(np.uint16)
        Image.fromarray(np.ascontiguousarray(np.rot90(upright, degrees // 90))).save(path)
    options = [str(root), *OPTIONS[2:], '--depth', 'depth/frame-*.png', '--rotate', str(degrees)]
    # fx = fy; the centre turns with the image.
    camera = '65,65,39.5,29.5' if degrees == 180 else '65,65,29.5,39.5'
    assert prepare_own('test', [*options, '--camera', camera]) == 0
    assert re.search(r'a: camera 1.2\d m .*, 15.\d degrees down, rolled', capsys.readouterr().out)
    for frame, height in zip(frames_of(root), HEIGHTS.values()):
        pose = np.linalg.inv(frame['lidar2cam'][0])
        upright = tilted_camera(height, math.radians(15))
        assert np.allclose(pose[:3, 2:], upright[:3, 2:], atol=0.03)
        assert (frame['voxel_to_pixel'] >= 0).sum() > 20
    assert prepare(root, '--rotate', degrees) == 2
    assert '--rotate: expected depth images only' in capsys.readouterr().err


def test_unit_of_the_depth(root):
    assert prepare(root, '--poses', '*.txt') == 0
    expected = frames_of(root)
    for path in (root / 'depth').glob('*.png'):
        millimetres = np.array(Image.open(path)).astype(np.uint16)
        Image.fromarray(millimetres * np.uint16(5)).save(path)
    assert prepare(root, '--poses', '*.txt', '--depth-scale', 5000, '--overwrite') == 0
    for one, other in zip(expected, frames_of(root)):
        assert np.allclose(one['tsdf'], other['tsdf'], atol=1e-3)


def test_a_second_run_rewrites_nothing_and_settings_do_not_mix(root, capsys):
    assert prepare(root) == 0
    before = file_states(root)
    assert prepare(root) == 0
    assert file_states(root) == before
    capsys.readouterr()
    assert prepare(root, '--height', 1.3, '--tilt', 28) == 2
    message = capsys.readouterr().err
    assert 'settings: expected --height 1.3, --tilt 28, found no --height, --tilt 0. ' in message
    assert '--overwrite to make' in message and 'with --out ANOTHER' in message
    assert prepare(root, '--depth-limits', 0.4, 8, '--voxel-size', 0.3) == 2
    message = capsys.readouterr().err
    assert 'found --voxel-size 0.4 0.4 0.4, --depth-limits 0.5 8.0. Run' in message
    # A folder of an earlier release.
    path = root / 'prepared/own/recipe.json'
    path.write_text(path.read_text().replace('"floor_search": 3', '"floor_search": 2'))
    assert prepare(root) == 2
    assert 'found files made by an older mmssc. Run' in capsys.readouterr().err


def test_images_of_every_kind_are_counted(root, capsys):
    assert prepare(root) == 0
    assert 'infos: --color: 1 of 2 frames have an image; none: b\n' in capsys.readouterr().out
    (root / 'ids').mkdir()
    for name in 'ab':
        Image.new('L', (80, 60)).save(root / f'ids/{name}.png')
    assert prepare(root, '--segmentation', 'ids/*.png') == 0
    assert 'infos: --segmentation: 2 of 2 frames have an image\n' in capsys.readouterr().out
    for option, pattern, text in (
        ('--segmentation', 'ids/x*.png', 'images: expected at least one, found none'),
        ('--color', 'none/*.jpg', 'images: expected at least one, found no folder'),
        ('--color', 'rgb/a.jpg', '--color: expected a * for the name of the frame'),
    ):
        assert prepare(root, option, pattern) == 2
        assert text in capsys.readouterr().err


def test_the_folder_is_checked_by_its_info_list(root, tool_in_process):
    check = tool_in_process('misc/check_dataset.py')
    assert prepare(root) == 0
    status, output = check(root)
    assert status == 0 and 'no problem found' in output
    (root / 'rgb/a.jpg').unlink()
    (root / 'prepared/own/b.npz').write_bytes(b'half')
    status, output = check(root)
    assert status == 1 and '2 problems: 1 damaged, 1 missing' in output
    (root / 'own_infos.json').unlink()
    status, output = check(root)
    assert status == 2 and 'prepare it with nyu.py' in output


def test_a_wrong_folder_is_named_in_words_of_this_command(root, capsys):
    assert prepare(root / 'none') == 2
    message = capsys.readouterr().err
    assert 'Give the folder of your frames' in message and 'make_synthetic' not in message
    assert prepare(root / 'rgb/a.jpg') == 2
    assert 'root: expected a folder, found a file. Give the folder' in capsys.readouterr().err


def test_a_warning_and_an_error_of_a_file_name_a_unit_once(root, capsys):
    # No floor, and a median of 7 m in every pixel: the error stands for the warning, too.
    for name in HEIGHTS:
        write_plain_depth_mm(root / f'depth/frame-{name}.png', np.full((60, 80), 7.0))
    assert prepare(root) == 1
    lines = capsys.readouterr().err.splitlines()
    errors = [line for line in lines if line.startswith('error: frames')]
    assert len(errors) == len(HEIGHTS)
    assert all('floor: ' in line and line.count('--depth-scale 4000') == 1 for line in errors)
    assert sum('The median would be' in line for line in lines) == len(errors)


def test_results_elsewhere(root, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    before = file_states(root)
    assert prepare(root, '--out', out) == 0
    assert file_states(root) == before
    assert frames_of(out)[0]['files']['img'][0] == str(root / 'rgb/a.jpg')


def test_a_camera_may_be_a_file(root):
    np.savetxt(root / 'K.txt', [[65, 0, 39.5], [0, 65, 29.5], [0, 0, 1]])
    assert prepare(root, '--camera', root / 'K.txt') == 0
    assert frames_of(root)[0]['cam2img'].tolist() == [[65, 0, 39.5], [0, 65, 29.5], [0, 0, 1]]


def write_pose(text: str):
    return lambda root: (root / 'a.txt').write_text(text)


WRONG = [
    (
        write_pose('1 2 3'),
        ['--poses', '*.txt'],
        'a.txt: content: expected 16 numbers, found 3 words',
    ),
    (write_pose('x'), ['--poses', '*.txt'], 'a.txt: content: expected 16 numbers'),
    (write_pose('2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1'), ['--poses', '*.txt'], 'a.txt: pose'),
    (lambda root: None, ['--poses', 'none-*.txt'], 'none-a.txt: file: expected an existing file'),
    (lambda root: None, ['--tilt', '5'], '--tilt, --roll: expected --height'),
    (lambda root: None, ['--poses', '*.txt', '--height', '1'], '--poses: expected poses of'),
    (
        lambda root: None,
        ['--height', '-1'],
        '--height: expected metres above the floor',
    ),
    (lambda root: None, ['--depth', 'depth/*-*.png'], '--depth: expected one'),
    (lambda root: None, ['--depth', 'none/*.png'], 'depth images: expected at least one'),
    (lambda root: None, ['--image-size', '60', '81'], r'image size: .*\(60, 81\)'),
    (lambda root: None, ['--height', '1', '--origin', '90', '0', '0'], 'a pixel in the voxel grid'),
    (
        lambda root: write_plain_depth_mm(root / 'depth/frame-a.png', np.full((60, 80), 2.0)),
        [],
        'frame-a.png: floor: .*Check --depth-scale. .*--rotate 0 if it is.*--poses, or --height',
    ),
    (
        lambda root: write_plain_depth_mm(root / 'depth/frame-a.png', np.zeros((60, 80))),
        ['--height', '1'],
        'frame-a.png: depth: expected at least one pixel',
    ),
]


@pytest.mark.parametrize(('spoil', 'options', 'text'), WRONG)
def test_wrong_input_is_named(root, capsys, spoil, options, text):
    spoil(root)
    # 1: a frame failed, 2: an option is wrong.
    wrong_option = '--depth' in options or text.startswith('--')
    assert prepare(root, *options) == (2 if wrong_option else 1)
    assert re.search(text, capsys.readouterr().err)


def test_wrong_camera_is_refused(root, capsys):
    with pytest.raises(SystemExit):
        prepare(root, '--camera', root / 'none.txt')
    assert 'none.txt: file: expected an existing file' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('camera', 'text'),
    [
        ([[65, 0, 0], [0, 65, 0], [39.5, 29.5, 1]], 'K.txt: matrix: .*looks transposed'),
        ([[65, 9, 39.5], [0, 65, 29.5], [0, 0, 1]], 'K.txt: matrix: expected no skew'),
        ([[0.8, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], 'K.txt: matrix: .*normalised'),
    ],
)
def test_a_file_with_wrong_intrinsics_is_refused(root, capsys, camera, text):
    np.savetxt(root / 'K.txt', camera)
    with pytest.raises(SystemExit):
        prepare(root, '--camera', root / 'K.txt')
    assert re.search(text, capsys.readouterr().err)


def test_intrinsics_of_another_image_size_are_refused_or_said(root, capsys):
    assert prepare(root, '--camera', '130,130,79,59') == 2
    text = 'error: command line: --camera: expected a principal point inside the image of 80 x 60'
    assert text in capsys.readouterr().err
    # The floor is then far below the grid, too.
    with pytest.warns(UserWarning, match='--camera: the principal point .* is far from'):
        assert prepare(root, '--camera', '32,32,20,15', '--poses', '*.txt') == 1


WRONG_POSES = dict(
    transposed=(lambda pose: pose.T, 'a.txt: pose: .*looks transposed'),
    opengl=(lambda pose: pose @ np.diag([1, -1, -1, 1]), 'a.txt: pose: .*OpenGL axes'),
    inverse=(np.linalg.inv, 'a.txt: pose: .*the inverse'),
    below=(
        lambda pose: pose - 2 * np.eye(4)[2][:, None] * np.eye(4)[3],
        'a.txt: pose: .*below the floor',
    ),
)


@pytest.mark.parametrize(('change', 'text'), WRONG_POSES.values(), ids=WRONG_POSES)
def test_poses_of_other_conventions_are_refused(root, capsys, change, text):
    pose = tilted_camera(1.2, math.radians(15)).double().numpy()
    np.savetxt(root / 'a.txt', change(pose))
    assert prepare(root, '--poses', '*.txt') == 1
    assert re.search(text, capsys.readouterr().err)
    assert [frame['frame_id'] for frame in frames_of(root)] == ['b']


def test_the_roll_is_printed_and_a_rolled_camera_said(root, capsys):
    np.savetxt(root / 'a.txt', tilted_camera(1.2, math.radians(15), math.radians(80)))
    with pytest.warns(UserWarning) as said:
        assert prepare(root, '--poses', '*.txt') == 0
    printed = capsys.readouterr().out
    assert 'a: camera 1.20 m above the floor, 15.0 degrees down, rolled by 80.0 degrees' in printed
    remarks = [str(one.message) for one in said if 'pose of' in str(one.message)]
    assert len(remarks) == 1
    assert f'{root}: pose of a: the camera is rolled by 80 degrees' in remarks[0]


def test_a_box_that_the_camera_hardly_sees_is_said(root):
    with pytest.warns(UserWarning, match=r'a: the camera sees [0-9.]+% of the box'):
        assert prepare(root, '--poses', '*.txt', '--origin', 1.5, 1, -0.1) == 0


def test_frames_that_work_are_listed_beside_one_that_does_not(root):
    shutil.copy(root / 'rgb/a.jpg', root / 'depth/frame-a.png')
    assert prepare(root) == 1
    assert [frame['frame_id'] for frame in frames_of(root)] == ['b']


@pytest.mark.parametrize('name', ['1305031102.160407', 'büro', 'frame 1', 'a.b c-d_é'])
def test_ordinary_file_names_are_names_of_frames(root, name):
    (root / 'depth/frame-a.png').rename(root / f'depth/frame-{name}.png')
    (root / 'rgb/a.jpg').rename(root / f'rgb/{name}.jpg')
    assert prepare(root) == 0
    frames = {frame['frame_id']: frame for frame in frames_of(root, ('tsdf', 'img'), ('img',))}
    assert list(frames) == [name]
    assert Path(frames[name]['img_paths'][0]).name == f'{name}.jpg'


@pytest.mark.parametrize('name', ['a:b', 'a{frame_id}', 'a.', ' a', 'a\n', 'a\udcff'])
def test_other_file_names_are_refused_before_the_work(root, name, capsys):
    path = root / f'depth/frame-{name}.png'
    shutil.copy(root / 'depth/frame-a.png', path)
    assert prepare(root, '--out', root / 'new/out') == 2
    expected = 'file name: expected a name of printable characters (UTF-8) without'
    assert expected in capsys.readouterr().err
    assert not (root / 'prepared').exists() and not (root / 'new').exists()


def test_hidden_files_are_no_frames(root):
    (root / 'depth/._frame-a.png').write_bytes(b'x')
    for path in (root / 'rgb').glob('*.jpg'):
        path.rename(path.with_name(f'frame-{path.name}'))
    assert prepare(root, '--depth', 'depth/*.png') == 0
    assert [frame['frame_id'] for frame in frames_of(root)] == ['frame-a', 'frame-b']


def test_the_first_image_may_be_damaged(root, capsys):
    (root / 'depth/frame-a.png').write_bytes(b'no image')
    assert prepare(root) == 1
    assert 'frame-a.png: image: ' in capsys.readouterr().err
    assert [frame['frame_id'] for frame in frames_of(root)] == ['b']


def test_files_of_another_origin_get_advice_for_this_command(root, capsys):
    (root / 'prepared/own').mkdir(parents=True)
    (root / 'prepared/own/x.npz').write_bytes(b'x')
    assert prepare(root) == 2
    assert 'files of another origin. Give another --out\n' in capsys.readouterr().err
