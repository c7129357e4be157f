"""The command ``mmssc``, also ``python -m mmssc``: the scripts of ``tools/`` by short names."""

from __future__ import annotations

import sys

from mmssc.command_line import USE_ERROR, command
from mmssc.tool_commands import COMMANDS, first_line, prepare_scripts, run_tool, script_of
from mmssc.version import __version__

_HELP = ('-h', '--help', 'help')


def _table(title: str, rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return '\n'.join([title, *(f'  {name:{width}}  {text}' for name, text in rows.items())])


def _usage(program: str) -> str:
    commands = _table('Commands:', {name: text for name, (_, text) in COMMANDS.items()})
    return f"""usage: {program} COMMAND [arguments]

{commands}

{program} COMMAND --help describes one. A config is a file, or a name such as sgn-T that
{program} info --list prints. Several processes:
torchrun --nproc_per_node N -m mmssc train CONFIG --launcher pytorch"""


@command
def main() -> int:
    """Run the command that the command line names."""
    program = 'python -m mmssc' if sys.argv[0].endswith('__main__.py') else 'mmssc'
    words = sys.argv[1:]
    if not words or words[0] in _HELP:
        print(_usage(program))
        return 0 if words else USE_ERROR
    if words[0] == '--version':
        print(f'mmssc {__version__}')
        return 0
    if words[0] == 'prepare' and (not words[1:] or words[1] in _HELP):
        rows = {name: first_line(path) for name, path in prepare_scripts().items()}
        print(_table(f'usage: {program} prepare DATASET [arguments]\n\nData sets:', rows))
        return 0 if words[1:] else USE_ERROR
    run_tool(program, *script_of(words))
    return 0


if __name__ == '__main__':
    sys.exit(main())
