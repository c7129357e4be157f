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
    assert rows[0][0] == 'last value (protocol)'
    assert analyse('one', '--keys', 'loss')[1].startswith('last value |')
    assert [
        'ssc/SC_IoU (full)',
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


def test_scores_are_those_of_the_protocol_that_selects(tmp_path, monkeypatch, tool_in_process):
    analyse = tool_in_process('analysis_tools/analyze_logs.py')
    monkeypatch.chdir(tmp_path)
    log = tmp_path / 'run/20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    names = ('ssc/SC_IoU', 'ssc/SSC_mIoU', 'ssc/SSC_bed_IoU')
    records = [
        {f'{name}{suffix}': value for suffix in ('_nyu', '', '_12.8m') for name in names}
        | {'step': epoch}
        for epoch, value in enumerate((10, 30, 20), 1)
    ]
    log.write_text('\n'.join(map(json.dumps, records)))

    def titles(*options):
        table = analyse(*options)[1].splitlines()[2:]
        assert all('20 (iteration 3), best 30 (iteration 2)' in line for line in table)
        return [line.split('|')[0].strip() for line in table]

    first = ['ssc/SC_IoU_nyu (nyu)', 'ssc/SSC_mIoU_nyu (nyu)']
    assert titles('run') == first  # the first protocol of the metric
    best = tmp_path / 'run/best_ssc_SSC_mIoU_epoch_2.pth'
    # save_best names the best checkpoint after its key.
    best.touch()
    full = ['ssc/SC_IoU (full)', 'ssc/SSC_mIoU (full)']
    assert titles('run') == titles('run/20260101_000000') == titles(log) == full
    best.rename('run/best_ssc_SSC_bed_IoU_nyu_iter_9.pth')
    assert titles('run') == first
    assert titles('run', '--keys', '*bed*') == [
        'ssc/SSC_bed_IoU_nyu (nyu)', 'ssc/SSC_bed_IoU (full)', 'ssc/SSC_bed_IoU_12.8m (12.8m)'
    ]  # fmt: skip
    assert analyse('run', '--out', 'curves.svg')[0] == 0


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
