"""Figures of a .csv are finite numbers, one row per frame."""

from __future__ import annotations

import pytest

from mmssc.errors import DataError
from mmssc.preparation.rgbd.published_figures import read_figures


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_figures_by_frame(tmp_path, end):
    rows = ['frame,split,mapped,tsdf_mean', '0003,test,1200,-0.5', '', '0004,test,7,1e-3']
    (tmp_path / 'a.csv').write_bytes(end.join(rows).encode())
    expected = {'0003': dict(mapped=1200, tsdf_mean=-0.5), '0004': dict(mapped=7, tsdf_mean=1e-3)}
    assert read_figures(tmp_path / 'a.csv') == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('frame,mapped\n1,nan\n', 'row 2: expected finite numbers, found nan'),
        ('frame,mapped\n1,1e400\n', 'row 2: expected finite numbers, found 1e400'),
        ('frame,mapped\n1,١\n', 'row 2: expected 1 numbers'),
        ('frame,mapped\n1,2,3\n', 'row 2: expected 2 values, found 3'),
        ('frame,mapped\n1,2\n1\n', 'row 3: expected 2 values, found 1'),
        ('frame,mapped,mapped\n1,2,3\n', 'columns: expected every column once, found mapped'),
        ('frame,mapped\n1,2\n1,3\n', 'row 3: expected every frame once, found 1 again'),
        ('frame,mapped\n', 'columns: expected frame, mapped'),
        ('name,mapped\n1,2\n', 'columns: expected frame, mapped, ..., found name, mapped'),
        ('frame,mapped\n1,"' + '2' * 200_000, 'content: expected rows of a .csv'),
        ('\n', 'columns: expected frame'),
    ],
)
def test_wrong_figures_are_named(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text, encoding='utf-8')
    with pytest.raises(DataError, match=f'a.csv: {message}'):
        read_figures(tmp_path / 'a.csv')
