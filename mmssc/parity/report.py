"""Comparison with the figures of a reference implementation, array by array.

A method's recipe (see :mod:`mmssc.parity.recipe`) rebuilds checkpoint and inputs of a case
file, runs our model and adds the results to a :class:`ParityReport`.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import NpzArchive

__all__ = [
    'ComparedArrays', 'ParityCase', 'ParityReport', 'ParityRow', 'crc32', 'seed_of_units',
    'to_numpy',
]  # fmt: skip

_TINY = 1e-300
_KINDS = 'fiubUS'  # Numbers and text; objects need pickle.


class ParityCase:
    """A case file that records which of its arrays were checked.

    Args:
        path: The file.
        data: Folder with the data of the case, if a recipe can use it.
    """

    def __init__(self, path: str | PathLike[str], data: str | PathLike[str] | None = None) -> None:
        self.path = Path(path)
        self.data = None if data is None else Path(data)
        with NpzArchive(self.path, 'a case file (.npz)') as file:
            self._arrays = {key: file.read(key, _KINDS) for key in file.keys}
        self._used: set[str] = set()

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._arrays:
            raise DataError(self.path, key, 'an array of that name', 'none')
        self._used.add(key)
        return self._arrays[key]

    def __contains__(self, key: object) -> bool:
        return key in self._arrays

    def __len__(self) -> int:
        return len(self._arrays)

    def get(self, key: str) -> np.ndarray | None:
        """An array, or None if the file has no array with this name."""
        return self[key] if key in self._arrays else None

    def below(self, prefix: str) -> list[str]:
        """Names of the arrays that start with ``prefix``."""
        return [key for key in self._arrays if key.startswith(prefix)]

    def integer(self, key: str) -> int:
        """A scalar as ``int``."""
        return int(self._scalar(key))

    def number(self, key: str) -> float:
        """A scalar as ``float``."""
        return float(self._scalar(key))

    def _scalar(self, key: str) -> Any:
        array = self[key]
        if array.size != 1 or array.dtype.kind not in 'fiub' or not np.isfinite(array).all():
            found = f'{array.dtype} {array.shape}'
            raise DataError(self.path, key, 'a finite number', found)
        return array.item()

    def mark_used(self, *prefixes: str) -> None:
        """Mark arrays as checked without comparing them."""
        self._used.update(key for key in self._arrays if key.startswith(prefixes))

    def unused(self) -> list[str]:
        """Names of the arrays that were not checked."""
        return [key for key in self._arrays if key not in self._used]


class ComparedArrays(NamedTuple):
    """Numbers that are compared with a tolerance, all of one shape.

    Args:
        found: Our numbers.
        error: Their absolute differences from the reference.
        allowed: The largest allowed differences.
    """

    found: np.ndarray
    error: np.ndarray
    allowed: np.ndarray


@dataclass(frozen=True)
class ParityRow:
    """One line of the table.

    Args:
        name: Name of the array.
        count: Number of compared entries.
        max_abs: Largest absolute difference.
        max_rel: Largest absolute difference, divided by the magnitude of the tolerance.
        tolerance: The rule, in words.
        ok: Whether the rule is met.
        note: A remark.
        arrays: The numbers behind the row, if they are compared with a tolerance.
    """

    name: str
    count: int
    max_abs: float
    max_rel: float
    tolerance: str
    ok: bool
    note: str = ''
    arrays: ComparedArrays | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        verdict = 'ok' if self.ok else 'FAIL'
        return (
            f'{self.name:<58} {self.count:>8} {self.max_abs:>10.3g} {self.max_rel:>10.3g}  '
            f'{self.tolerance:<22} {verdict:<4} {self.note}'
        ).rstrip()


@dataclass
class ParityReport:
    """All comparisons.

    Args:
        verbose: Print a row as soon as it exists.
        rows: The comparisons.
        unchecked: Names of the arrays in a case file that no recipe checks.
    """

    verbose: bool = False
    rows: list[ParityRow] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are comparisons and none failed."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def failures(self) -> list[ParityRow]:
        """The failed rows."""
        return [row for row in self.rows if not row.ok]

    @staticmethod
    def header() -> str:
        """Column titles of the table."""
        return (
            f'{"array":<58} {"compared":>8} {"max abs":>10} {"max rel":>10}  {"tolerance":<22} ok'
        )

    def add(self, row: ParityRow) -> None:
        """Append a row."""
        self.rows.append(row)
        if self.verbose:
            print(row, flush=True)

    def replace(self, number: int, row: ParityRow) -> None:
        """Put another row in the place of one."""
        self.rows[number] = row
        if self.verbose:
            print(row, flush=True)

    def equal(self, name: str, found: Any, expected: Any) -> None:
        """Check exact equality of integers, flags, strings or arrays of them."""
        found, expected = to_numpy(found), to_numpy(expected)
        if found.shape != expected.shape:
            self._wrong_shape(name, found, expected, 'equal')
            return
        different = int((found != expected).sum())
        note = ''
        if different and found.ndim == 0:
            note = f'found {found}, expected {expected}'
        self.add(ParityRow(name, found.size, different, different, 'equal', different == 0, note))

    def close(
        self,
        name: str,
        found: Any,
        expected: Any,
        *,
        relative: float = 0.0,
        absolute: float = 0.0,
        scale: float | None = None,
    ) -> None:
        """Check ``|found - expected| <= absolute + relative * magnitude`` for every entry.

        Args:
            name: Name of the row.
            found: Our numbers.
            expected: The reference's.
            relative: Relative tolerance.
            absolute: Absolute tolerance.
            scale: The magnitude, e.g. the standard deviation of the whole array; None takes the
                magnitude of each expected number.
        """
        found, expected = to_numpy(found).astype(np.float64), to_numpy(expected).astype(np.float64)
        words = [f'{relative:g} x {"std" if scale is not None else "value"}'] if relative else []
        words += [f'{absolute:g}'] if absolute or not relative else []
        tolerance = ' + '.join(words)
        if found.shape != expected.shape:
            self._wrong_shape(name, found, expected, tolerance)
            return
        error = np.abs(found - expected)
        magnitude = np.abs(expected) if scale is None else np.full_like(error, scale)
        # Written so that a NaN fails.
        allowed = absolute + relative * magnitude
        ok = bool((error <= allowed).all())
        max_abs = float(error.max(initial=0.0)) if not np.isnan(error).any() else float('nan')
        max_rel = float((error / np.maximum(magnitude, _TINY)).max(initial=0.0))
        arrays = ComparedArrays(found, error, allowed)
        self.add(ParityRow(name, error.size, max_abs, max_rel, tolerance, ok, '', arrays))

    def probed(
        self, case: ParityCase, name: str, array: Any, relative: float, absolute: float = 0.0
    ) -> None:
        """Compare an array with its probe, relative to its standard deviation.

        A probe is ``NAME/shape, idx, val`` and perhaps ``stats`` (mean, deviation, minimum,
        maximum) or ``mean`` and ``std``, or the same five names after a dot.
        """
        array = to_numpy(array)
        dot = '.' if f'{name}.idx' in case else '/'
        shape = tuple(int(side) for side in case[f'{name}{dot}shape'])
        index, expected = case[f'{name}{dot}idx'], case[f'{name}{dot}val'].astype(np.float64)
        stats = case.get(f'{name}/stats')
        if f'{name}{dot}std' in case:
            stats = np.array([case.number(f'{name}{dot}mean'), case.number(f'{name}{dot}std')])
        if array.shape != shape:
            self._wrong_shape(name, array, np.empty(shape, np.bool_), 'shape')
            return
        found = array.reshape(-1)[index.astype(np.int64)].astype(np.float64)
        scale = float(expected.std())
        if stats is not None:
            scale = float(stats[1])
            whole = array.astype(np.float64)
            summary = [whole.mean(), whole.std(), whole.min(), whole.max()]
            found = np.append(found, summary[: len(stats)])
            expected = np.append(expected, stats)
        self.close(name, found, expected, relative=relative, absolute=absolute, scale=scale)

    def at_most(self, name: str, count: int, limit: int, total: int, what: str) -> None:
        """Check that at most ``limit`` of ``total`` entries differ."""
        tolerance = f'<= {limit} {what}'
        self.add(ParityRow(name, total, count, count / max(total, 1), tolerance, count <= limit))

    def tell(self, name: str, same: bool) -> None:
        """Note whether two checksums agree; the last bit may differ."""
        note = 'bit-identical' if same else 'not bit-identical, allowed'
        self.add(ParityRow(name, 1, 0.0, 0.0, 'for information', True, note))

    def note_unused(self, case: ParityCase) -> None:
        """Report the arrays of a case file that this recipe did not check."""
        self.unchecked += case.unused()
        for key in case.unused():
            print(f'not checked: {key} of {case.path.name}', flush=True)

    def _wrong_shape(
        self, name: str, found: np.ndarray, expected: np.ndarray, tolerance: str
    ) -> None:
        note = f'shape {found.shape}, expected {expected.shape}'
        self.add(ParityRow(name, 0, float('nan'), float('nan'), tolerance, False, note))


def to_numpy(value: Any) -> np.ndarray:
    """Convert anything array-like to an array, including tensors on any device."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    return np.asarray(value)


def crc32(array: Any, dtype: str | None = None) -> int:
    """crc32 of an array's bytes in C order, cast to ``dtype`` first."""
    array = to_numpy(array)
    return zlib.crc32(
        np.ascontiguousarray(array if dtype is None else array.astype(dtype)).tobytes()
    )


def seed_of_units(case: ParityCase) -> int:
    """Seed of a file of unit cases: its array ``seed``, or the number at the end of its name.

    Raises:
        DataError: The file has neither.
    """
    if 'seed' in case:
        return case.integer('seed')
    match = re.fullmatch(r'.*_(\d+)', case.path.stem)
    if match is None:
        raise DataError(case.path, 'name', 'units_SEED.npz', case.path.name)
    return int(match.group(1))
