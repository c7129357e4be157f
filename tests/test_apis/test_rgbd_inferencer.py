"""From a raw depth image to voxels: a made-up room, a small random network, the shipped ones."""

from __future__ import annotations

import base64
import re
import sys
import warnings
import zlib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmssc.apis import RGBDInferencer, build_inferencer, is_rgbd_config, read_depth_image
from mmssc.apis.rgbd_camera import as_arguments
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz
from mmssc.formats.sscnet import write_nyu_depth, write_plain_depth_mm
from mmssc.geometry import depth_to_points, project_voxels, tilted_camera, turn_camera
from mmssc.registry import MODELS
from mmssc.visualization import Scene

ROOT = Path(__file__).resolve().parents[2]
CAMERA = (259.42895, 259.42895, 160.0, 120.0)


@pytest.fixture(scope='module')
def room():
    """Depth in metres, labels, pose and corner of a room of make_synthetic.py (seed 0)."""
    path = ROOT / 'tests/data/light/room.npz'
    stored = dict(read_npz(path, ['depth_mm', 'labels', 'cam2world', 'origin']))
    stored['depth'] = stored.pop('depth_mm').astype(np.float32) / 1000
    return stored


def small_config(name: str) -> Config:
    cfg = Config.fromfile(ROOT / f'configs/light/{name}.py')
    cfg.model.stem.out_channels = 8
    cfg.model.head.update(channels=(8, 12, 12), hidden_channels=8)
    return cfg


@pytest.fixture(scope='module')
def inferencer():
    torch.manual_seed(0)
    return RGBDInferencer(small_config('light_depth_nyu'), device='cpu')


def test_which_configs_are_for_depth_cameras():
    assert is_rgbd_config(ROOT / 'configs/light/light_depth_nyu.py')
    assert is_rgbd_config(ROOT / 'configs/cleaners/cleaners_r50_nyu.py')
    assert not is_rgbd_config(ROOT / 'configs/sgn/sgn-T.py')
    with pytest.raises(DataError, match='DrivingInferencer'):
        RGBDInferencer(ROOT / 'configs/sgn/sgn-T.py')


def test_a_teacher_on_noise_free_depth_is_refused_when_it_is_built():
    path = ROOT / 'configs/cleaners/cleaners-teacher_r50_nyucad.py'
    with pytest.raises(DataError, match=r'nyucad.py: model.tsdf_source: .*found tsdf_clean.*stude'):
        build_inferencer(path, device='cpu')


def test_weights_of_another_light_model_name_no_importer():
    with pytest.raises(DataError, match='Use the config .* trained with$'):
        RGBDInferencer(
            ROOT / 'configs/light/light_depth_nyu.py', ROOT / 'checkpoints/light_seg_nyu.pth', 'cpu'
        )


def test_the_box_lies_in_front_of_the_camera(inferencer, room):
    sample = inferencer(room['depth'], CAMERA, room['cam2world'])
    x, z, y = sample.voxel_grid.origin
    np.testing.assert_allclose((x, y, z), room['origin'], atol=1e-5)
    assert sample.pred_voxels.shape == (60, 36, 60) and sample.img_shape == (240, 320)
    np.testing.assert_allclose(np.linalg.inv(sample.lidar2cam[0]), room['cam2world'], atol=1e-6)


def test_without_a_pose_the_floor_tells_it(inferencer, room):
    sample = inferencer(room['depth'], CAMERA)
    found = np.linalg.inv(sample.lidar2cam[0])
    height, up = room['cam2world'][2, 3], room['cam2world'][2, :3]
    # Little of the floor is in the picture.
    assert abs(found[2, 3] - height) < 0.15
    np.testing.assert_allclose(found[2, :3], up, atol=0.06)


def test_the_prediction_holds_the_pose(inferencer, room):
    found = inferencer(room['depth'], CAMERA)
    assert found.camera_height == pytest.approx(room['cam2world'][2, 3], abs=0.15)
    assert 0 < found.floor_confidence <= 1
    given = inferencer(room['depth'], CAMERA, height=1.4, tilt=0.2, roll=-0.1)
    values = (given.camera_height, given.camera_tilt, given.camera_roll)
    assert values == pytest.approx((1.4, 0.2, -0.1), abs=1e-6)
    assert given.floor_confidence is None
    pose = tilted_camera(1.4, 0.2, -0.1).numpy()
    assert torch.equal(inferencer(room['depth'], CAMERA, pose).pred_voxels, given.pred_voxels)
    with pytest.raises(DataError, match='cam2world, or height, tilt and roll, found both'):
        inferencer(room['depth'], CAMERA, pose, height=1.4)


def test_a_given_pose_that_the_floor_contradicts_is_said(inferencer, room):
    found = inferencer(room['depth'], CAMERA, rotate=0)
    assert found.floor_confidence > 0.8, 'the floor of this room is clear'
    height, tilt, roll = found.camera_height, found.camera_tilt, found.camera_roll
    with warnings.catch_warnings():
        warnings.filterwarnings('error', '.*does not fit the given pose')
        inferencer(room['depth'], CAMERA, height=height, tilt=tilt, roll=roll)
        inferencer(room['depth'], CAMERA, room['cam2world'])
    wrong = (dict(height=height, tilt=tilt + 0.5), dict(height=height + 0.6, tilt=tilt))
    for pose in wrong:
        with pytest.warns(UserWarning, match='floor in the image does not fit the given pose'):
            inferencer(room['depth'], CAMERA, **pose, roll=roll)


@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_turned_images_give_the_same_scene(inferencer, room, degrees):
    stored = np.rot90(room['depth'], degrees // 90)
    fx, fy, cx, cy = CAMERA
    height, width = room['depth'].shape
    # The camera of the image as stored, that is turned back (counterclockwise).
    camera = {
        90: (fy, fx, cy, width - 1 - cx),
        180: (fx, fy, width - 1 - cx, height - 1 - cy),
        270: (fy, fx, height - 1 - cy, cx),
    }[degrees]
    expected = inferencer(room['depth'], CAMERA, height=1.4, tilt=0.1)
    found = inferencer(stored, camera, height=1.4, tilt=0.1, rotate=degrees)
    assert torch.equal(found.pred_voxels, expected.pred_voxels)
    np.testing.assert_allclose(found.cam2img, expected.cam2img)
    # A pose belongs to the images as given.
    _, turn = turn_camera(torch.eye(3), (1, 1), degrees)
    pose = tilted_camera(1.4, 0.1).double() @ turn
    found = inferencer(stored, camera, pose.numpy(), rotate=degrees)
    assert torch.equal(found.pred_voxels, expected.pred_voxels)


def test_a_scale_of_the_depth(tmp_path, room):
    values = np.round(room['depth'] * 5000).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / 'tum.png')
    np.save(tmp_path / 'mm.npy', room['depth'] * 1000)
    for name, scale in (('tum.png', 5000), ('mm.npy', 1000)):
        found = read_depth_image(tmp_path / name, scale=scale)
        np.testing.assert_allclose(found, room['depth'], atol=2e-4)
    for kind, scale in (('nyu', 5000), ('mm', 0), ('mm', float('nan'))):
        with pytest.raises(DataError, match='depth scale'):
            read_depth_image(tmp_path / 'tum.png', kind, scale)


def test_an_array_file_in_centimetres_names_its_unit(tmp_path, inferencer, room):
    np.save(tmp_path / 'cm.npy', room['depth'] * 100)
    with pytest.raises(DataError, match=r'cm.npy: depth: .* m with depth_scale=100$'):
        inferencer(tmp_path / 'cm.npy', CAMERA, room['cam2world'])


def test_remedies_of_the_inferencer_name_its_arguments(inferencer, room):
    with pytest.raises(DataError, match='Give height$'):
        inferencer(room['depth'], CAMERA, tilt=0.1)
    assert as_arguments('m with --depth-scale 5000, --depth-kind nyu, --rotate 90; --height') == (
        "m with depth_scale=5000, depth_kind='nyu', rotate=90; height"
    )


def test_only_surfaces_and_hidden_space_are_kept(inferencer, room):
    plain = inferencer(room['depth'], CAMERA, room['cam2world'], hide_unknown=False).pred_voxels
    kept = inferencer(room['depth'], CAMERA, room['cam2world']).pred_voxels
    assert (kept > 0).any() and torch.equal(kept[kept > 0], plain[kept > 0])
    # Half a metre in front of the camera there is nothing.
    assert plain.count_nonzero() > kept.count_nonzero()


def test_what_is_behind_the_farthest_surface_is_kept_but_not_drawn(inferencer, room):
    sample = inferencer(room['depth'], CAMERA, room['cam2world'])
    reach = sample.within_reach
    assert reach.shape == sample.pred_voxels.shape and not reach.all()
    # Labels end at the walls.
    assert (room['labels'][~reach.numpy()] == 255).mean() > 0.999
    assert (sample.pred_voxels[~reach] > 0).any()
    shown = Scene.from_sample(sample, inferencer.dataset_meta).volumes['prediction']
    assert not shown[~reach].any() and (shown == sample.pred_voxels.numpy())[reach].all()


def test_beside_the_view_nothing_behind_the_wall_at_its_edge_is_drawn(inferencer, room):
    sample = inferencer(room['depth'], CAMERA, room['cam2world'])
    world2cam, cam2img = torch.from_numpy(sample.lidar2cam[0]), torch.from_numpy(sample.cam2img)
    cam2world, edge = torch.linalg.inv(world2cam), torch.from_numpy(room['depth'])[:, :21]
    wall = depth_to_points(edge, torch.nn.functional.pad(cam2img, (0, 1)), cam2world, -9, 9)
    centers = sample.voxel_grid.centers(torch.float64)
    wall, centers = ((at - cam2world[:3, 3])[:, :2].norm(dim=1) for at in (wall, centers))
    left = project_voxels(sample.voxel_grid, world2cam, cam2img)[0][:, 0] < 0
    behind = (left & (centers > wall.max() + 0.33)).reshape(sample.pred_voxels.shape)
    assert behind.any() and not sample.within_reach[behind].any()
    shown = Scene.from_sample(sample, inferencer.dataset_meta).volumes['prediction']
    assert (sample.pred_voxels[behind] > 0).any() and not shown[behind].any()


def test_a_box_of_ones_own(inferencer, room):
    corner = tuple(room['origin'] + [0.4, 0, 0])
    sample = inferencer(room['depth'], CAMERA, room['cam2world'], origin=corner)
    assert sample.voxel_grid.origin == pytest.approx((corner[0], corner[2], corner[1]))


def test_a_box_of_another_size(room):
    grid = dict(origin=(0, 0, 0), voxel_size=0.1, shape=(48, 32, 40), axes=('x', 'z', 'y'))
    model = RGBDInferencer(
        small_config('light_depth_nyu'), device='cpu', voxel_grid=dict(grid, frame='world')
    )
    sample = model(room['depth'], CAMERA, room['cam2world'])
    assert sample.pred_voxels.shape == (48, 32, 40) and (sample.pred_voxels > 0).any()
    assert sample.voxel_grid.voxel_size == (0.1, 0.1, 0.1)
    # Centred where the box of the config is.
    x, _, y = sample.voxel_grid.origin
    assert (x + 2.4, y + 2.0) == pytest.approx(room['origin'][[0, 1]] + 2.4, abs=1e-5)


@pytest.mark.parametrize('kind, write', [('mm', write_plain_depth_mm), ('nyu', write_nyu_depth)])
def test_files_and_arrays_give_the_same(inferencer, room, tmp_path, kind, write):
    write(tmp_path / 'depth.png', room['depth'])
    expected = inferencer(room['depth'], CAMERA, room['cam2world']).pred_voxels
    file = tmp_path / 'depth.png'
    found = inferencer(file, CAMERA, room['cam2world'], depth_kind=kind).pred_voxels
    assert torch.equal(found, expected)


def test_a_segmentation_is_read_where_the_model_wants_one(room):
    torch.manual_seed(0)
    model = RGBDInferencer(small_config('light_seg_nyu'), device='cpu')
    with pytest.raises(DataError, match='this model reads one'):
        model(room['depth'], CAMERA, room['cam2world'])
    with pytest.raises(DataError, match='segmentation size'):
        ids = np.zeros((240, 300), np.uint8)
        model(room['depth'], CAMERA, room['cam2world'], segmentation=ids)
    logits = []
    for value in (1, 12):
        ids = np.full((240, 320), value, np.uint8)
        model.model.test_cfg['keep_logits'] = True
        sample = model(room['depth'], CAMERA, room['cam2world'], segmentation=ids)
        logits.append(sample.voxel_logits)
    assert not torch.allclose(*logits)


def test_depth_in_another_unit(inferencer, room):
    with pytest.raises(DataError, match='The median would be .* with values divided by 1000'):
        inferencer(room['depth'] * 1000, CAMERA, room['cam2world'])


def test_results_that_are_not_finite_are_no_empty_room(room):
    torch.manual_seed(0)
    broken = RGBDInferencer(small_config('light_depth_nyu'), device='cpu')
    with torch.no_grad():
        broken.model.head.classifier.weight.fill_(3e38)
    with pytest.raises(DataError, match='depth image: logits: expected finite numbers'):
        broken(room['depth'], CAMERA, room['cam2world'])


def test_a_pose_that_is_none(inferencer, room):
    for pose in (np.diag([1.0, 2, 1, 1]), np.zeros((4, 4))):
        with pytest.raises(DataError, match='depth image: cam2world: expected a rotation'):
            inferencer(room['depth'], CAMERA, pose)
    with pytest.raises(DataError, match=r'cam2world, shape: expected \(4, 4\)'):
        inferencer(room['depth'], CAMERA, np.eye(4)[:3])


OPENGL = np.diag([1.0, -1, -1, 1])
WRONG_CAMERAS = {
    'transposed intrinsics': (lambda k, pose: (k.T, pose), 'cam2img: .*looks transposed'),
    'skew': (lambda k, pose: (k + [[0, 9, 0], [0] * 3, [0] * 3], pose), 'cam2img: .*no skew'),
    'another image': (lambda k, pose: (np.diag([4, 4, 1]) @ k, pose), 'cam2img: .*by about 4'),
    'normalised': (lambda k, pose: (np.diag([1 / 320, 1 / 240, 1]) @ k, pose), 'normalised'),
    'transposed pose': (lambda k, pose: (k, pose.T), 'cam2world: .*looks transposed'),
    'OpenGL': (lambda k, pose: (k, pose @ OPENGL), 'cam2world: .*upside down'),
    'millimetres': (lambda k, pose: (k, in_millimetres(pose)), 'cam2world: .*millimetres'),
    'below the floor': (lambda k, pose: (k, lowered(pose)), 'cam2world: .*below the floor'),
}


def in_millimetres(pose):
    pose = pose.copy()
    pose[:3, 3] *= 1000
    return pose


def lowered(pose):
    pose = pose.copy()
    pose[2, 3] -= 2
    return pose


@pytest.mark.parametrize('name', WRONG_CAMERAS)
def test_a_camera_that_cannot_be_is_refused(inferencer, room, name):
    fx, fy, cx, cy = CAMERA
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    change, text = WRONG_CAMERAS[name]
    with pytest.raises(DataError, match=f'^depth image: .*{text}'):
        inferencer(room['depth'], *change(matrix, room['cam2world'].astype(np.float64)))


def test_a_suspicious_camera_is_said(inferencer, room):
    fx, fy, cx, cy = CAMERA
    with pytest.warns(UserWarning, match='depth image: the principal point .* far from the centre'):
        inferencer(room['depth'], (fx, fy, cx / 2, cy / 2), room['cam2world'])
    x, y, z = room['origin'].tolist()
    with pytest.warns(UserWarning, match='depth image: the camera sees .* of the box'):
        inferencer(room['depth'], CAMERA, room['cam2world'], origin=(x + 4.2, y, z))


@pytest.fixture
def infer(monkeypatch):
    """The main function of tools/infer.py, in this process."""
    spec = spec_from_file_location('infer', ROOT / 'tools/infer.py')
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*options):
        monkeypatch.setattr(sys, 'argv', ['infer.py', *map(str, options)])
        return tool.main()

    return run


def test_the_command(infer, room, tmp_path, capsys):
    """A depth file, a pose file, files out."""
    cfg = small_config('light_depth_nyu')
    cfg.dump(tmp_path / 'config.py')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'small.pth')
    write_plain_depth_mm(tmp_path / 'shelf.png', room['depth'])
    np.savetxt(tmp_path / 'pose.txt', room['cam2world'])
    command = (
        tmp_path / 'config.py', tmp_path / 'small.pth', '--depth', tmp_path / 'shelf.png',
        '--out', tmp_path / 'out', '--formats', 'npy', 'ply', 'png', '--device', 'cpu',
        '--overwrite',
    )  # fmt: skip
    assert infer(*command, '--cam2img', *CAMERA, '--cam2world', tmp_path / 'pose.txt') == 0
    assert {p.name for p in (tmp_path / 'out').iterdir()} == {
        '.mmssc-outputs', 'shelf.npy', 'shelf.ply', 'shelf.png'
    }  # fmt: skip
    assert Image.open(tmp_path / 'out/shelf.png').size[0] == 1600
    assert 'voxels occupied' in capsys.readouterr().out
    command += ('--overwrite',)
    given = ('--height', 1.4, '--tilt', 10, '--roll', -2, '--formats', 'npy')
    assert infer(*command, '--cam2img', *CAMERA, *given) == 0
    words = 'camera 1.40 m above the floor, 10.0 degrees down, rolled by -2.0 degrees (as given)'
    assert words in capsys.readouterr().out
    assert infer(*command, '--cam2img', *CAMERA, '--formats', 'npy') == 0
    assert '(from the floor, confidence ' in capsys.readouterr().out
    # A wrong unit: the error names the file, what is seen and options of this command.
    assert infer(*command, '--cam2img', *CAMERA, '--depth-scale', 100) == 2
    error = capsys.readouterr().err
    assert 'shelf.png: depth' in error and 'a median of' in error and '--depth-scale' in error
    assert infer(*command, '--cam2img', *CAMERA, '--tilt', 5) == 2
    assert 'Give --height' in capsys.readouterr().err
    wide = ('--rotate', 90, '--height', 1.4)
    assert infer(*command, '--cam2img', *CAMERA, *wide) == 0
    assert 'rolled by 0.0' in capsys.readouterr().out
    box = ('--grid-shape', 40, 24, 40, '--voxel-size', 0.12)
    assert infer(*command, '--cam2img', *CAMERA, '--formats', 'npy', *box) == 0
    assert np.load(tmp_path / 'out/shelf.npy').shape == (40, 24, 40)
    assert infer(*command, '--cam2img', *CAMERA, '--grid-shape', 40, 26, 40) == 2
    assert 'every side a multiple of 4, found (40, 26, 40)' in capsys.readouterr().err
    np.savetxt(tmp_path / 'pose.txt', 2 * np.eye(4))
    assert infer(*command, '--cam2img', *CAMERA, '--cam2world', tmp_path / 'pose.txt') == 2
    assert 'pose.txt: pose: expected a rotation' in capsys.readouterr().err
    assert infer(*command, '--cam2img', *CAMERA, '--calib', 'calib.txt') == 2
    error = capsys.readouterr().err
    assert error.startswith('error: --calib: expected an option of models for depth cameras')
    assert error.count('\n') == 1
    assert infer(*command, '--cam2img', *CAMERA, '--height', 138) == 2
    assert 'Did you mean 1.38 m (138 cm)?' in capsys.readouterr().err
    assert infer(*command, '--cam2img', 1, 2, 3) == 2
    assert '4 or 9 numbers' in capsys.readouterr().err
    assert infer(*command) == 2
    expected = 'error: command line: expected --depth and --cam2img, which this model needs'
    assert capsys.readouterr().err.startswith(expected)


def test_the_command_draws_everything_on_request(infer, room, tmp_path, capsys):
    write_plain_depth_mm(tmp_path / 'shelf.png', room['depth'])
    np.savetxt(tmp_path / 'pose.txt', room['cam2world'])
    command = (
        ROOT / 'configs/light/light_depth_nyu.py', ROOT / 'checkpoints/light_depth_nyu.pth',
        '--depth', tmp_path / 'shelf.png', '--device', 'cpu', '--cam2img', *CAMERA,
        '--cam2world', tmp_path / 'pose.txt', '--formats', 'npy', 'ply', 'html', 'bev',
    )  # fmt: skip
    assert infer(*command, '--out', tmp_path / 'evidence') == 0
    assert 'behind the farthest measured surface (--show-all)' in (capsys.readouterr().out)
    assert infer(*command, '--out', tmp_path / 'all', '--show-all') == 0
    assert 'not drawn' not in capsys.readouterr().out
    folders = [tmp_path / 'evidence', tmp_path / 'all']
    arrays = [np.load(folder / 'shelf.npy') for folder in folders]
    assert np.array_equal(*arrays)
    meshes = [(folder / 'shelf.ply').stat().st_size for folder in folders]
    pages = [(folder / 'shelf.html').read_text() for folder in folders]
    packed = [re.search(r'"labels":"([^"]+)"', page)[1] for page in pages]
    empty = [zlib.decompress(base64.b64decode(text)).count(0) for text in packed]
    assert meshes[0] < meshes[1] and empty[0] > empty[1] == int((arrays[1] == 0).sum())
    assert infer(ROOT / 'configs/sgn/sgn-S.py', 'x.pth', '--out', tmp_path, '--show-all') == 2
    expected = 'error: --show-all: expected an option of models for images, found one of models for'
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize('turned', [0, 90])
def test_the_panel_shows_depth_beside_colour(infer, room, tmp_path, monkeypatch, turned):
    cfg = small_config('light_depth_nyu')
    torch.save({'state_dict': MODELS.build(cfg.model).state_dict()}, tmp_path / 'model.pth')
    cfg.dump(tmp_path / 'config.py')
    write_plain_depth_mm(tmp_path / 'shelf.png', np.rot90(room['depth'], turned // 90))
    rows, columns = room['depth'].shape
    size = (columns, rows) if not turned else (rows, columns)
    Image.new('RGB', size, (9, 200, 9)).save(tmp_path / 'color.png')
    scenes = []
    draw = Scene.draw
    monkeypatch.setattr(Scene, 'draw', lambda self: scenes.append(self) or draw(self))
    for name in ([], ['--image', tmp_path / 'color.png']):
        options = ('--height', '1.2', '--rotate', turned, '--formats', 'png', '--overwrite')
        assert infer(
            tmp_path / 'config.py', tmp_path / 'model.pth', '--depth', tmp_path / 'shelf.png',
            '--cam2img', *CAMERA, '--device', 'cpu', '--out', tmp_path / 'out', *options, *name,
        ) == 0  # fmt: skip
    alone, both = scenes
    assert alone.image is None and both.image.shape[:2] == (rows, columns)
    for scene in scenes:
        assert scene.title == 'shelf'
        np.testing.assert_allclose(scene.depth, room['depth'], atol=0.001)


def test_the_command_with_weights_of_a_diverged_training(infer, room, tmp_path, capsys):
    cfg = small_config('light_depth_nyu')
    cfg.dump(tmp_path / 'config.py')
    write_plain_depth_mm(tmp_path / 'shelf.png', room['depth'])
    command = (
        tmp_path / 'config.py', tmp_path / 'bad.pth', '--depth', tmp_path / 'shelf.png',
        '--out', tmp_path / 'out', '--device', 'cpu', '--cam2img', *CAMERA,
    )  # fmt: skip
    # The first is seen when it is read, the second in the logits.
    for factor, place in ((float('nan'), 'bad.pth: stem'), (1e38, 'shelf.png: logits')):
        state = MODELS.build(cfg.model).state_dict()
        state = {k: v * factor if v.dim() > 1 else v for k, v in state.items()}
        torch.save(dict(state_dict=state), tmp_path / 'bad.pth')
        assert infer(*command) == 2
        error = capsys.readouterr().err
        assert error.startswith('error: ') and error.count('\n') == 1
        assert place in error and 'expected finite numbers' in error
        assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        (lambda pose: pose.T, 'looks transposed'),
        (lambda pose: pose @ OPENGL, 'upside down'),
        (lowered, 'below the floor'),
    ],
)
def test_the_command_names_the_pose_file(infer, room, tmp_path, capsys, change, text):
    write_plain_depth_mm(tmp_path / 'shelf.png', room['depth'])
    np.savetxt(tmp_path / 'pose.txt', change(room['cam2world'].astype(np.float64)))
    options = ('--depth', tmp_path / 'shelf.png', '--cam2img', *CAMERA, '--out', tmp_path / 'out')
    assert infer('light_depth_nyu', *options, '--cam2world', tmp_path / 'pose.txt') == 2
    error = capsys.readouterr().err
    assert error.startswith(f'error: {tmp_path / "pose.txt"}: pose: expected') and text in error
