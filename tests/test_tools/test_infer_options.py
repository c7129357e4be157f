"""infer.py and render_voxels.py: options that are missing or of another form."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from warm_start import run_script

ROOT = Path(__file__).resolve().parents[2]
CAMERA = ['--cam2img', '585', '585', '320', '240']


def run(tool: str, *options: object) -> str:
    done = run_script([ROOT / 'tools' / tool, *options], Path.cwd(), os.environ)
    assert done.returncode == 2
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--depth', 'a.png', '--cam2img', '585,585,320,240'], 'commas: 585 585 320 240'),
        (['--depth', 'a.png'], 'found no --cam2img'),
        (CAMERA, 'found no --depth'),
        (['--depth', 'a.png', *CAMERA, '--height', 1400], 'error: --height: expected metres'),
        (['--depth', 'a.png', *CAMERA, '--height', 1, '--tilt', 95], 'error: --tilt: expected'),
        (['--depth', '.', *CAMERA], 'error: .: expected a depth image, found a folder. Give the'),
        (
            ['--depth', 'a.png', *CAMERA, '--segmentation', 'b.png'],
            'error: --segmentation: expected none: this model reads no segmentation, found b.png',
        ),
        (['--depth', 'a.png', *CAMERA, '--frame-rate', 5], 'error: --frame-rate: expected mp4'),
        (
            ['--depth', 'a.png', *CAMERA, '--formats', 'label'],
            'error: --formats: expected label only for a data set with raw ids, such as '
            'SemanticKITTI, found light_depth_nyu. Leave label out of --formats',
        ),
    ],
)
def test_an_option_is_named(tmp_path, options, text):
    assert text in run('infer.py', 'light_depth_nyu', '--out', tmp_path / 'out', *options)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--calib', 'c.txt', '--cam2img', *'123456789'], 'found --calib and --cam2img'),
        (['--cam2img', *'123456789'], 'found only --cam2img'),
        ([], 'expected either --calib, or --cam2img and --lidar2cam, found neither'),
        (['--calib', 'c.txt', '--depth', 'a.npy', '--max-disparity', 256],
         'error: --max-disparity: expected with --image-right, found without it'),
        (['--calib', 'c.txt', '--depth', 'a.npy', '--earlier-depth', 'b.npy'],
         'error: --earlier-depth: expected with --earlier-image, found without it'),
    ],
)  # fmt: skip
def test_options_that_would_be_ignored_are_refused(tmp_path, options, text):
    given = ('sgn-S', 'untrained', '--image', 'a.png', *options)
    assert text in run('infer.py', *given, '--out', tmp_path / 'out')


def test_a_folder_of_images_that_is_misspelt_is_named(tmp_path):
    options = ('--image', 'image_x', '--depth', tmp_path, '--calib', 'c.txt')
    line = run('infer.py', 'sgn-S', 'untrained', *options, '--out', tmp_path / 'out')
    assert line.endswith('a folder of images, or a video, found image_x, which does not exist')


def test_the_data_set_of_a_prediction_is_named(tmp_path):
    np.save(tmp_path / 'a.npy', np.zeros((60, 36, 60), np.uint8))
    line = run('misc/render_voxels.py', tmp_path / 'a.npy')
    assert 'found (60, 36, 60). Give --dataset nyu or --grid-shape 60 36 60' in line
