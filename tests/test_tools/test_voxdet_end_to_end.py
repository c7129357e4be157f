"""VoxDet-LiDAR without cameras, on the scans of synthetic streets.

What it shares with other methods: test_driving_methods.py.
"""

from __future__ import annotations

import json
import shutil

from tool_runs import HERE, read_scalars, run_tool_in, street_options

CONFIG = HERE / 'voxdet_config.py'
STREET_GRID = '--grid-shape', 64, 64, 8, '--voxel-size', 0.8


def test_neither_images_nor_depth_are_needed(streets, train_on_streets, tmp_path):
    """Scans, voxels, calibration and poses are enough to prepare, check and test."""
    run, tree = train_on_streets(CONFIG), tmp_path / 'tree'
    images = shutil.ignore_patterns('image_*')
    shutil.copytree(streets / 'dataset/sequences', tree / 'dataset/sequences', ignore=images)
    command = 'dataset_converters/semantic_kitti.py', 'tree', *STREET_GRID, '--workers', 1
    failed = run_tool_in(tmp_path, *command, status=2)
    assert 'no such folder' in failed.stderr and '--steps labels infos' in failed.stderr
    run_tool_in(tmp_path, *command, '--steps', 'labels', 'infos')
    done = run_tool_in(tmp_path, 'misc/check_dataset.py', 'tree')
    assert '00: scans without images' in done.stdout and 'not prepared' not in done.stdout
    run_tool_in(
        tmp_path, 'test.py', CONFIG, run / 'iter_6.pth', '--out', 'scores.json',
        *street_options(tree),
    )  # fmt: skip
    scores = json.loads((tmp_path / 'scores.json').read_text())
    validated = read_scalars(run)[-1]
    assert scores == {key: validated[key] for key in scores}


def test_a_training_takes_windows_of_the_scan(streets, tmp_path):
    command = 'train.py', CONFIG, '--work-dir', 'run', *street_options(streets)
    one = 'train_cfg.max_iters=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1'
    failed = run_tool_in(tmp_path, *command, *one, 'model.train_window=(20,32)', status=2)
    assert 'VoxDet.train_window: expected two multiples of 16, at most (64, 64)' in failed.stderr
    run_tool_in(tmp_path, *command, *one, 'model.train_window=(32,48)')
    assert (tmp_path / 'run/iter_1.pth').is_file()
