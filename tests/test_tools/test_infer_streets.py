"""infer.py on synthetic streets: a pair gives the depth of the converter, frames have poses."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from tool_runs import STREET_CONFIG, STREET_FRAMES, run_tool_in, street_options

from mmssc.apis import init_model

GRID = ('--grid-shape', 64, 64, 8, '--voxel-size', 0.8)


@pytest.mark.slow  # Makes scenes.
def test_pairs_of_a_drive_give_what_the_converter_and_the_data_set_give(
    streets, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(STREET_CONFIG.parent)
    torch.manual_seed(0)
    model = init_model(STREET_CONFIG, 'untrained')
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    shutil.copytree(streets, tmp_path / 'tree')
    for name in ('depth', 'pseudo_lidar'):
        shutil.rmtree(tmp_path / 'tree/dataset' / name)
    run_tool_in(
        tmp_path, 'dataset_converters/semantic_kitti.py', 'tree', *GRID, '--depth-from', 'stereo',
        '--workers', 1,
    )  # fmt: skip
    drive = tmp_path / 'tree/dataset/sequences/08'
    common = (
        'infer.py', STREET_CONFIG, 'weights.pth', '--image', drive / 'image_2', '--calib',
        drive / 'calib.txt', '--poses', drive / 'poses.txt', '--device', 'cpu', '--crop',
    )  # fmt: skip
    depth = ('--depth', tmp_path / 'tree/dataset/depth/08', '--out', 'depth', '--formats', 'npy')
    pairs = ('--image-right', drive / 'image_3', '--out', 'pairs', '--formats', 'npy', 'mp4')
    for options in (depth, pairs):
        done = run_tool_in(tmp_path, *common, *options)
        assert 'predict: 100 %' in done.stderr
    assert (tmp_path / 'pairs/scenes.mp4').stat().st_size > 1000
    # The data set reads the first frames as at the start of a drive.
    run_tool_in(
        tmp_path, 'test.py', STREET_CONFIG, 'weights.pth', '--save-predictions', 'tested',
        *street_options(tmp_path / 'tree'),
    )  # fmt: skip
    for name in STREET_FRAMES:
        given, found, tested = (
            np.load(tmp_path / file)
            for file in (f'depth/{name}.npy', f'pairs/{name}.npy', f'tested/08_{name}.npy')
        )
        assert np.array_equal(given, found) and len(np.unique(given)) > 1
        assert (given == tested).mean() > 0.999
