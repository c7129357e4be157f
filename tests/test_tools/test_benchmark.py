import json

import pytest
from tool_runs import ROOT, TOY_CONFIG


def test_every_stage_is_measured(run_tool, tmp_path):
    done = run_tool(
        'analysis_tools/benchmark.py', TOY_CONFIG, '--iters', 2, '--batch-size', 2, '--amp',
        '--out', 'figures.json', '--cfg-options', 'model.sleep=0.05',
    )  # fmt: skip
    result = json.loads((tmp_path / 'figures.json').read_text())
    stages = {row['stage']: row for row in result['stages']}
    assert list(stages) == [
        'loading', 'preprocessing', 'forward', 'prediction', 'metric', 'forward and losses',
        'backward', 'optimiser',
    ]  # fmt: skip
    # The toy model sleeps in its loss.
    assert 50 <= stages['forward and losses']['mean_ms'] < 500 > stages['forward']['mean_ms']
    assert stages['forward and losses']['cpu_ms'] < stages['forward and losses']['mean_ms']
    # 27 * 8 + 8 of the first convolution, 16 of BatchNorm, 8 * 3 + 3 of the last one.
    assert result['parameters'] == {'layers': 267, 'all': 267, 'trained': 267}
    assert result['machine']['torch'] and result['amp'] is True
    assert 'forward and losses' in done.stdout


def test_prediction_only_needs_no_optimiser_and_gives_processor_time(run_tool, tmp_path):
    done = run_tool(
        'analysis_tools/benchmark.py', TOY_CONFIG, '--iters', 1, '--prediction-only',
        '--out', 'figures.json', '--cfg-options', 'optim_wrapper.optimizer.type=none',
    )  # fmt: skip
    stages = json.loads((tmp_path / 'figures.json').read_text())['stages']
    names = [row['stage'] for row in stages]
    assert names == ['loading', 'preprocessing', 'prediction', 'metric']
    assert all(row['cpu_ms'] >= 0 for row in stages) and 'CPU ms' in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'step'),
    [
        ('cleaners-teacher', 'forward and losses'),
        ('ammnet', 'training step'),
        ('sketch', 'backward'),
    ],
)
def test_indoor_configs_are_measured_on_random_rooms(name, step, run_tool, tmp_path):
    run_tool(
        'analysis_tools/benchmark.py', ROOT / f'configs/quickstart/{name}_synthetic.py',
        '--synthetic-input', '--shape', 60, 80, '--iters', 1, '--warmup', 0, '--batch-size', 2,
        '--out', 'figures.json', '--cfg-options', 'model.voxel_grid.shape=20,12,20',
    )  # fmt: skip
    result = json.loads((tmp_path / 'figures.json').read_text())
    stages = {row['stage']: row['mean_ms'] for row in result['stages']}
    assert stages[step] > 0 and stages['metric'] > 0


def test_the_tsdf_of_a_frame_is_a_stage_of_its_own(run_tool, tmp_path):
    run_tool(
        'analysis_tools/benchmark.py', 'light_depth_nyu', '--synthetic-input', '--iters', 2,
        '--prediction-only', '--out', 'figures.json',
        '--cfg-options', 'model.voxel_grid.shape=20,12,20',
    )  # fmt: skip
    stages = json.loads((tmp_path / 'figures.json').read_text())['stages']
    assert stages[0]['stage'] == 'TSDF and mapping' and stages[0]['cpu_ms'] > 0
