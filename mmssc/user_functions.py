"""The user's own functions that work on an image: named on the command line, called, checked."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mmssc.errors import DataError

__all__ = ['call_on_image', 'check_takes_image', 'load_function', 'names_function']

_FORM = 'package.module:function'


def names_function(text: str) -> bool:
    """Whether a text has the form of :func:`load_function`; a file or ``package::name`` has not."""
    return ':' in text and '::' not in text and not Path(text).is_file()


def load_function(text: str, option: str) -> Callable[..., Any]:
    """Import a function that the user names. It runs the code of that module.

    Args:
        text: ``'package.module:function'``; also ``'module:object.method'``.
        option: The option of the command, for messages.

    Raises:
        DataError: There is no such module or function, or the module ends the process.
    """
    module_name, colon, path = text.partition(':')
    if not (colon and module_name and path) or module_name.startswith('.'):
        raise DataError(option, None, _FORM, text)
    try:
        found: Any = import_module(module_name)
    except SystemExit as error:
        expected, program = 'a module without a program', 'one that ends itself (sys.exit)'
        raise DataError(option, None, expected, f'{module_name}: {program}') from error
    except ImportError as error:
        hint = 'Install its package in this environment, or add its folder to PYTHONPATH'
        expected = f'a module that can be imported ({_FORM})'
        raise DataError(option, None, expected, f'{module_name}: {error}', hint) from error
    for name in path.split('.'):
        if not hasattr(found, name):
            raise DataError(option, None, f'a function of {module_name}', f'no {path} in it')
        found = getattr(found, name)
    if isinstance(found, type):
        hint = 'Make an object of it in the module, and name the object or its method'
        raise DataError(option, None, f'a function ({_FORM})', f'the class {path}', hint)
    if not callable(found):
        raise DataError(option, None, f'a function ({_FORM})', f'{type(found).__name__} {path}')
    return found


def check_takes_image(
    function: Callable[..., Any], role: str, keywords: Mapping[str, Any], remedy: str
) -> None:
    """Refuse a function whose signature does not take an image.

    Args:
        function: The function.
        role: What it is for, such as ``'depth model'``.
        keywords: What it gets besides the image.
        remedy: What to do, for the message.

    Raises:
        DataError: It does not take these arguments.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # Some callables of C have no signature.
        return
    try:
        signature.bind(None, **keywords)
    except TypeError as error:
        more = f', perhaps with {" and ".join(keywords)}' if keywords else ''
        found = f'{getattr(function, "__name__", type(function).__name__)}{signature}'
        raise DataError(role, None, f'a function of an image{more}', found, remedy) from error


def call_on_image(
    function: Callable[..., Any],
    image: np.ndarray,
    name: str,
    role: str,
    expected: str,
    keywords: Mapping[str, Any],
) -> Any:
    """Call a function with a copy of an image: what it changes must not reach the network.

    Args:
        function: The function.
        image: (H, W, 3) uint8 RGB.
        name: The frame, for errors.
        role: What the function is for, such as ``'depth model'``.
        expected: What it should return, in words.
        keywords: What it gets besides the image.

    Raises:
        DataError: It fails; the message names the line that raised the error.
    """
    try:
        return function(image.copy(), **keywords)
    except (Exception, SystemExit) as error:
        hint = 'Try this function alone with this image'
        field, found = f'{role} {_name_of(function)}', _describe_failure(error)
        raise DataError(name, field, expected, found, hint) from error


def _name_of(function: Callable[..., Any]) -> str:
    """Module and name of a function; of an object, those of its class."""
    named: Any = function if hasattr(function, '__qualname__') else type(function)
    return f'{named.__module__}.{named.__qualname__}'


def _describe_failure(error: BaseException) -> str:
    """Kind and text of an exception, and the line that raised it."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    text = f'{type(error).__name__}: {error}' if str(error) else type(error).__name__
    return f'{text} ({Path(line.filename).name}, line {line.lineno})'
