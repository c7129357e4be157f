"""The scripts of ``tools/`` under the names of the command ``mmssc``.

``mmssc train CONFIG`` runs ``tools/train.py CONFIG``: the same file, of the clone or of the wheel.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from pathlib import Path
from types import ModuleType

from mmssc.errors import DataError, nearest_name
from mmssc.resources import resource_folder

__all__ = ['COMMANDS', 'as_typed', 'first_line', 'prepare_scripts', 'run_tool', 'script_of']

#: Command -> script in ``tools/``, and its line in ``mmssc --help``. Those without a script take
#: the name of one as their next argument.
COMMANDS: dict[str, tuple[str | None, str]] = dict(
    train=('train.py', 'train a model'),
    test=('test.py', 'score a model, draw or export its predictions'),
    infer=('infer.py', 'complete the scene of your own images'),
    prepare=(None, 'prepare a data set, or make a synthetic one: mmssc prepare DATASET'),
    check=('misc/check_dataset.py', 'find missing and damaged files of a data set'),
    view=('misc/render_voxels.py', 'draw labels or predictions'),
    info=('misc/model_info.py', 'list the models, or describe one'),
    env=('misc/check_env.py', 'check what is installed'),
    tool=(None, 'run any other script: mmssc tool analysis_tools/benchmark'),
)
_CONVERTERS = 'dataset_converters'
_SCRIPT = re.compile(r'(?:python )?(?<![\w/.-])tools/([\w/-]+\.py)')
# What the user typed instead of "python tools/SCRIPT"; None outside of the command mmssc.
_program: str | None = None


def prepare_scripts() -> dict[str, Path]:
    """Data set of ``mmssc prepare`` -> script."""
    folder = resource_folder() / 'tools' / _CONVERTERS
    return {path.stem: path for path in sorted(folder.glob('*.py'))}


def first_line(script: Path) -> str:
    """The first line of a script's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(script.read_text(encoding='utf-8'))) or ''
    return text.partition('\n')[0].rstrip('.')


def script_of(words: list[str]) -> tuple[str, Path, list[str]]:
    """Find the script of a command line.

    Args:
        words: Command line after ``mmssc``.

    Returns:
        The name of the command, e.g. ``prepare nyu``; the script; the arguments for it.

    Raises:
        DataError: There is no such command, data set or script.
    """
    command, *arguments = words
    if command not in COMMANDS:
        _refuse('mmssc', 'a command', command, [*COMMANDS])
    script, _ = COMMANDS[command]
    tools = resource_folder() / 'tools'
    if script is not None:
        return command, tools / script, arguments
    scripts = prepare_scripts()
    if command == 'tool':
        files = sorted(tools.rglob('*.py'))
        scripts = {path.relative_to(tools).with_suffix('').as_posix(): path for path in files}
    name = arguments[0].removesuffix('.py') if arguments else 'nothing'
    if name not in scripts:
        what = 'a data set' if command == 'prepare' else 'a script of tools/'
        _refuse(f'mmssc {command}', what, name, [*scripts])
    return f'{command} {name}', scripts[name], arguments[1:]


def _refuse(place: str, what: str, found: str, known: list[str]) -> None:
    raise DataError(place, None, f'{what} ({", ".join(known)})', found, nearest_name(found, known))


def run_tool(program: str, name: str, script: Path, arguments: list[str]) -> None:
    """Run a script of ``tools/`` in this process; its texts name the command that the user typed.

    Args:
        program: ``mmssc`` or ``python -m mmssc``.
        name: Name of the command.
        script: The script; it ends the process.
        arguments: Command line of the script.
    """
    global _program
    _program = program
    show = argparse.ArgumentParser.format_help
    argparse.ArgumentParser.format_help = lambda self: as_typed(show(self))  # type: ignore
    # Not runpy, which would put the path of the script into its usage text.
    main = ModuleType('__main__')
    main.__file__ = str(script)
    sys.modules['__main__'] = main  # Spawned workers import it from its file.
    sys.argv = [f'{program} {name}', *arguments]
    exec(compile(script.read_bytes(), str(script), 'exec'), main.__dict__)


def as_typed(text: str) -> str:
    """Replace ``python tools/train.py`` in a message by the command that the user has.

    Args:
        text: Message or help. It does not change when a script of ``tools/`` was started directly.
    """
    if _program is None:
        return text
    scripts = {script: name for name, (script, _) in COMMANDS.items() if script is not None}

    def typed(found: re.Match[str]) -> str:
        folder, name = os.path.split(found[1])
        if found[1] in scripts:
            return f'{_program} {scripts[found[1]]}'
        if folder == _CONVERTERS:
            return f'{_program} prepare {Path(name).stem}'
        return f'{_program} tool {Path(found[1]).with_suffix("").as_posix()}'

    return _SCRIPT.sub(typed, text)
