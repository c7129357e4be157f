"""tools/analysis_tools/analyze_logs.py on the logs of two trainings."""

from __future__ import annotations

import json

from PIL import Image


def test_logs_are_drawn(tmp_path, monkeypatch, tool_in_process):
    analyse = tool_in_process('analysis_tools/analyze_logs.py')
    monkeypatch.chdir(tmp_path)
    for run, scale in (('one', 1), ('two', 2)):
        path = tmp_path / run / '20260101_000000/vis_data/scalars.json'
        path.parent.mkdir(parents=True)
        records = [dict(loss=scale * (9 - n), lr=0.1, epoch=n, iter=n, step=n) for n in range(1, 5)]
        records.append({'ssc/SC_IoU': 10 * scale, 'ssc/SSC_car_IoU': 1, 'step': 4})
        path.write_text('\n'.join(map(json.dumps, records)))
    status, output = analyse('one', 'two', '--smooth', 0.5, '--out', 'curves.png')
    assert status == 0
    rows = [[cell.strip() for cell in line.split('|')] for line in output.splitlines()]
    assert ['loss', '5 (iteration 4)', '10 (iteration 4)'] in rows
    assert [
        'ssc/SC_IoU',
        '10 (epoch 4), best 10 (epoch 4)',
        '20 (epoch 4), best 20 (epoch 4)',
    ] in rows
    with Image.open('curves.png') as picture:
        assert picture.size[0] > picture.size[1] > 200
    assert analyse('one', '--list-keys')[1].split() == [
        'loss', 'lr', 'ssc/SC_IoU', 'ssc/SSC_car_IoU'
    ]  # fmt: skip
    assert 'ssc/SSC_car_IoU' in analyse('one', '--keys', 'ssc/*_IoU')[1]
    for arguments, message in (
        (('one', '--keys', 'los'), '--keys: expected some of loss, lr, ssc/SC_IoU'),
        (('one', '--out', 'curves.png'), 'replace it with --overwrite'),
        (('one', '--out', 'curves.txt'), 'a file name that ends in .png, .pdf, .svg'),
        (('.',), 'expected a work folder with */vis_data/scalars.json, found none'),
    ):
        status, output = analyse(*arguments)
        assert status == 2 and message in output and output.count('\n') == 1


def test_values_and_names_that_no_axis_can_show(tmp_path, monkeypatch, tool_in_process):
    monkeypatch.chdir(tmp_path)
    lines = ['{"loss": 1e308, "$lo": 3, "iter": 1, "step": 1}', '{"loss": -1e308, "iter": 2}',
             '{"loss": NaN, "iter": 3}', '{"loss": Infinity, "iter": 1e300}']  # fmt: skip
    for run in ('$\\frac{$', '_hidden'):
        (tmp_path / run).mkdir()
        (tmp_path / run / 'scalars.json').write_text('\n'.join(lines))
    analyse = tool_in_process('analysis_tools/analyze_logs.py')
    status, output = analyse('$\\frac{$', '_hidden', '--keys', '*', '--out', 'curves.svg')
    assert status == 0 and 'inf (iteration 1e+300)' in output
    assert (tmp_path / 'curves.svg').read_text().startswith('<?xml')
