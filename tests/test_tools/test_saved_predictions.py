"""tools/test.py --save-predictions."""

from __future__ import annotations

import numpy as np
from tool_runs import HERE, TOY_CONFIG

from mmssc.fileio import lock_folder
from mmssc.formats.kitti import read_voxel_labels


def test_every_prediction_gets_a_file(tool_in_process, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
    test = tool_in_process('test.py')
    command = (TOY_CONFIG, 'untrained', '--save-predictions', 'predictions')
    assert test(*command)[0] == 0
    files = sorted((tmp_path / 'predictions').glob('*.npy'))
    assert [path.name for path in files] == [f'00_00000{number}.npy' for number in range(3)]
    assert all(read_voxel_labels(path, (4, 4, 2)).max() < 3 for path in files)
    assert np.load(files[0]).dtype == np.uint8
    status, output = test(*command)
    assert status == 2 and 'predictions: expected a new or empty folder, found files' in output
    assert test(*command, '--overwrite')[0] == 0
    monkeypatch.setattr('mmssc.temporary_files._LOCK_TIMEOUT', 0.1)
    with lock_folder('predictions'):
        status, output = test(*command, '--overwrite')
    assert status == 2 and 'predictions: expected no other command that writes to this' in output
    (tmp_path / 'predictions/mine.npy').write_text('x')
    status, output = test(*command, '--overwrite')
    assert status == 2 and "found 'mine.npy'" in output
