"""Add the frame to the errors of readers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from mmssc.errors import DataError
from mmssc.formats.volumes import unlabelled_remark

__all__ = ['naming_frame', 'unlabelled_error', 'warn_unlabelled']

# What readers say of a file that does not exist.
_MISSING = ('none', 'no such file')


@contextmanager
def naming_frame(results: Mapping[str, Any], frame_id: str, hint: bool = True) -> Iterator[None]:
    """Add the frame, and the command that makes the file, to a reader's error."""
    try:
        yield
    except DataError as error:
        field = f'frame {results["sequence"]}/{frame_id}'
        if error.field is not None:
            field += f', {error.field}'
        command = results.get('prepare_hint') if hint else None
        if command and error.found not in _MISSING:
            # A converter keeps the files that exist.
            command = f'Replace the file, or remove it and {command[0].lower()}{command[1:]}'
        raise DataError(
            error.file, field, error.expected, error.found, error.hint or command
        ) from error


def unlabelled_error(results: Mapping[str, Any], transform: object) -> DataError:
    """The error of a transform that needs labels, for a sample without them."""
    name = f'{results["sequence"]}/{results["frame_id"]}'
    hint = f'Test splits need {type(transform).__name__}(optional=True)'
    return DataError(name, 'labels', 'a labelled sample', 'an unlabelled one', hint)


def warn_unlabelled(path: str, labels: np.ndarray, ignore: int = 255) -> None:
    """Warn about a volume of labels without any occupied voxel: it teaches nothing."""
    remark = unlabelled_remark(labels, ignore)
    if remark is not None:
        warnings.warn(f'{path}: {remark}', stacklevel=2)
