import json

from tool_runs import TOY_CONFIG


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
    # 27 * 8 + 8 of the first convolution, 16 of BatchNorm, 8 * 3 + 3 of the last one.
    assert result['parameters'] == {'layers': 267, 'all': 267, 'trained': 267}
    assert result['machine']['torch'] and result['amp'] is True
    assert 'forward and losses' in done.stdout
