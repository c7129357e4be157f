"""The light LiDAR completor by the commands of its README, on synthetic streets."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from tool_runs import HERE, read_scalars, run_tool_in, street_options

CONFIG = HERE / 'light_lidar_config.py'


@pytest.fixture(scope='module')
def light_run(streets, tmp_path_factory) -> Path:
    """Work folder of four iterations."""
    folder = tmp_path_factory.mktemp('light_lidar')
    run_tool_in(folder, 'train.py', CONFIG, '--work-dir', 'run', *street_options(streets))
    return folder / 'run'


def test_training_logs_every_loss_and_validates_the_whole_grid(light_run):
    lines = read_scalars(light_run)
    steps = [line for line in lines if 'loss' in line]
    assert len(steps) == 4
    for step in steps:
        parts = [step[f'loss_{name}'] for name in ('ce', 'sem_scal', 'geo_scal')]
        assert step['loss'] == pytest.approx(sum(parts), rel=1e-4) and math.isfinite(step['loss'])
    # Curves show the validation at its iteration.
    assert 0 <= lines[-1]['ssc/SC_IoU'] <= 100 and lines[-1]['step'] == 4


def test_baselines_take_the_voxels_of_the_scan(streets, light_run, tmp_path):
    """And the figures of the network are compared with them: four iterations are not enough."""
    run_tool_in(
        tmp_path, 'test.py', CONFIG, light_run / 'iter_4.pth', '--out', 'figures.json',
        *street_options(streets),
    )  # fmt: skip
    done = run_tool_in(
        tmp_path, 'analysis_tools/geometric_baselines.py', CONFIG, '--figures', 'figures.json',
        '--out', 'baselines.json', *street_options(streets), status=1,
    )  # fmt: skip
    assert 'NOT LEARNED' in done.stdout
    baselines = json.loads((tmp_path / 'baselines.json').read_text())
    assert [*baselines] == ['scan voxels', 'training mean']
    assert all(0 < row['SC_IoU'] < 100 for row in baselines.values())


def test_a_scan_is_completed_and_exported(streets, light_run, tmp_path):
    weights = light_run / 'iter_4.pth'
    scan = streets / 'dataset/sequences/08/velodyne/000000.bin'
    run_tool_in(tmp_path, 'infer.py', CONFIG, weights, '--points', scan, '--out', 'predictions')
    assert list((tmp_path / 'predictions').glob('*.npy'))
    pytest.importorskip('onnxruntime')
    run_tool_in(
        tmp_path, 'deployment/export.py', CONFIG, weights, '--out', 'network.onnx', '--index', 0,
        *street_options(streets),
    )  # fmt: skip
    assert (tmp_path / 'network.onnx').stat().st_size > 10_000
