"""``torchrun``, but a run that fails ends with the line and the exit status of its first error.

tools/dist_train.sh and tools/dist_test.sh start it: ``torchrun.py [options of torchrun] SCRIPT``.
"""

from __future__ import annotations

from mmssc.command_line import FIRST_ERROR, INTERRUPTED, command, is_first_report, prepare_process

prepare_process()

import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

if __name__ == '__main__' and sys.argv[1:] in (['-h'], ['--help']):
    # The help of torchrun would import torch.
    print(f'{__doc__.strip()}\nThe options are those that torchrun --help lists.')
    sys.exit()

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run


def end_of(failure: ChildFailedError, first_error: Path) -> int:
    """Exit status of a failed run; prints a line for a process that could not print one."""
    if first_error.exists():
        return int(first_error.read_text() or 1)
    rank, process = failure.get_first_failure()
    if process.exitcode >= 0:
        return process.exitcode
    name = signal.Signals(-process.exitcode).name
    hint = ' Was there enough memory?' if name == 'SIGKILL' else ''
    print(f'error: process {rank} was stopped by {name}.{hint}', file=sys.stderr)
    return 128 - process.exitcode


@command
def main() -> int:
    """Run the script in several processes."""
    args = parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        first_error = Path(folder, 'first_error')
        os.environ[FIRST_ERROR] = str(first_error)
        if os.environ.get('MMSSC_TRACEBACK', '0') == '0':
            # The processes print what happened.
            logging.disable(logging.CRITICAL)
        try:
            run(args)
        except ChildFailedError as failure:
            return end_of(failure, first_error)
        except SignalException as stopped:
            if stopped.sigval == signal.SIGINT:
                if is_first_report(INTERRUPTED):
                    print('\nstopped.', file=sys.stderr)
                return INTERRUPTED
            return 128 + stopped.sigval
        finally:
            del os.environ[FIRST_ERROR]
    return 0


if __name__ == '__main__':
    sys.exit(main())
