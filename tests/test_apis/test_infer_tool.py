"""tools/infer.py on files, in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest
import torch
from small_scene import LIDAR2CAM, P2, ROOT
from warm_start import run_script

from mmssc.apis import PREDICTION_FORMATS, DrivingInferencer, save_prediction
from mmssc.errors import DataError
from mmssc.structures import SSCDataSample


@pytest.fixture(scope='module')
def arguments(small_config, tree, checkpoint, tmp_path_factory):
    """Command line up to the options: frame 2 of the tree, results beside the config."""
    work = tmp_path_factory.mktemp('tool')
    small_config.dump(work / 'config.py')
    image = tree / 'dataset/sequences/08/image_2/000002.png'
    return [work / 'config.py', checkpoint, '--image', image, '--out', work / 'out']


@pytest.fixture
def infer(arguments, monkeypatch):
    """Run the tool's main function in this process; returns the exit status."""
    spec = spec_from_file_location('infer', ROOT / 'tools/infer.py')
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    shutil.rmtree(arguments[-1], ignore_errors=True)

    def run(*options):
        monkeypatch.setattr(sys, 'argv', ['infer.py', *map(str, (*arguments, *options))])
        return tool.main()

    return run


def test_temporal_scene_to_every_format(arguments, tree, small_config, checkpoint, scene):
    raw, depth = tree / 'dataset/sequences/08', tree / 'dataset/depth/08'
    names = ('000000', '000001')
    options = (
        '--depth', depth / '000002.npy', '--calib', raw / 'calib.txt', '--poses', raw / 'poses.txt',
        '--earlier-image', *(raw / f'image_2/{name}.png' for name in names),
        '--earlier-depth', *(depth / f'{name}.npy' for name in names),
        '--frames', 2, 0, 1, '--formats', *PREDICTION_FORMATS,
    )  # fmt: skip
    command = [ROOT / 'tools/infer.py', *arguments, *options]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = run_script(command, tree, environment)
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    out = arguments[-1]
    written = {path.name for path in out.iterdir()}
    suffixes = ('.npy', '.label', '.png', '_bev.png', '.ply', '.glb', '.html')
    made = {f'000002{suffix}' for suffix in suffixes}
    assert written == made | {'.mmssc-outputs'}
    assert 'voxels occupied' in printed and all(name in printed for name in made)

    lidar = np.linalg.inv(LIDAR2CAM) @ scene['poses'] @ LIDAR2CAM
    earlier = [
        dict(img=scene['images'][n], depth=scene['depth'][n],
             frame2ref=np.linalg.inv(lidar[2]) @ lidar[n])
        for n in (0, 1)
    ]  # fmt: skip
    expected = DrivingInferencer(small_config, checkpoint, 'cpu')(
        scene['images'][2], P2, LIDAR2CAM, depth=scene['depth'][2], earlier_frames=earlier
    )[0].pred_voxels.numpy()
    labels = np.load(out / '000002.npy')
    # poses.txt has rounded numbers, so a voxel or two may differ.
    assert labels.dtype == np.uint8 and (labels == expected).mean() > 0.99
    raw_ids = np.fromfile(out / '000002.label', '<u2').reshape(labels.shape)
    assert set(raw_ids[labels == 1]) <= {10} and set(raw_ids[labels == 0]) <= {0}


def test_matrices_and_another_box(infer, arguments, tree):
    status = infer(
        '--depth', tree / 'dataset/depth/08/000002.npy', '--formats', 'npy',
        '--cam2img', *P2[:, :3].flatten(), '--lidar2cam', *LIDAR2CAM[:3].flatten(),
        '--grid-shape', 8, 24, 8, '--grid-origin', 1, -4.8, -1,
    )  # fmt: skip
    assert status == 0
    assert np.load(arguments[-1] / '000002.npy').shape == (8, 24, 8)


def test_errors_are_one_line(infer, tree, capsys):
    calib = ('--calib', tree / 'dataset/sequences/08/calib.txt')
    assert infer(*calib) == 2
    assert '000002.png: depth or points' in capsys.readouterr().err
    earlier = tree / 'dataset/sequences/08/image_2/000000.png'
    poses = tree / 'dataset/sequences/08/poses.txt'
    assert infer(*calib, '--earlier-image', earlier, '--poses', poses, '--frames', 2, 7) == 2
    assert capsys.readouterr().err.startswith('error: --frames: expected 2 of 0..2')
    for options in ((), ('--cam2img', 1), (*calib, '--earlier-image', earlier)):
        assert infer(*options) == 2
        error = capsys.readouterr().err
        assert error.startswith('error: command line: expected ') and error.count('\n') == 1


@pytest.mark.parametrize('kind', ['pipe', 'device', 'sparse'])
@pytest.mark.parametrize(
    'option', ['--image', '--depth', '--points', '--calib', '--poses', '--earlier-image']
)
def test_pipes_devices_and_huge_files_are_named(infer, tree, tmp_path, capsys, option, kind):
    raw = tree / 'dataset/sequences/08'
    bad = tmp_path / ('bad.npy' if option == '--depth' else 'bad.png')
    if kind == 'pipe':
        os.mkfifo(bad)
    elif kind == 'device':
        bad.symlink_to('/dev/zero')
    else:
        bad.touch()
        os.truncate(bad, 2**42)
    options = {
        '--depth': tree / 'dataset/depth/08/000002.npy', '--calib': raw / 'calib.txt',
        '--poses': raw / 'poses.txt', '--earlier-image': raw / 'image_2/000001.png',
        '--earlier-depth': tree / 'dataset/depth/08/000001.npy', '--frames': '2 1',
    }  # fmt: skip
    if option == '--points':
        options = {'--calib': options['--calib']}
    options[option] = bad
    words = ' '.join(f'{key} {value}' for key, value in options.items()).split()
    signal.alarm(60)  # Ends the process of a test that waits.
    try:
        assert infer(*words) in (1, 2)
    finally:
        signal.alarm(0)
    errors = capsys.readouterr().err
    assert f'error: {bad}: ' in errors and 'Traceback' not in errors


@pytest.fixture
def three_images(arguments, tree, tmp_path):
    """Copies of the image and the depth map under ordinary names; options of the tool."""
    names = [f'{stem}.png' for stem in ('1305031102.160407', 'büro', 'a b')]
    for name in names:
        shutil.copy(arguments[3], tmp_path / name)
    depth = tree / 'dataset/depth/08/000002.npy'
    return names, [
        '--image', *(tmp_path / name for name in names), '--depth', *[depth] * 3, '--calib',
        tree / 'dataset/sequences/08/calib.txt', '--formats', 'npy', 'html', '--out',
        tmp_path / 'out',
    ]  # fmt: skip


def test_pictures_have_the_name_of_the_image(infer, three_images, tmp_path):
    names, options = three_images
    assert infer(*options) == 0
    for name in names:
        assert (tmp_path / f'out/{name[:-4]}.npy').is_file()
        page = (tmp_path / f'out/{name[:-4]}.html').read_text(encoding='utf-8')
        assert json.dumps(name[:-4]) in page


@pytest.mark.parametrize('batch_size', [1, 2, 3])
def test_a_wrong_image_does_not_stop_the_others(infer, three_images, tmp_path, batch_size, capsys):
    names, options = three_images
    (tmp_path / names[1]).write_bytes(b'no image')
    assert infer(*options, '--batch-size', batch_size) == 1
    written = {path.name for path in (tmp_path / 'out').glob('*.npy')}
    assert written == {'1305031102.160407.npy', 'a b.npy'}
    errors = capsys.readouterr().err
    assert f'error: {tmp_path / names[1]}: not predicted: ' in errors
    assert errors.count(names[1]) == 1
    assert errors.endswith('1 of 3 scenes not predicted\n')


def test_depth_maps_are_counted(infer, three_images, tree, capsys):
    _, options = three_images
    assert infer(*options, '--depth', tree / 'dataset/depth/08/000002.npy') == 2
    text = 'error: --depth: expected one file per image, found 1 for 3 images'
    assert capsys.readouterr().err.startswith(text)


def test_an_input_is_not_written_over(infer, arguments, tree, capsys):
    image = arguments[3]
    before = image.read_bytes()
    calib = ('--calib', tree / 'dataset/sequences/08/calib.txt')
    assert infer(*calib, '--out', image.parent) == 2
    message = f'{image}: expected a new file, found an input of this command'
    assert message in capsys.readouterr().err
    assert image.read_bytes() == before
    # Also not over the depth map of an earlier frame.
    earlier = image.with_suffix('.npy')
    earlier.write_bytes(b'depth')
    poses = tree / 'dataset/sequences/08/poses.txt'
    options = ('--earlier-image', image, '--earlier-depth', earlier, '--poses', poses)
    options += ('--frames', 2, 0, '--out', image.parent, '--formats', 'npy')
    assert infer(*calib, *options) == 2
    assert f'{earlier}: expected a new file, found an input' in capsys.readouterr().err
    earlier.unlink()


def test_own_files_are_replaced_on_request_and_others_never(infer, three_images, tmp_path, capsys):
    _, options = three_images
    mine = tmp_path / 'out' / 'a b.html'
    mine.parent.mkdir()
    mine.write_text('mine')
    for more in ((), ('--overwrite',)):
        assert infer(*options, *more) == 2
        message = f'{mine}: expected a new file, found one that this command did not write. Choose'
        assert message in capsys.readouterr().err
        assert [path.name for path in mine.parent.iterdir()] == [mine.name]
        assert mine.read_text() == 'mine'
    mine.unlink()
    assert infer(*options) == 0
    mine.write_text('')
    assert infer(*options) == 2
    assert 'expected a new file, found one that exists' in capsys.readouterr().err
    assert infer(*options, '--overwrite') == 0
    assert '<html' in mine.read_text('utf-8')


def test_prediction_files_refuse_what_they_cannot_write(tmp_path):
    sample = SSCDataSample()
    with pytest.raises(DataError, match='formats'):
        save_prediction(sample, {}, tmp_path / 'a', ['jpg'])
    sample.pred_voxels = torch.zeros(2, 2, 2, dtype=torch.uint8)
    with pytest.raises(DataError, match='inverse_learning_map'):
        save_prediction(sample, dict(classes=('a',)), tmp_path / 'a', ['label'])


def test_the_tool_uses_public_names_only():
    files = [ROOT / 'tools/infer.py', *(ROOT / 'mmssc/apis/infer_command').glob('*.py')]
    trees = [ast.parse(path.read_text()) for path in files]
    imports = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    ]
    ours = [node for node in imports if node.module.startswith('mmssc') and not node.level]
    names = {(node.module, alias.name) for node in ours for alias in node.names}
    assert ('mmssc.apis', 'build_inferencer') in names
    assert not {(m, name) for m, name in names if name not in import_module(m).__all__}
    modules = {module for module, _ in names if module.startswith('mmssc.apis')}
    assert modules == {
        'mmssc.apis', 'mmssc.apis.infer_command', 'mmssc.apis.infer_command.parser',
    }  # fmt: skip


def test_mixed_precision_predicts_nearly_the_same(arguments, tree, infer):
    raw, depth = tree / 'dataset/sequences/08', tree / 'dataset/depth/08/000002.npy'
    options = ('--depth', depth, '--calib', raw / 'calib.txt',
               '--formats', 'npy', '--overwrite')  # fmt: skip
    labels = []
    for more in ((), ('--amp',)):
        assert infer(*options, *more) == 0
        labels.append(np.load(arguments[-1] / '000002.npy'))
    assert 0 < (labels[0] != labels[1]).mean() < 0.1
