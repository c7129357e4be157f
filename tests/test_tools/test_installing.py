"""Installing the clone: where Python finds it, and what pip is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from tool_runs import ROOT

BUILD = 'import setuptools.build_meta as build; print(build.build_{kind}({folder!r}))'


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """A clone called mmssc, as git names it."""
    clone = tmp_path_factory.mktemp('projects of mine') / 'mmssc'
    ignored = shutil.ignore_patterns('__pycache__')
    for name in ('mmssc', 'requirements'):
        shutil.copytree(ROOT / name, clone / name, ignore=ignored)
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, clone / name)
    return clone


def built(clone, kind):
    """The folder of site-packages that pip would make of the clone."""
    site = clone.parent / kind
    code = BUILD.format(kind=kind, folder=str(site))
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=clone, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(site / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(site)
    (site / 'mmcv').mkdir()
    (site / 'mmcv/__init__.py').touch()
    return site


def test_a_script_beside_the_clone_imports_the_package(clone):
    site = built(clone, 'editable')
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


def test_pip_is_never_asked_for_an_mmcv_that_overwrites_another(clone):
    site = built(clone, 'wheel')
    (metadata,) = site.glob('mmssc-*.dist-info/METADATA')
    asked = [line for line in metadata.read_text().splitlines() if line.startswith('Requires-Dist')]
    assert [line for line in asked if 'mmcv' in line and 'extra == "lite"' not in line] == []
    assert any('mmcv-lite' in line for line in asked)
    assert (site / 'mmssc/py.typed').is_file() and not (site / 'tests').exists()
