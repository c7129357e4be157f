"""Submissions: what is written comes back, and the checker finds each kind of fault."""

from __future__ import annotations

import os
import resource
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmssc.datasets import SemanticKITTIDataset
from mmssc.errors import DataError
from mmssc.evaluation.submission import (
    SubmissionRules,
    check_submission,
    pack_submission,
    write_prediction,
)

RAW_IDS = [0, 10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81]
RULES = SubmissionRules((5, 2, 2), np.array(RAW_IDS, dtype=np.uint16))
EXPECTED = [('11', '000000'), ('12', '000005')]


def every_class() -> np.ndarray:
    return np.arange(20, dtype=np.uint8).reshape(5, 2, 2)


def make_submission(folder: Path) -> Path:
    for sequence, frame in EXPECTED:
        write_prediction(folder, sequence, frame, every_class(), RULES)
    names = [f'sequences/{s}/predictions/{f}.label' for s, f in EXPECTED]
    return pack_submission(folder, names, folder / 'submission.zip')


def test_rules_of_semantic_kitti_are_those_of_the_benchmark():
    rules = SubmissionRules.official(SemanticKITTIDataset.METAINFO)
    assert rules.raw_ids.tolist() == RAW_IDS
    assert rules.shape == (256, 256, 32)
    assert rules.num_bytes == 4194304


def test_raw_ids_of_all_classes_come_back_in_c_order(tmp_path):
    path = write_prediction(tmp_path, '11', '000000', every_class(), RULES)
    assert path == tmp_path / 'sequences' / '11' / 'predictions' / '000000.label'
    raw = np.fromfile(path, dtype='<u2')
    assert raw.tolist() == RAW_IDS
    learning_map = SemanticKITTIDataset.METAINFO['learning_map']
    assert [learning_map[value] for value in raw.tolist()] == list(range(20))


@pytest.mark.parametrize(
    ('sequence', 'frame', 'prediction', 'word'),
    [
        ('11', '5', every_class(), '11/5'),
        ('../x', '000000', every_class(), 'sequence of 2 digits'),
        ('11', '000000', every_class()[:4], 'shape'),
        ('11', '000000', every_class() + 1, '0 to 19, found 20'),
    ],
)
def test_writes_nothing_that_the_server_refuses(tmp_path, sequence, frame, prediction, word):
    with pytest.raises(DataError, match=word):
        write_prediction(tmp_path, sequence, frame, prediction, RULES)
    assert not list(tmp_path.iterdir())


def test_a_good_submission_passes_as_zip_and_as_folder(tmp_path):
    archive = make_submission(tmp_path)
    assert check_submission(archive, RULES, EXPECTED) == (2, [])
    assert check_submission(tmp_path, RULES, EXPECTED) == (2, [])
    assert check_submission(archive, RULES, sequences=('11', '12')) == (2, [])


def test_zip_needs_every_prediction(tmp_path):
    make_submission(tmp_path)
    (tmp_path / 'sequences/11/predictions/000000.label').unlink()
    (tmp_path / 'submission.zip').unlink()
    with pytest.raises(DataError, match='000000.label'):
        pack_submission(
            tmp_path, ['sequences/11/predictions/000000.label'], tmp_path / 'submission.zip'
        )
    assert not (tmp_path / 'submission.zip').exists()


def good(ids: np.ndarray | None = None) -> bytes:
    return (RULES.raw_ids if ids is None else ids).astype('<u2').tobytes()


FIRST, SECOND = (f'sequences/{s}/predictions/{f}.label' for s, f in EXPECTED)


@pytest.mark.parametrize(
    ('files', 'problems'),
    [
        ({FIRST: good()[:-2], SECOND: good()}, [f'{FIRST}: size: expected 40 bytes, found 38']),
        (
            {FIRST: good(), SECOND: good(np.full(20, 99))},
            [f'{SECOND}: label value: 20 voxels with unknown ids: 99'],
        ),
        ({FIRST: good()}, [f'{SECOND}: missing']),
        (
            {FIRST: good(), SECOND: good(), 'sequences/12/predictions/000010.label': good()},
            ['sequences/12/predictions/000010.label: extra'],
        ),
        (
            {FIRST: good(), SECOND: good(), 'out/12/000010.label': good()},
            ['out/12/000010.label: name: expected sequences/SS/predictions/FFFFFF.label'],
        ),
        ({FIRST: good(), SECOND: good(), 'description.txt': b'x'}, []),
    ],
    ids=['size', 'label value', 'missing', 'extra', 'name', 'description'],
)
def test_checker_finds_each_fault(tmp_path, files, problems):
    archive = tmp_path / 'made.zip'
    with zipfile.ZipFile(archive, 'w') as package:
        for name, content in files.items():
            package.writestr(name, content)
    assert check_submission(archive, RULES, EXPECTED)[1] == problems


def test_checker_finds_missing_sequences_damage_and_doubles(tmp_path):
    archive = make_submission(tmp_path)
    assert check_submission(archive, RULES, sequences=('11', '13'))[1] == ['sequences/13: missing']
    with zipfile.ZipFile(archive) as package:
        start = package.getinfo(FIRST).header_offset + 30 + len(FIRST)
    content = bytearray(archive.read_bytes())
    content[start + 4] ^= 0xFF
    archive.write_bytes(bytes(content))
    _, problems = check_submission(archive, RULES, EXPECTED)
    assert len(problems) == 1 and problems[0].startswith(f'{FIRST}: damaged')
    with pytest.warns(UserWarning), zipfile.ZipFile(tmp_path / 'double.zip', 'w') as package:
        for name in (FIRST, FIRST, SECOND):
            package.writestr(name, good())
    assert check_submission(tmp_path / 'double.zip', RULES, EXPECTED)[1] == [
        f'{FIRST}: name: found twice'
    ]
    (tmp_path / 'no.zip').write_bytes(b'nothing')
    with pytest.raises(DataError, match='a zip file or a folder'):
        check_submission(tmp_path / 'no.zip', RULES)


def test_tool_exits_with_1_and_names_the_faults(tmp_path, monkeypatch, capsys):
    archive = tmp_path / 'made.zip'
    with zipfile.ZipFile(archive, 'w') as package:
        package.writestr(FIRST, bytes(256 * 256 * 32 * 2))
        package.writestr(SECOND, b'12')
    tool = Path(__file__).parents[2] / 'tools' / 'misc' / 'check_submission.py'
    monkeypatch.setattr(sys, 'argv', [str(tool), str(archive)])
    assert runpy.run_path(str(tool))['main']() == 1
    out = capsys.readouterr().out
    assert f'{SECOND}: size: expected 4194304 bytes, found 2' in out
    assert 'sequences/13: missing' in out and FIRST not in out
    assert out.splitlines()[-1].endswith('2 predictions, 10 problems')
    monkeypatch.setattr(sys, 'argv', [str(tool), str(packed(tmp_path / 'one.zip', 2))])
    assert runpy.run_path(str(tool))['main']() == 1
    assert ': 1 prediction, ' in capsys.readouterr().out


def packed(path, size, name=FIRST):
    """A submission with one prediction of zeros, which take no space."""
    with (
        zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as package,
        package.open(name, 'w', force_zip64=True) as file,
    ):
        for start in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - start)))
    return path


def test_a_bomb_is_not_unpacked(tmp_path):
    size = 1100 * 2**20
    archive = packed(tmp_path / 'bomb.zip', size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected = f'{FIRST}: size: expected {len(good())} bytes, found {size}'
    assert check_submission(archive, RULES) == (1, [expected])
    (problem,) = check_submission(archive, RULES, any_size=True)[1]
    assert problem == f'{FIRST}: damaged: expected at most 1024 MiB, found {size} bytes'
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_odd_members_are_problems(tmp_path):
    archive = packed(tmp_path / 'odd.zip', 5)
    assert check_submission(archive, RULES, any_size=True)[1] == [
        f'{FIRST}: size: expected a multiple of 2 bytes, found 5'
    ]
    content = bytearray(packed(archive, len(good())).read_bytes())
    content[content.rfind(b'PK\x01\x02') + 8] |= 1
    archive.write_bytes(content)
    assert check_submission(archive, RULES)[1] == [
        f'{FIRST}: damaged: expected a member without a password, found one with it'
    ]


def test_pipes_and_devices(tmp_path):
    os.mkfifo(tmp_path / 'a.zip')
    with pytest.raises(DataError, match='a.zip: file: expected a regular file, found a named pipe'):
        check_submission(tmp_path / 'a.zip', RULES)
    folder = tmp_path / 'made'
    for name, target in ((FIRST, '/dev/zero'), (SECOND, 'nothing')):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    problems = check_submission(folder, RULES, any_size=True)[1]
    assert problems == [
        f'{FIRST}: damaged: expected a regular file, found a device',
        f'{SECOND}: damaged: expected an existing file, found none',
    ]
