"""The notebooks of docs/en/tutorials: they run, and show what is stored in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / 'docs/en/tutorials').glob('*.ipynb'))
TOOL = ROOT / 'tools/misc/run_notebooks.py'
MAX_BYTES = 300_000


def outputs_of(path: Path) -> list[list[dict]]:
    cells = json.loads(path.read_text('utf-8'))['cells']
    return [cell['outputs'] for cell in cells if cell['cell_type'] == 'code']


def run_tool(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_stored_with_pictures(path):
    text = path.read_text('utf-8')
    assert len(text) <= MAX_BYTES and '/tmp/' not in text
    outputs = [output for cell in outputs_of(path) for output in cell]
    assert any('image/png' in output.get('data', {}) for output in outputs)
    assert not any(output['output_type'] == 'error' for output in outputs)


def test_the_overview_names_every_notebook():
    text = (ROOT / 'docs/en/tutorials/overview.md').read_text('utf-8')
    assert len(NOTEBOOKS) == 5 and all(f']({path.name})' in text for path in NOTEBOOKS)


def test_a_notebook_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, tool_in_process):
    run = tool_in_process('misc/run_notebooks.py')
    stored = {name: notebook(tmp_path, '1 + 1').rename(tmp_path / name) for name in ('a', 'b', 'c')}
    stored['b'].write_text('no notebook')
    stored['c'].unlink()
    done = []

    class Client:
        """In place of a kernel, which takes a minute."""

        def __init__(self, notebook, **_):
            done.append(notebook)

        def execute(self, **_):
            pass

    monkeypatch.setattr('nbclient.NotebookClient', Client)
    status, output = run('--check', *(stored[name] for name in ('b', 'c', 'a')))
    assert status == 1 and len(done) == 1 and f'{stored["a"]}: 0 s' in output
    lines = output.splitlines()[-3:]
    assert lines[0].startswith(f'error: {stored["b"]}: expected a Jupyter notebook')
    assert lines[1].startswith(f'error: {stored["c"]}: ') and lines[2] == '2 of 3 failed'
    assert run('--check', stored['b'])[0] == 2


@pytest.mark.notebook
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_show_what_is_stored(path):
    done = run_tool('--check', path)
    assert done.returncode == 0, f'{done.stdout}\n{done.stderr}'


def notebook(folder: Path, *cells: str) -> Path:
    """A notebook without outputs."""
    path = folder / 'small.ipynb'
    parts = [
        dict(
            cell_type='code', id=f'c{number}', metadata={}, source=text, outputs=[],
            execution_count=None,
        )
        for number, text in enumerate(cells)
    ]  # fmt: skip
    path.write_text(json.dumps(dict(cells=parts, metadata={}, nbformat=4, nbformat_minor=5)))
    return path


@pytest.mark.notebook
def test_only_numbers_may_differ_from_what_is_stored(tmp_path):
    path = notebook(tmp_path, 'import random\nprint("scores", random.random())', 'print("a")')
    done = run_tool(path)
    assert (done.returncode, done.stderr) == (0, '')
    assert outputs_of(path)[1][0]['text'] == ['a\n']
    assert run_tool('--check', path).returncode == 0
    path.write_text(path.read_text('utf-8').replace('"a\\n"', '"b\\n"'))
    done = run_tool('--check', path)
    assert done.returncode == 1 and 'cell 2: stored: b; now: a' in done.stdout


@pytest.mark.notebook
@pytest.mark.parametrize(
    ('cell', 'found'),
    [
        ('%%bash -e\nmmssc train no_such_config', 'no_such_config'),
        ('1 / 0', 'cell 1: ZeroDivisionError'),
        ('import os; os._exit(1)', 'one that ends the kernel'),
    ],
)
def test_a_failing_cell_is_named(tmp_path, cell, found):
    done = run_tool(notebook(tmp_path, cell))
    assert done.returncode == 2 and found in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.notebook
@pytest.mark.parametrize('text', ['no notebook', '[]', '{"cells": 3}', '{"nbformat": 99}'])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / 'a.ipynb'
    path.write_text(text)
    done = run_tool(path)
    assert done.returncode == 2
    assert done.stderr == f'error: {path}: expected a Jupyter notebook, found another file\n'
