"""What ``import mmssc`` says about the mmcv of an environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mmssc.compat import check_mmcv_installation


def import_with(site, *distributions, package=True, compiled=False):
    """Import mmssc where only these distributions are installed, in a Python of its own."""
    for name in distributions:
        info = site / f'{name.replace("-", "_")}-2.1.0.dist-info'
        info.mkdir(parents=True)
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 2.1.0\n')
    if distributions:
        (site / 'mmcv').mkdir()
        (site / 'mmcv/ops.txt').touch()
    if distributions and package:
        (site / 'mmcv/__init__.py').touch()
    if compiled:
        (site / 'mmcv/_ext.py').write_text('compiled = True\n')
    source = os.path.dirname(os.path.dirname(sys.modules['mmssc'].__file__))
    code = f'import sys; sys.path[:0] = [{str(site)!r}, {source!r}]; import mmssc, mmcv._ext as e'
    # -S: without the packages of this environment.
    done = subprocess.run(
        [sys.executable, '-S', '-c', f'{code}; print(vars(e).get("compiled"))'],
        capture_output=True, text=True, timeout=60, env={**os.environ, 'PYTHONPATH': ''},
    )  # fmt: skip
    return done.returncode, done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(('name', 'compiled'), [('mmcv', True), ('mmcv-lite', False)])
def test_one_mmcv_is_taken_as_it_is(tmp_path, name, compiled):
    assert import_with(tmp_path, name, compiled=compiled) == (0, str(compiled or None), '')


def test_both_are_reported_in_one_line(tmp_path):
    status, out, error = import_with(tmp_path, 'mmcv', 'mmcv-lite', compiled=True)
    assert (status, out) == (0, 'True')
    # Python 3.13 adds the line of the import.
    line = error.splitlines()[0]
    assert 'mmcv and mmcv-lite are both installed' in line
    assert 'Run: pip uninstall -y mmcv mmcv-lite; then ' in line
    assert 'pip install mmcv==2.1.0' in line


@pytest.mark.parametrize(
    ('distributions', 'message'),
    [((), 'mmssc needs mmcv-lite, or the full mmcv'), (('mmcv',), 'mmcv is damaged')],
)
def test_a_missing_or_damaged_mmcv_is_named_with_the_command(tmp_path, distributions, message):
    status, _, error = import_with(tmp_path, *distributions, package=False)
    line = error.splitlines()[-1]
    assert status == 1 and line.startswith(f'mmssc.errors.MissingDependencyError: {message}')
    assert line.endswith("pip install 'mmcv-lite>=2.1.0,<2.2.0'")


def test_this_environment_is_fine(recwarn, monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmcv', raising=False)
    check_mmcv_installation()
    assert not recwarn.list
