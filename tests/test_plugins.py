"""Loading a project by its folder."""

from __future__ import annotations

import sys

import pytest

from mmssc.errors import DataError
from mmssc.plugins import import_project


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / 'a_project_of_the_test'
    package = folder / folder.name
    package.mkdir(parents=True)
    (package / '__init__.py').write_text('loaded = True\n')
    (package / 'parity.py').write_text('recipe = 3\n')
    monkeypatch.setattr(sys, 'path', list(sys.path))
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_package_and_part(project):
    assert import_project(project).loaded
    assert import_project(project, 'parity').recipe == 3
    assert import_project(str(project)).__name__ == project.name


def test_folder_without_a_package(tmp_path):
    with pytest.raises(DataError, match='expected a project'):
        import_project(tmp_path)


def test_loop_of_links(tmp_path):
    folder = tmp_path / 'loop'
    folder.symlink_to(folder)
    with pytest.raises(DataError, match='expected a project'):
        import_project(folder)


def test_part_that_is_missing(project):
    with pytest.raises(DataError, match=r'checkpoints\.py'):
        import_project(project, 'checkpoints')


def test_another_package_of_the_same_name(project, tmp_path):
    import_project(project)
    twin = tmp_path / 'elsewhere' / project.name
    (twin / twin.name).mkdir(parents=True)
    (twin / twin.name / '__init__.py').write_text('')
    with pytest.raises(DataError, match='another one in'):
        import_project(twin)
