"""Run notebooks again and store what they show: ``python tools/misc/run_notebooks.py FILE ...``.

``--check`` stores nothing; status 1 if a notebook no longer shows what is stored in it. Only the
numbers may differ, because they depend on the processor. A notebook that fails does not stop the
others. The notebooks run with this Python and
this mmssc, on one thread. Progress bars and warnings are not stored.
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, command, prepare_process, run_each

prepare_process()

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.regular_files import read_text
from mmssc.temporary_files import temporary_folder

ROOT = Path(__file__).resolve().parents[2]
# Of one cell, in seconds.
TIMEOUT = 900
# A number, or a line of a table, whose length depends on the numbers.
VARYING = re.compile(r'[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|-{2,}')
PROGRAM = f'#!/bin/sh\nexec "{sys.executable}" -m mmssc "$@"\n'


def import_libraries() -> tuple[Any, Any]:
    """Import what only this tool needs: nbclient and nbformat.

    Raises:
        DataError: They are not installed.
    """
    try:
        import ipykernel  # noqa: F401
        import nbclient
        import nbformat
    except ImportError as error:
        hint = 'Run: pip install nbclient ipykernel'
        raise DataError('run_notebooks.py', None, 'nbclient and ipykernel', error, hint) from error
    return nbclient, nbformat


def read_notebook(path: Path) -> Any:
    """Read a notebook.

    Raises:
        DataError: The file is no notebook.
    """
    _, nbformat = import_libraries()
    text = read_text(path)
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # noqa: BLE001 For other JSON, nbformat raises errors of any kind.
        raise DataError(path, None, 'a Jupyter notebook', 'another file') from error
    return notebook


def run_notebook(path: Path) -> Any:
    """Run all cells in a new kernel.

    Returns:
        The notebook with what it shows: standard output, results and pictures.

    Raises:
        DataError: The file is no notebook, or a cell has failed.
    """
    nbclient, _ = import_libraries()
    from traitlets.config import Config  # A requirement of nbclient.

    notebook = read_notebook(path)
    with temporary_folder() as folder:
        program = folder / 'mmssc'
        program.write_text(PROGRAM)
        program.chmod(0o755)
        paths = {'PATH': [str(folder), os.path.dirname(sys.executable)], 'PYTHONPATH': [str(ROOT)]}
        environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
        for name, first in paths.items():
            environment[name] = os.pathsep.join([*first, *filter(None, [os.environ.get(name)])])
        settings = {}
        if os.name != 'nt':
            # Sockets in files: over TCP, other users could read along, and the kernel warns of it.
            settings['KernelManager'] = dict(transport='ipc', ip=str(folder / '.kernel'))
        resources = {'metadata': {'path': str(folder)}}
        client = nbclient.NotebookClient(
            notebook, timeout=TIMEOUT, kernel_name='python3', resources=resources,
            record_timing=False, config=Config(settings),
        )  # fmt: skip
        try:
            client.execute(env=environment)
        except (
            nbclient.exceptions.CellExecutionError, nbclient.exceptions.CellTimeoutError,
        ) as error:  # fmt: skip
            raise DataError(path, None, 'cells that run', report_of(notebook)) from error
        except nbclient.exceptions.DeadKernelError as error:
            found = 'one that ends the kernel, or too little memory'
            raise DataError(path, None, 'cells that run', found) from error
    return tidy(notebook)


def tidy(notebook: Any) -> Any:
    """Drop what differs in every run: progress bars, warnings, names of kernel and Python."""
    notebook.metadata = {
        'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
        'language_info': {'name': 'python', 'pygments_lexer': 'ipython3'},
    }
    for cell in code_cells(notebook):
        kept: list[Any] = []
        for output in cell.outputs:
            if output.get('name') == 'stdout' and kept and kept[-1].get('name') == 'stdout':
                kept[-1].text += output.text  # It arrives in pieces.
            elif output.get('name') != 'stderr':
                kept.append(output)
        cell.outputs = kept
    return notebook


def report_of(notebook: Any) -> str:
    """The first error of a notebook: the number of the cell and what it printed last."""
    for number, cell in enumerate(code_cells(notebook), 1):
        for error in (output for output in cell.outputs if output.output_type == 'error'):
            printed = ''.join(output.get('text', '') for output in cell.outputs)
            last = ' | '.join(printed.strip().splitlines()[-3:])
            return f'in cell {number}: {error.ename}: {error.evalue}: {last}'
    return f'a cell that takes more than {TIMEOUT} s'


def code_cells(notebook: Any) -> list[Any]:
    """The cells with code."""
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def what_is_shown(cell: Any) -> list[str]:
    """Lines of text without their numbers, and the kinds of pictures."""
    lines: list[str] = []
    for output in cell.outputs:
        data = output.get('data', {})
        text = output.get('text') or ('' if 'image/png' in data else data.get('text/plain', ''))
        lines += [kind for kind in data if kind.startswith('image/')]
        lines += [' '.join(VARYING.sub('0', line).split()) for line in text.splitlines()]
    return lines


def differences(stored: Any, now: Any) -> list[str]:
    """Where two runs of a notebook show something else.

    Returns:
        A line for each cell: its number among those with code, and the first lines that differ.
    """
    found = []
    for number, cells in enumerate(zip(code_cells(stored), code_cells(now)), 1):
        before, after = map(what_is_shown, cells)
        if before != after:
            pairs = [*zip([*before, 'nothing'], [*after, 'nothing'])]
            old, new = next((pair for pair in pairs if pair[0] != pair[1]), ('nothing',) * 2)
            found.append(f'cell {number}: stored: {old}; now: {new}')
    return found


@command
def main() -> int:
    """Run the notebooks of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('notebooks', nargs='+', type=Path, metavar='FILE.ipynb')
    parser.add_argument('--check', action='store_true', help='compare with what is stored')
    args = parser.parse_args()
    _, nbformat = import_libraries()
    outdated = []

    def run(path: Path) -> None:
        start = time.monotonic()
        stored = read_notebook(path)
        notebook = run_notebook(path)
        if args.check:
            found = differences(stored, notebook)
            outdated.extend(found)
            print(*(f'{path}: {line}' for line in found), sep='\n', end='\n' if found else '')
        else:
            with atomic_write(path, 'w') as file:
                file.write(nbformat.writes(notebook) + '\n')
        print(f'{path}: {time.monotonic() - start:.0f} s')

    status = run_each(args.notebooks, run)
    return FINDINGS if outdated else status


if __name__ == '__main__':
    sys.exit(main())
