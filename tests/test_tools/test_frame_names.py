"""Names of frames with dots, blanks and umlauts, and of folders that are no text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tool_runs import ROOM_CONFIG, TOY_CONFIG, room_options, run_tool_in


@pytest.fixture
def renamed_rooms(rooms: Path, tmp_path: Path) -> Path:
    """The rooms, with a prefix in every name of a frame."""
    root = tmp_path / 'rooms'
    shutil.copytree(rooms, root)
    for path in root.glob('nyu_infos_*.json'):
        content = json.loads(path.read_text(encoding='utf-8'))
        files = [file for keys in content['metainfo']['files'].values() for file in keys.values()]
        templates = {file['path'] for file in files}
        for frame in content['data_list']:
            old = frame['frame_id']
            frame['frame_id'] = f'büro 13.05 {old}'
            for template in templates:
                source = root / template.replace('{frame_id}', old)
                if source.is_file():
                    source.rename(root / template.replace('{frame_id}', frame['frame_id']))
        path.write_text(json.dumps(content), encoding='utf-8')
    return root


def test_training_and_test_with_ordinary_names(renamed_rooms: Path, tmp_path: Path) -> None:
    options = room_options(renamed_rooms)
    run_tool_in(tmp_path, 'train.py', ROOM_CONFIG, '--work-dir', 'run', *options)
    tested = run_tool_in(
        tmp_path, 'test.py', ROOM_CONFIG, 'run/epoch_1.pth', '--show-dir', 'pictures', *options
    )
    assert 'Pictures written to pictures\n' in tested.stdout
    names = [path.name for path in (tmp_path / 'pictures').glob('*.png')]
    assert names and all(name.startswith('test_büro 13.05 ') for name in names)
    check = run_tool_in(tmp_path, 'misc/check_dataset.py', ROOM_CONFIG, *options)
    assert 'no problem found' in check.stdout


def test_a_work_folder_whose_name_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a test writes it as codes; a training could not list its checkpoints."""
    monkeypatch.setenv('PYTHONIOENCODING', 'utf-8:backslashreplace')  # For this test to read.
    done = run_tool_in(tmp_path, 'test.py', TOY_CONFIG, 'untrained', '--work-dir', 'a\udcff')
    assert 'Logging error' not in done.stderr
    (log,) = (tmp_path / 'a\udcff').glob('*/*.log')
    assert r'a\udcff' in log.read_text('utf-8')
    done = run_tool_in(tmp_path, 'train.py', TOY_CONFIG, '--work-dir', 'b\udcff', status=2)
    expected = 'name: expected UTF-8, as in the text file last_checkpoint, found other bytes'
    assert expected in done.stderr and 'Traceback' not in done.stderr
    assert not (tmp_path / 'b\udcff').exists()
