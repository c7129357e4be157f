"""tools/analysis_tools/get_flops.py on models that can be counted by hand."""

from __future__ import annotations

import json

import pytest
from tool_runs import ROOT, STREET_CONFIG, TOY_CONFIG


def test_operations_are_counted(tmp_path, monkeypatch, tool_in_process):
    count = tool_in_process('analysis_tools/get_flops.py')
    monkeypatch.chdir(tmp_path)
    config = ROOT / 'configs/quickstart/light_synthetic.py'
    status, output = count(config, '--shape', 24, 32, '--depth', 2, '--out', 'counts.json')
    assert status == 0 and 'img (1, 3, 24, 32)' in output
    parts = json.loads((tmp_path / 'counts.json').read_text())['parts']
    whole = parts.pop('all')
    assert whole['parameters'] == sum(parts[name]['parameters'] for name in ('stem', 'head'))
    assert whole['multiply_adds'] > parts['head']['multiply_adds'] > 0
    # 12 logits of 32 channels at every voxel.
    classifier = parts['head.classifier']
    assert classifier['multiply_adds'] == 40 * 24 * 40 * 32 * 12
    assert 'head.classifier' in output and 'add' in parts['head']['not_counted']
    status, output = count(TOY_CONFIG)
    assert status == 2 and 'model.voxel_grid: expected a grid, found none' in output


@pytest.mark.slow
def test_sparse_convolutions_are_counted_with_the_points(tool_in_process):
    count = tool_in_process('analysis_tools/get_flops.py')
    few, many = (count(STREET_CONFIG, '--points', number)[1] for number in (50, 5000))
    head = [
        next(line for line in one.splitlines() if line.startswith('head')) for one in (few, many)
    ]
    few, many = (float(line.split('|')[2]) for line in head)
    assert 0 < few < many
