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

    def run(*args, out_dir=None):
        command = [str(TOOL), str(folder / 'config.py'), '--split', 'val']
        command += ['--out-dir', str(out_dir or folder / 'out'), *args]
        monkeypatch.setattr(sys, 'argv', command)
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOL), run_name='__main__')
        return stopped.value.code, capsys.readouterr(), folder / 'out'

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


def test_pictures_are_never_written_among_other_files(browse, tree):
    frame = ('--frame', '08/000005')
    status, _, folder = browse(*frame)
    first = (folder / '08_000005.png').read_bytes()
    (folder / '08_000005.png').write_bytes(b'')
    status, printed, _ = browse(*frame)
    assert status == 2 and '08_000005.png: expected a new file' in printed.err
    assert '--overwrite' in printed.err
    assert browse(*frame, '--overwrite')[0] == browse('--frame', '08/000000')[0] == 0
    assert (folder / '08_000005.png').read_bytes() == first
    others = folder.parent / 'others'
    others.mkdir()
    (others / '08_000005.png').write_bytes(b'precious')
    status, printed, _ = browse(*frame, '--overwrite', out_dir=others)
    assert status == 2 and "files of this command only, found '08_000005.png'" in printed.err
    assert (others / '08_000005.png').read_bytes() == b'precious'
    before = sorted(tree.rglob('*'))
    for inside in (tree, tree / 'new', tree / 'dataset/sequences/08/image_2'):
        status, printed, _ = browse(*frame, '--overwrite', out_dir=inside)
        assert status == 2 and f'found a folder of the data in {tree}' in printed.err
    assert sorted(tree.rglob('*')) == before
