"""Start Python tools as processes of their own that need no seconds for their imports.

``python warm_start.py`` imports what most tools import. Then it forks a process for every line on
its standard input (:class:`Run` as JSON) and answers with a line: the exit status.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TypedDict

import numpy as np

ROOT = str(Path(__file__).parents[1])
SECONDS = 300
# What takes long; the first stands in for the compiled part of mmcv.
IMPORTED = (
    'mmssc.engine.launch', 'mmdet.models', 'mmseg.models', 'scipy.ndimage', 'setuptools',
    'torch._dynamo',
)  # fmt: skip


class Run(TypedDict):
    """A command: ``argv`` starts with the script; its output goes to the files ``out``, ``err``."""

    argv: list[str]
    folder: str
    environment: dict[str, str]
    out: str
    err: str


def run_script(
    argv: Sequence[object], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess:
    """Run a script of Python (in a warm process) or bash: status and output, never an exception."""
    words = list(map(str, argv))
    if words[0].endswith('.sh'):
        return subprocess.run(
            ['bash', *words], cwd=folder, env=environment, timeout=SECONDS,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    server = _server()
    with TemporaryDirectory() as outputs:
        out, err = Path(outputs, 'out'), Path(outputs, 'err')
        run = Run(
            argv=words, folder=str(folder), environment=dict(environment), out=str(out),
            err=str(err),
        )  # fmt: skip
        print(json.dumps(run), file=server.stdin, flush=True)
        if not select.select([server.stdout], [], [], SECONDS)[0]:
            raise TimeoutError(f'{words}\n{out.read_text()}\n{err.read_text()}')
        status = int(server.stdout.readline())
        texts = (file.read_text('utf-8', errors='backslashreplace') for file in (out, err))
        return subprocess.CompletedProcess(words, status, *texts)


@cache
def _server() -> subprocess.Popen:
    environment = {**os.environ, 'PYTHONPATH': ROOT, 'OMP_NUM_THREADS': '1',
                   'CUDA_VISIBLE_DEVICES': '-1'}  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, __file__], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(server.communicate)  # Its input ends, and so does it.
    return server


def _next_run(lines: IO[str]) -> Run | None:
    """The server forks for each line; a fork returns its run, the server None at the end."""
    for line in lines:
        process = os.fork()
        if not process:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    return None


def _become(run: Run) -> None:
    """Make this forked process look like a new one."""
    for number, (path, mode) in enumerate(
        (
            (os.devnull, os.O_RDONLY),
            (run['out'], os.O_WRONLY | os.O_CREAT),
            (run['err'], os.O_WRONLY | os.O_CREAT),
        )
    ):
        descriptor = os.open(path, mode, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(run['environment'])
    os.chdir(run['folder'])
    sys.argv[:] = run['argv']
    more = filter(None, run['environment'].get('PYTHONPATH', '').split(os.pathsep))
    sys.path[:1] = [os.path.dirname(run['argv'][0]), *more]


def _run_script(script: str) -> int:
    try:
        runpy.run_path(script, run_name='__main__')
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return int(stop.code is not None) if not isinstance(stop.code, int) else stop.code
    except BaseException:  # noqa: BLE001 Python does the same at the end of a script.
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == '__main__':
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # Forks share what they do not touch.
    if job := _next_run(sys.stdin):
        _become(job)
        np.random.seed()  # A new process has a seed of the system.
        status = _run_script(job['argv'][0])
        # The end of a usual process, without half a second in which Python clears its modules.
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status)
