"""tools/build_docs.sh, with a Python that only prints what it is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tool_runs import ROOT

PROGRAM = """#!/bin/sh
echo "$*"
case "$*" in *"$FAILING"*) exit 1 ;; esac
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    clone = tmp_path / 'a clone'
    for name in ('docs', 'configs', 'projects', 'checkpoints', 'tools', 'venv/bin'):
        (clone / name).mkdir(parents=True)
    shutil.copy(ROOT / 'tools/build_docs.sh', clone / 'tools')
    (clone / 'README.md').write_text('[a](https://a.org/b). [c](docs/c.md)')
    (clone / 'docs/c.md').write_text('See <https://d.org> and `https://a.org/b`, https://e.org/f.')
    (clone / 'venv/bin/python').write_text(PROGRAM)
    (clone / 'venv/bin/python').chmod(0o755)
    return clone


def build(clone: Path, *arguments: str, failing: str = 'nothing') -> subprocess.CompletedProcess:
    environment = {
        **os.environ, 'MMSSC_DOCS_VENV': str(clone / 'venv'), 'FAILING': failing, 'CDPATH': '/',
    }  # fmt: skip
    return subprocess.run(
        ['bash', clone / 'tools/build_docs.sh', *arguments],
        cwd='/', env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_warnings_are_errors_and_external_links_are_listed(clone):
    done = build(clone)
    assert done.returncode == 0, done.stderr
    (sphinx,) = [line for line in done.stdout.splitlines() if '-m sphinx' in line]
    assert ' -W ' in sphinx and '-b html' in sphinx
    assert done.stdout.splitlines()[-1] == f'{clone}/build/site/index.html'
    links = (clone / 'build/external_links.txt').read_text().split()
    assert links == ['https://a.org/b', 'https://d.org', 'https://e.org/f']


def test_external_links_are_asked_only_on_request(clone):
    assert 'linkcheck' not in build(clone).stdout
    assert '-b linkcheck' in build(clone, '--links').stdout


@pytest.mark.parametrize('failing', ['-m sphinx', '-m pip'])
def test_a_failing_step_fails(clone, failing):
    assert build(clone, failing=failing).returncode != 0


def test_an_unknown_option_is_named(clone):
    done = build(clone, '--link')
    assert done.returncode == 2 and '--link' in done.stderr
