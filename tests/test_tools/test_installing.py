"""Installing the clone: where Python finds it, and what pip is asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tool_runs import ROOT, tool_environment

BUILD = 'import setuptools.build_meta as build; print(build.build_{kind}({folder!r}))'
#: Largest file that PyPI takes without asking.
PYPI_LIMIT = 100 * 2**20


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """A clone called mmssc, as git names it."""
    clone = tmp_path_factory.mktemp('projects of mine') / 'mmssc'
    ignored = shutil.ignore_patterns('__pycache__')
    for name in ('mmssc', 'requirements', 'configs', 'tools', 'checkpoints'):
        shutil.copytree(ROOT / name, clone / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, clone)
    (clone / 'tools/.cache').mkdir()
    (clone / 'tools/.cache/of_a_linter.py').touch()
    return clone


def build(source: Path, kind: str) -> Path:
    """The file that pip would make of a source tree: a sdist, or an (editable) wheel."""
    folder = source.parent / kind
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, '-c', BUILD.format(kind=kind, folder=str(folder))], cwd=source,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope='module')
def wheel(clone):
    return build(clone, 'wheel')


def unpacked(wheel: Path) -> Path:
    """The folder of site-packages that pip would make of a wheel, with an mmcv."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent)
    (wheel.parent / 'mmcv').mkdir()
    (wheel.parent / 'mmcv/__init__.py').touch()
    return wheel.parent


def test_a_script_beside_the_clone_imports_the_package(clone):
    site = unpacked(build(clone, 'editable'))
    script = clone.parent / 'my_script.py'
    script.write_text('import mmssc.errors; print(mmssc.__version__, mmssc.__file__)')
    start = f'import runpy, site; site.addsitedir({str(site)!r}); runpy.run_path("my_script.py")'
    # -S: without the mmssc of this environment.
    done = subprocess.run(
        [sys.executable, '-S', '-c', start], cwd=clone.parent, capture_output=True, text=True,
        timeout=60, env={**os.environ, 'PYTHONPATH': ''},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    version, _, file = done.stdout.strip().partition(' ')
    assert version and file == str(clone / 'mmssc/__init__.py')


def metadata_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith('dist-info/METADATA')]
        return archive.read(name).decode()


def test_pip_is_never_asked_for_an_mmcv_that_overwrites_another(wheel):
    lines = metadata_of(wheel).splitlines()
    asked = [line for line in lines if line.startswith('Requires-Dist')]
    assert [line for line in asked if 'mmcv' in line and 'extra == "lite"' not in line] == []
    assert any('mmcv-lite' in line for line in asked)


def test_the_wheel_has_the_files_of_the_clone(clone, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith('/')}
        inside = {name for name in names if name.startswith('mmssc/.mim/')}
        for name in inside:
            assert archive.read(name) == (clone / name[len('mmssc/.mim/') :]).read_bytes()
    expected = {'mmssc/.mim/model-index.yml'} | {
        f'mmssc/.mim/{path.relative_to(clone).as_posix()}'
        for folder in ('configs', 'tools', 'checkpoints', 'requirements')
        for path in (clone / folder).rglob('*')
        if path.is_file() and not any(part.startswith('.') for part in path.parts)
    }
    assert inside == expected and 'mmssc/py.typed' in names
    assert not [name for name in names if not name.startswith(('mmssc/', 'mmssc-'))]
    assert wheel.stat().st_size < PYPI_LIMIT
    # What is built lies in the build folder, never between the sources.
    assert not (clone / 'mmssc/.mim').exists()


def test_a_file_that_is_gone_is_not_in_the_next_wheel(clone, wheel):
    left = clone / 'build/lib/mmssc/.mim/configs/sgn/left.py'
    left.write_text('x = 1')
    again = build(clone, 'wheel')
    with zipfile.ZipFile(again) as archive:
        assert not [name for name in archive.namelist() if name.endswith('left.py')]


def test_the_sdist_builds_the_same_wheel(clone, wheel, tmp_path):
    shutil.unpack_archive(build(clone, 'sdist'), tmp_path)
    (source,) = tmp_path.glob('mmssc-*')
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(build(source, 'wheel')) as second:
        records = [{one.filename: one.CRC for one in kind.infolist()} for kind in (first, second)]
    assert records[0] == records[1]


def test_the_metadata_name_the_pages_and_the_extras(wheel):
    metadata = metadata_of(wheel)
    links = dict(re.findall(r'^Project-URL: ([\w ]+), (.*)$', metadata, re.MULTILINE))
    assert {'Documentation', 'Issue tracker'} <= set(links)
    home = re.search(r'^Home-page: (.*)$', metadata, re.MULTILINE)[1]
    assert all(link.startswith(f'{home}/') for link in links.values())
    # One place to fill in: setup.py.
    assert (ROOT / 'setup.py').read_text('utf-8').count(home) == 1
    extras = set(re.findall(r'^Provides-Extra: (.*)$', metadata, re.MULTILINE))
    assert extras == {
        'lite', 'vis', 'docs', 'tests', 'sparse', 'mmdet3d', 'lidar', 'deploy',
    }  # fmt: skip
    assert not re.findall(r'\]\((?!https?:|#)', metadata.partition('\n\n')[2])


def test_the_wheel_is_used_by_name_from_another_folder(wheel, tmp_path):
    site = tmp_path / 'site'
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / 'mine.py').write_text("_base_ = 'mmssc::sgn/sgn-T.py'\nmodel = dict(extra=1)\n")

    def mmssc(*arguments):
        done = subprocess.run(
            [sys.executable, '-m', 'mmssc', *arguments], cwd=tmp_path, capture_output=True,
            text=True, timeout=120, env={**os.environ, 'PYTHONPATH': str(site)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert f'Files: {site}/mmssc/.mim\n' in mmssc('info', '--list')
    assert f'{site}/mmssc/.mim/checkpoints/light_depth_nyu.pth' in mmssc('info', 'light_depth_nyu')
    text = mmssc('tool', 'misc/print_config', 'mine.py')
    assert 'extra=1' in text and 'SemanticKITTIDataset' in text


@pytest.mark.slow
def test_the_release_script_passes(tmp_path):
    if not (ROOT / '.git').exists():
        pytest.skip('a release is made from a clone of git')
    done = subprocess.run(
        ['bash', str(ROOT / 'tools/misc/check_release.sh'), str(tmp_path)],
        env={**tool_environment(), 'MMSSC_SHARED_PACKAGES': '1'}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
