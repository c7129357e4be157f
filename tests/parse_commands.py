"""Give the commands of a page to the tools that they name, which only read their command lines.

``python parse_commands.py PAGE`` prints a line for each command that its tool refuses.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import runpy
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

from doc_pages import ROOT, blocks, commands

from mmssc.apis import read_config
from mmssc.config_file import config_errors
from mmssc.tool_commands import script_of

#: Scripts for several processes -> the tool that they start, the number of their own arguments
#: before its config, whether it takes a checkpoint, and whether the number of GPUs follows.
LAUNCHERS = {
    'dist_train.sh': ('train.py', 0, False, True), 'dist_test.sh': ('test.py', 0, True, True),
    'slurm_train.sh': ('train.py', 2, False, False), 'slurm_test.sh': ('test.py', 2, True, False),
}  # fmt: skip


class _Caught(BaseException):
    """Carries the parser of a tool out of it."""


@cache
def reader_of(script: Path) -> Callable[[list[str]], argparse.Namespace]:
    """What a script reads its command line with: a method of its parser."""

    def catch(name: str) -> Callable[..., None]:
        def parse(parser: argparse.ArgumentParser, *args: object) -> None:
            raise _Caught(parser, name)

        return parse

    sys.argv[:] = [str(script)]
    patches = {name: catch(name) for name in ('parse_args', 'parse_intermixed_args')}
    try:
        with patch.multiple(argparse.ArgumentParser, **patches):
            runpy.run_path(str(script), run_name='__main__')
    except _Caught as caught:
        parser, name = caught.args
        return getattr(parser, name)
    raise AssertionError(f'{script} reads no command line')


def tool_call(command: list[str]) -> tuple[Path, list[str]] | None:
    """The Python tool that a command starts, and its arguments."""
    program, *arguments = command
    script = arguments[0] if arguments else ''
    if program == 'bash' and Path(script).name in LAUNCHERS:
        tool, own, has_checkpoint, has_number = LAUNCHERS[Path(script).name]
        rest = arguments[1 + own :]
        kept = 1 + has_checkpoint
        return ROOT / 'tools' / tool, [*rest[:kept], *rest[kept + has_number :]]
    if program in ('torchrun', 'srun') and 'mmssc' in arguments:
        program, arguments = 'mmssc', arguments[arguments.index('mmssc') + 1 :]
    if program == 'mmssc' and arguments and not arguments[0].startswith('-'):
        return script_of(arguments)[1:]
    if program == 'python' and script.endswith('.py'):
        return ROOT / script, arguments[1:]
    return None


def problem_of(command: list[str]) -> str:
    """What a tool says about its command line; empty if it understands it."""
    call = tool_call(command)
    if call is None:
        return ''
    script, arguments = call
    if not script.is_file():
        return 'no such file'
    # These stand for numbers.
    given = ['1' if item in ('FX', 'FY', 'CX', 'CY') else item for item in arguments]
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            args = reader_of(script)(given)
        except SystemExit:
            return errors.getvalue()
    given_config = getattr(args, 'config', None) or ''
    # Some tools take several configs.
    config = ROOT / (given_config[0] if isinstance(given_config, list) else given_config)
    if not getattr(args, 'cfg_options', None) or not config.is_file():
        return ''
    try:
        with config_errors(config):
            read_config(config, args.cfg_options)
    except ValueError as error:
        return str(error)
    return ''


def problems_of(page: Path) -> Iterator[str]:
    """A line for each command of a page that is wrong."""
    for block in blocks(page, 'bash'):
        for command in commands(block):
            problem = problem_of(command)
            if problem:
                yield f'{block.name}: {" ".join(command)}: {problem}'


if __name__ == '__main__':
    for found in problems_of(Path(sys.argv[1])):
        print(found)
