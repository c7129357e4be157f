"""Configs are found by path and by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mmssc.config_file import read_config_file
from mmssc.errors import DataError
from mmssc.resources import config_names, find_config, resource_folder

ROOT = Path(__file__).parents[1]
SGN_T = ROOT / 'configs/sgn/sgn-T.py'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_files_of_a_clone_are_the_clone():
    assert resource_folder() == ROOT


def test_every_config_has_a_name_of_its_own():
    files = [path for path in ROOT.glob('configs/*/*.py') if path.parent.name != '_base_']
    repeated = [name for name, count in Counter(path.stem for path in files).items() if count > 1]
    assert not repeated
    # A dot would be the suffix of a file, a slash a folder.
    assert not [path.stem for path in files if set('./:') & set(path.stem)]
    assert sorted(config_names().values()) == sorted(files)


@pytest.mark.parametrize('text', ['sgn-T', 'configs/sgn/sgn-T.py', 'mmssc::sgn/sgn-T.py'])
def test_a_config_is_found_from_every_folder(text):
    assert find_config(text) == find_config(Path(text)) == SGN_T
    assert read_config_file(text).filename == str(SGN_T)


def test_a_file_here_comes_before_a_name():
    Path('sgn-T').write_text('x = 1')
    assert find_config('sgn-T') == Path('sgn-T')
    Path('configs/sgn').mkdir(parents=True)
    own = Path('configs/sgn/sgn-T.py')
    own.write_text('x = 1')
    assert find_config('configs/sgn/sgn-T.py') == own


def test_a_folder_does_not_hide_a_name():
    Path('sgn-T').mkdir()
    assert find_config('sgn-T') == SGN_T


@pytest.mark.parametrize(
    ('text', 'near'),
    [
        ('SGN-T', 'sgn-T'),
        ('sgn-t', 'sgn-T'),
        ('sgn_T', 'sgn-T'),
        ('sgn-T.py', 'sgn-T'),
        ('configs/sgn/sgn-t.py', 'sgn-T'),
        ('mmssc::sgn/sgn_T.py', 'sgn/sgn-T.py'),
        ('mmssc::sgn/sgn-T', 'sgn/sgn-T.py'),
        ('light_depth_nyuv2', 'light_depth_nyu'),
    ],
)
def test_a_near_miss_names_the_nearest(text, near):
    with pytest.raises(DataError, match=f'no such file. Did you mean {near}\\?$'):
        read_config_file(text)


@pytest.mark.parametrize('text', ['nothing', 'a/b.py', 'mmssc::a.py', '', '.', 'configs'])
def test_any_other_text_is_one_line_with_a_remedy(text):
    with pytest.raises(DataError, match='Give a file'):
        find_config(text)


def test_an_installation_without_configs_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr('mmssc.resources.__file__', str(tmp_path / 'mmssc/resources.py'))
    with pytest.raises(DataError, match='configs/, tools/ and model-index.yml, found none'):
        resource_folder()
