"""growth.py, list_growth.py and loading_speed.py."""

from __future__ import annotations

import json

import pytest
import torch
from tool_runs import ROOT, TOY_CONFIG

from mmssc.errors import DataError
from mmssc.performance import cases
from mmssc.performance.cases import OUT_OF_MEMORY, Case, measure_cases, scaled_config
from mmssc.performance.growth import cases_of, efficiency, growth_panels

TOOL = 'analysis_tools/growth.py'
CONFIG = str(ROOT / 'configs/quickstart/light_synthetic.py')
SMALL = {'model.voxel_grid.shape': (20, 12, 20)}
STREETS = str(ROOT / 'configs/quickstart/sgn_synthetic.py')


def test_one_thing_grows_at_a_time():
    sizes = dict(batch_size=[1, 4], grid=[1, 2], frames=[3], processes=[1, 2])
    found = cases_of(['inference', 'training'], ['fp32'], sizes)
    assert found.count(Case('training')) == 1 and len(found) == len(set(found))
    assert set(found) - {Case('inference'), Case('training')} == {
        Case('inference', 4), Case('training', 4), Case('inference', grid=2),
        Case('training', grid=2), Case('inference', frames=3), Case('training', frames=3),
        Case('training', 2), Case('training', 2, processes=2),
    }  # fmt: skip
    assert all(one.amp for one in cases_of(['training'], ['bf16'], sizes))


def test_grid_and_frames_of_a_config():
    cfg = scaled_config(CONFIG, SMALL, 2, None)
    assert tuple(cfg.model.voxel_grid.shape) == (40, 12, 20)
    cfg = scaled_config(STREETS, None, 1, 3)
    assert tuple(cfg.test_dataloader.dataset.frame_offsets) == (-1, -2)
    with pytest.raises(DataError, match='--frames: expected a config that reads several frames'):
        scaled_config(CONFIG, None, 1, 3)


def test_cases_are_measured_and_memory_may_be_too_small(monkeypatch):
    cpu, wanted = torch.device('cpu'), [Case('inference', 2), Case('training', amp=True)]
    small, step = measure_cases(CONFIG, wanted, cpu, 1, 0, SMALL, (24, 32))
    assert (small['batch_size'], step['amp'], small['note']) == (2, True, '')
    assert small['finite'] and step['finite'] and small['seconds'] > 0 < step['cpu_seconds']

    def predict(*arguments):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(cases, 'predict', predict)
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: None)
    large, step = measure_cases(CONFIG, wanted, cpu, 1, 0, SMALL, (24, 32))
    assert large['note'] == OUT_OF_MEMORY and 'seconds' not in large and step['finite']


def test_efficiency_and_curves():
    record = dict(config='a/b.py', run='training', amp=False, batch_size=2, grid=1, frames=None)
    one = dict(record, processes=1, seconds=4.0, peak_mib=100.0)
    two = dict(record, processes=2, seconds=2.5, peak_mib=60.0)
    assert efficiency([two, one]) == {1: 1.0, 2: 0.8} and efficiency([two]) == {}
    full = dict(record, processes=4, note=OUT_OF_MEMORY)
    panels = growth_panels([one, two, full])
    assert panels == {
        'seconds by processes': ('processes', {'b, training, fp32': ([1, 2], [4.0, 2.5])}, {}),
        'peak MiB by processes': ('processes', {'b, training, fp32': ([1, 2], [100.0, 60.0])}, {}),
    }


@pytest.mark.slow
def test_growth_is_measured_in_processes(run_tool, tmp_path):
    done = run_tool(
        TOOL, CONFIG, '--runs', 'training', '--batch-sizes', 1, '--grids', 2, '--processes', 1, 2,
        '--iters', 1, '--threads', 1, '--shape', 24, 32, '--out', 'a.json',
        '--plot', 'a.png', '--cfg-options', 'model.voxel_grid.shape=20,12,20',
    )  # fmt: skip
    records = json.loads((tmp_path / 'a.json').read_text('utf-8'))['records']
    assert [(one['batch_size'], one['grid'], one['processes']) for one in records] == [
        (1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 1, 2),
    ]  # fmt: skip
    assert all(one['seconds'] > 0 and one['finite'] for one in records)
    assert '2 processes, fp32, batch 2: efficiency' in done.stdout
    assert '4 of 4 cases measured' in done.stdout
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')
    failed = run_tool(TOOL, CONFIG, '--frames', 3, '--shape', 24, 32, status=2)
    assert failed.stderr.startswith('error: ') and '--frames' in failed.stderr


@pytest.mark.slow
def test_lists_are_measured(tool_in_process, tmp_path):
    out, plot = tmp_path / 'lists.json', tmp_path / 'lists.png'
    status, text = tool_in_process('analysis_tools/list_growth.py')(
        '--frames', 60, 20, '--kinds', 'driving', '--out', out, '--plot', plot
    )
    assert status == 0 and 'memory MiB' in text
    records = json.loads(out.read_text('utf-8'))['records']
    assert [one['frames'] for one in records] == [20, 60] and plot.stat().st_size > 1000
    again = ('--frames', 20, '--kinds', 'rgbd', '--out', out)
    assert tool_in_process('analysis_tools/list_growth.py')(*again)[0] == 2
    assert tool_in_process('analysis_tools/list_growth.py')(*again, '--overwrite')[0] == 0


def test_the_time_of_each_transform_is_shown(run_tool, tmp_path):
    done = run_tool(
        'analysis_tools/loading_speed.py', TOY_CONFIG, '--samples', 3, '--out', 'a.json',
        '--split', 'val',
    )  # fmt: skip
    (found,) = json.loads((tmp_path / 'a.json').read_text('utf-8'))['data_sets']
    run_tool(
        'analysis_tools/loading_speed.py', TOY_CONFIG, '--samples', 1, '--out', 'a.json',
        '--overwrite',
    )  # fmt: skip
    assert found['samples'] == 3 and found['transforms'].keys() == {'others'}
    assert 'samples a second of one core' in done.stdout
