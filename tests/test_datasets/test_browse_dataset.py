import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).resolve().parents[2] / 'tools/misc/browse_dataset.py'


@pytest.fixture
def browse(tree, tmp_path_factory, monkeypatch, capsys):
    """Run the tool on the tiny tree; gives its status, output and folder."""
    folder = tmp_path_factory.mktemp('browse')
    pipeline = [
        dict(type='LoadDrivingImages'),
        dict(type='LoadDrivingPoints'),
        dict(type='LoadDrivingLabels', optional=True),
        dict(type='PackSSCInputs'),
    ]
    dataset = dict(
        type='SemanticKITTIDataset', data_root=str(tree), ann_file='semantickitti_infos_val.json',
        pipeline=pipeline,
    )  # fmt: skip
    (folder / 'config.py').write_text(f'val_dataloader = {dict(dataset=dataset)!r}\n')

    def run(*args):
        command = [str(TOOL), str(folder / 'config.py'), '--split', 'val', '--out-dir', str(folder)]
        monkeypatch.setattr(sys, 'argv', [*command, *args])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOL), run_name='__main__')
        return stopped.value.code, capsys.readouterr(), folder

    return run


def test_pictures_of_every_labelled_sample(browse):
    status, printed, folder = browse('--num', '10')
    assert status == 0, printed.err
    names = sorted(path.name for path in folder.glob('*.png'))
    assert names == ['00_000000.png', '08_000000.png', '08_000005.png']
    assert '08/000007: no labels, not drawn' in printed.out
    for name in names:
        assert np.asarray(Image.open(folder / name)).std() > 10


def test_chosen_frames(browse):
    status, _, folder = browse('--frame', '08/000005')
    assert status == 0
    assert [path.name for path in folder.glob('*.png')] == ['08_000005.png']
    status, printed, _ = browse('--frame', '08/000001')
    assert status == 2
    assert 'one of the 4 of the split' in printed.err
