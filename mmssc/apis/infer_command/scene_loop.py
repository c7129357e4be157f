"""Run the scenes; those with wrong input do not stop the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from mmssc.command_line import FINDINGS
from mmssc.errors import DataError

__all__ = ['predict_all']


def predict_all(names: Sequence[str], size: int, predict: Callable[[list[int]], None]) -> int:
    """Predict all scenes, ``size`` at once; a scene with wrong input does not stop the others.

    Returns:
        0, or :data:`FINDINGS` if some scenes could not be predicted.

    Raises:
        DataError: No scene could be predicted: the error of the first one.
    """
    failures: dict[str, DataError] = {}
    for start in range(0, len(names), size):
        scenes = list(range(start, min(start + size, len(names))))
        try:
            predict(scenes)
        except DataError as error:
            if len(scenes) == 1:
                failures[names[start]] = error
                continue
            # One by one, to find the wrong scene of several.
            for number in scenes:
                try:
                    predict([number])
                except DataError as fault:
                    failures[names[number]] = fault
    if len(failures) == len(set(names)):
        raise next(iter(failures.values()))
    for name, failure in failures.items():
        print(f'error: {name}: not predicted: {failure}', file=sys.stderr)
    if failures:
        print(f'{len(failures)} of {len(names)} scenes not predicted', file=sys.stderr)
    return FINDINGS if failures else 0
