"""tools/deployment/export.py: a file that agrees with the model, or none."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import torch
from doc_pages import blocks
from tool_runs import ROOM_CONFIG, ROOT, TINY_ROOMS, room_options

from mmssc.apis import RGBDInferencer
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.models.completors import LightCompletor

CAMERA = (259.42895, 259.42895, 160.0, 120.0)
OPTIONS = ['--cfg-options', *(f'{key}={value}'.replace(' ', '') for key, value in
           {**TINY_ROOMS, 'model.head.channels': (16, 48, 72)}.items())]  # fmt: skip
SMALL = ['configs/quickstart/light_synthetic.py', 'untrained']


@pytest.fixture
def export(tool_in_process, tmp_path, monkeypatch):
    run = tool_in_process('deployment/export.py')
    monkeypatch.chdir(tmp_path)
    return lambda config, *more: run(ROOT / config if '/' in str(config) else config, *more)


@pytest.fixture
def depth_image(tmp_path):
    """A depth image in millimetres of the room of the light models."""
    with np.load(ROOT / 'tests/data/light/room.npz') as room:
        write_plain_depth_mm(tmp_path / 'depth.png', room['depth_mm'].astype(np.float32) / 1000)
    return tmp_path / 'depth.png'


@pytest.mark.slow
def test_a_frame_of_a_depth_camera_is_labelled_without_mmssc(export, depth_image, tmp_path):
    camera = ('--depth', depth_image, '--cam2img', *CAMERA)
    status, output = export('light_depth_nyu', '--out', 'light.onnx', '--sample', 'sample.npz',
                            '--repeats', 1, *camera)  # fmt: skip
    assert status == 0, output
    assert 'batch of 2: largest difference' in output and 'file 0.' in output
    session = onnxruntime.InferenceSession('light.onnx')
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta['classes'])[:2] == ['empty', 'ceiling'] and meta['mmssc_version']
    assert json.loads(meta['grid_shape']) == [60, 36, 60]
    assert json.loads(meta['voxel_size']) == [0.08] * 3 and json.loads(meta['grid_origin'])
    inputs = {one.name: one.shape for one in session.get_inputs()}
    assert inputs['tsdf'] == ['batch', 1, 60, 36, 60]
    assert {name: one['shape'] for name, one in json.loads(meta['inputs']).items()} == inputs

    # The example of the page, where neither mmssc nor its dependencies can be imported.
    (example,) = (
        block.text
        for block in blocks(ROOT / 'docs/en/user_guides/deployment.md', 'python')
        if 'InferenceSession' in block.text
    )
    names = ['mmssc', 'mmengine', 'mmcv', 'torch']
    hidden = f'import sys\nsys.modules.update(dict.fromkeys({names}))\n'
    (tmp_path / 'run_onnx.py').write_text(hidden + example.replace('import', '\nimport', 1))
    subprocess.run(
        [sys.executable, 'run_onnx.py', 'light.onnx', 'sample.npz', 'labels.npy'],
        cwd=tmp_path, check=True, timeout=300,
    )  # fmt: skip
    expected = RGBDInferencer('light_depth_nyu', device='cpu')(
        depth_image, CAMERA, hide_unknown=False
    )
    labels = np.load('labels.npy')
    assert labels.shape == (60, 36, 60)
    assert (labels != expected.pred_voxels.numpy()).mean() < 1e-4


def test_a_program_of_torch_takes_any_batch(export):
    status, output = export(*SMALL, '--format', 'torch-export', '--out', 'light.pt2', *OPTIONS)
    assert status == 0, output
    extra = {'mmssc.json': ''}
    network = torch.export.load('light.pt2', extra_files=extra).module()
    described = json.loads(extra['mmssc.json'])
    assert described['grid_shape'] == [20, 12, 20] and len(described['classes']) == 12
    inputs = {
        name: torch.zeros(3, *one['shape'][1:], dtype=getattr(torch, one['dtype']))
        for name, one in described['inputs'].items()
    }
    logits, labels = network(inputs)
    assert logits.shape == (3, 12, 20, 12, 20) and labels.dtype == torch.uint8


def test_the_direct_layer_and_the_mean_of_two_volumes_are_exported(export):
    settings = ('model.stem.direct_channels=32', 'model.test_cfg.flip_axes=(0,)',
                'model.test_cfg.shift_axes=(0,2)')  # fmt: skip
    status, output = export(*SMALL, '--out', 'light.onnx', *OPTIONS, *settings)
    assert status == 0, output
    assert 'batch of 2: largest difference' in output


@pytest.mark.slow
def test_samples_of_the_data_set_are_compared(export, rooms):
    arguments = (ROOM_CONFIG, 'untrained', '--format', 'torch-export', '--out', 'room.pt2')
    status, output = export(*arguments, '--index', 99, *room_options(rooms))
    assert status == 2 and '--index: expected 0..2, found 99' in output
    status, output = export(*arguments, '--index', 2, '--sample', 'two.npz', *room_options(rooms))
    assert status == 0, output
    with np.load('two.npz') as inputs:
        assert inputs['voxel_to_pixel'].shape == (1, 20, 12, 20)
    status, output = export(*arguments, *room_options(rooms))
    assert status == 2 and 'room.pt2: expected a new file' in output and '--overwrite' in output
    status, output = export(*arguments, '--overwrite', *room_options(rooms))
    assert status == 0, output


def test_a_file_that_differs_is_not_left(export, monkeypatch, tmp_path):
    real = LightCompletor.predict_logits

    # The model that the file is compared with answers with a little more than the tolerance.
    def off(self, inputs):
        logits = real(self, inputs)
        return logits if torch.compiler.is_compiling() else logits + 2e-4 * logits.abs().max()

    monkeypatch.setattr(LightCompletor, 'predict_logits', off)
    arguments = (*SMALL, '--format', 'torch-export', '--out', 'light.pt2', *OPTIONS)
    status, output = export(*arguments)
    assert status == 2 and 'largest difference from the model: expected at most 0.0001' in output
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(LightCompletor, 'predict_logits', real)
    (tmp_path / 'light.pt2').write_bytes(b'mine')
    status, output = export(*arguments)
    assert status == 2 and 'light.pt2: expected a new file, found one that this command' in output
    assert (tmp_path / 'light.pt2').read_bytes() == b'mine'


@pytest.mark.slow
def test_the_pose_of_the_frame_can_be_given(export, depth_image, tmp_path):
    # The remedies of a floor that is not found name these options.
    options = ('light_depth_nyu', '--depth', depth_image, '--cam2img', *CAMERA, '--format',
               'torch-export')  # fmt: skip
    np.savetxt(tmp_path / 'pose.txt', [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.2], [0, 0, 0, 1]])
    poses = (('--height', 1.2, '--rotate', 0), ('--cam2world', 'pose.txt', '--cropped-images'))
    for number, pose in enumerate(poses):
        out = ('--out', f'{number}.pt2', '--sample', f'{number}.npz')
        status, output = export(*options, *pose, *out)
        assert status == 0, output
    first, second = (np.load(tmp_path / f'{number}.npz')['tsdf'] for number in range(2))
    assert np.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('sgn-T', '--out', 'x.onnx'), 'SGN, which has sparse convolutions'),
        (('symphonies-light_semantickitti', 'untrained', '--out', 'x.onnx'), 'Symphonies, which'),
        (
            ('voxdet-lidar_semantickitti', 'untrained', '--out', 'x.onnx'),
            'VoxDet, which has the',
        ),
        (('light_depth_nyu', '--out', 'x.pt2'), '--out: expected a name that ends with .onnx'),
        (('light_depth_nyu', '--out', 'x.onnx', '--height', '1'), '--height: expected --depth'),
        (('light_depth_nyu', '--out', 'x.onnx', '--rotate', '0'), '--rotate: expected --depth'),
        (
            ('light_depth_nyu', '--out', 'x.onnx', '--depth-kind', 'mm'),
            '--depth-kind: expected --depth',
        ),
        (
            ('light_depth_nyu', '--out', 'x.onnx', '--depth-kind', 'mm'),
            '--depth-kind: expected --d',
        ),
        (
            ('light_depth_nyu', '--out', 'x.onnx', '--depth', 'x.png', '--cam2img', '1', '2'),
            '--cam2img: expected fx fy cx cy, found 2 numbers',
        ),
        (('configs/light/light_depth_nyu.py', '--out', 'x.onnx'), 'expected a checkpoint file'),
        (('light_depth_nyu', '--out', 'x.onnx', '--rotate', '0'), '--rotate: expected --depth'),
        (
            (
                'light_depth_nyu',
                '--out',
                'x.onnx',
                '--depth',
                'x.png',
                '--cam2img',
                *CAMERA,
                '--height',
                '1',
                '--tilt',
                '95',
            ),
            '--tilt: expected an angle between -90 and 90 degrees',
        ),
    ],
)
def test_what_cannot_be_exported_is_one_line(export, tmp_path, arguments, message):
    status, output = export(*arguments)
    assert status == 2 and message in output and 'Traceback' not in output
    assert list(tmp_path.iterdir()) == []
