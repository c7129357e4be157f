"""A run replaces the copy of its config in the work folder, but no config of the user."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmssc.compat import own_configs_stay

COMMANDS = "launcher = 'none'\nload_from = None\nresume = False\nwork_dir = 'x'\n"


def run(config: Path, work_dir: Path) -> Path:
    """Write the copy as a Runner does, and return its path."""
    cfg = Config.fromfile(config)
    with own_configs_stay():
        runner = SimpleNamespace(cfg=cfg, work_dir=work_dir, logger=logging.getLogger('x'))
        Runner.dump_config(runner)
    return work_dir / config.name


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / 'work').mkdir()
    (tmp_path / 'a.py').write_text(f'{COMMANDS}model = 1\n')
    return tmp_path / 'a.py'


def test_a_copy_is_replaced_and_can_be_read(config: Path):
    for number in (2, 3):
        config.write_text(f'{COMMANDS}model = {number}\n')
        copy = run(config, config.parent / 'work')
        assert Config.fromfile(copy).model == number
    assert copy.read_text().count('# A later run') == 1


@pytest.mark.parametrize('mark_stays', [True, False])
def test_a_config_that_was_made_from_a_copy_stays(config: Path, mark_stays: bool):
    copy = run(config, config.parent / 'work')
    lines = copy.read_text().replace('model = 1', 'model = 7').splitlines(keepends=True)
    own = ''.join(lines if mark_stays else lines[:-1])
    copy.write_text(own)
    run(config, config.parent / 'work')
    assert copy.read_text() == own


@pytest.mark.parametrize('name', ['b.py', 'b.yml', 'b.json'])
def test_a_config_of_the_user_stays(config: Path, name: str):
    source, own = config.with_name(name), config.parent / 'work' / name
    Config(dict(model=1)).dump(source)
    own.write_text('model = 7\n')
    run(source, own.parent)
    assert own.read_text() == 'model = 7\n'
    run(source, source.parent)
    assert Config.fromfile(source).model == 1


@pytest.mark.parametrize('name', ['b.yaml', 'b.json'])
def test_copies_in_other_formats_are_replaced(config: Path, name: str):
    source = config.with_name(name)
    for number in (2, 3):
        Config(dict(model=number, launcher='', load_from='', resume='', work_dir='')).dump(source)
        assert Config.fromfile(run(source, config.parent / 'work')).model == number
