"""Read the log of a training: ``vis_data/scalars.json`` of mmengine, one JSON object per line."""

from __future__ import annotations

import math
from os import PathLike

from mmssc.errors import DataError

from .json_fields import MAX_JSON_BYTES, parse_json
from .regular_files import read_text

__all__ = ['read_scalar_log']


def read_scalar_log(path: str | PathLike[str]) -> list[dict[str, float]]:
    """Read the records of a log.

    A run that was killed can leave half of the last line: it is left out.

    Returns:
        The numbers of every line by name; other values are left out.

    Raises:
        DataError: The file is missing, unreadable or larger than 64 MiB, or a line is no object.
    """
    text = read_text(path, MAX_JSON_BYTES)
    lines = text.split('\n')
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            if number == len(lines):
                break
            expected = 'a JSON object on one line, as in the vis_data/scalars.json of a training'
            raise DataError(path, f'line {number}', expected, error) from error
        if not isinstance(record, dict):
            raise DataError(path, f'line {number}', 'a JSON object', type(record).__name__)
        records.append(
            {name: _float(value) for name, value in record.items() if type(value) in (int, float)}
        )
    return records


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # A whole number of more than 308 digits.
        return math.inf
