"""Deterministic weights and inputs for numerical-parity checks.

A parity case does not contain a checkpoint. NumPy generates every tensor of the reference
checkpoint from its *reference* key, its shape and a seed. So any implementation can rebuild exactly
the checkpoint of the expected figures. Only NumPy's PCG64 generator is used: its stream is the same
in every NumPy release.

The numbers are part of the parity format: a change of any function here invalidates every
stored case.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator, Mapping
from math import prod
from os import PathLike

import numpy as np

from mmssc.errors import DataError
from mmssc.formats.regular_files import read_csv_rows

__all__ = [
    'fill_state_dict', 'fill_tensor', 'integers', 'moved', 'normal', 'parse_manifest_rows', 'probe',
    'read_manifest', 'uniform',
]  # fmt: skip

# A line can claim a tensor that no memory holds. The largest model here has 0.1 billion numbers.
_MAX_NUMBERS = 2**31


# Relative size and seed of a movement of all weights and normal inputs, see moved().
_movement: list[tuple[float, int]] = []


@contextlib.contextmanager
def moved(relative: float, seed: int) -> Iterator[None]:
    """Multiply weights and normal inputs by ``1 + relative`` or ``1 - relative``, at random.

    The sum is rounded to float32, so about half of the numbers move by one in the last bit for a
    ``relative`` of 1e-7. Uniform inputs stay: cases make masks of them.
    """
    _movement.append((relative, seed))
    try:
        yield
    finally:
        _movement.pop()


def _float32(name: str, values: np.ndarray) -> np.ndarray:
    if _movement:
        relative, seed = _movement[-1]
        signs = _rng(seed, 'moved:' + name).integers(0, 2, values.shape) * 2 - 1
        values = values.astype(np.float32) * (1 + relative * signs)
    return values.astype(np.float32)


def _rng(seed: int, name: str) -> np.random.Generator:
    """Generator that depends only on ``seed`` and ``name``."""
    return np.random.default_rng([int(seed), zlib.crc32(name.encode())])


def parse_manifest_rows(rows: list[list[str]], source: str) -> dict[str, tuple[int, ...]]:
    """Turn ``[key, '64x3x3']`` rows into ``{key: (64, 3, 3)}``, in order.

    Raises:
        DataError: A row is not a key and a shape, a key occurs twice, or the tensors together have
            more than two billion numbers.
    """
    manifest: dict[str, tuple[int, ...]] = {}
    left = _MAX_NUMBERS
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or re.fullmatch(r'([0-9]{1,9}(x[0-9]{1,9})*)?', row[1]) is None:
            raise DataError(source, f'line {number}', "'key,AxBxC'", ','.join(row))
        if row[0] in manifest:
            raise DataError(source, f'line {number}', 'every key once', row[0])
        manifest[row[0]] = tuple(int(side) for side in row[1].split('x') if side)
        left -= prod(manifest[row[0]])
        if left < 0:
            raise DataError(source, f'line {number}', f'at most {_MAX_NUMBERS} numbers', 'more')
    return manifest


def read_manifest(path: str | PathLike[str]) -> dict[str, tuple[int, ...]]:
    """Read the list of tensors of a reference checkpoint.

    Args:
        path: CSV file without a header, one ``key,AxBxC`` row per tensor (scalars: empty shape).

    Returns:
        Reference key -> shape, in file order.

    Raises:
        DataError: There is no such file, a row is not a key and a shape, or a key occurs twice.
    """
    try:
        rows = read_csv_rows(path)
    except DataError as error:
        expected = 'a manifest (.csv)'
        raise DataError(path, error.field, expected, error.found, error.hint) from error
    return parse_manifest_rows(rows, str(path))


def fill_tensor(key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """One checkpoint tensor, float32 (int64 for step counters).

    ``running_mean`` ~ 0.1 N(0,1); ``running_var`` ~ 1 + 0.5 U(0,1); step counters 0; 1-D
    ``*weight`` (norm scales) ~ 1 + 0.1 N(0,1); other 1-D tensors (biases) ~ 0.05 N(0,1); tensors
    of two or more dimensions ~ N(0,1) / sqrt(fan_in) with fan_in = prod(shape[1:]).

    Args:
        key: Key in the reference's state dict.
        shape: Shape in the reference's state dict.
        seed: Seed of the case.
    """
    rng = _rng(seed, key)
    if key.endswith('num_batches_tracked'):
        return np.zeros(shape, np.int64)
    if key.endswith('running_var'):
        return _float32(key, 1 + 0.5 * rng.random(shape))
    noise = rng.standard_normal(shape)
    if key.endswith('running_mean'):
        return _float32(key, 0.1 * noise)
    if len(shape) < 2:
        if key.endswith('weight'):
            return _float32(key, 1 + 0.1 * noise)
        return _float32(key, 0.05 * noise)
    return _float32(key, noise / np.sqrt(np.prod(shape[1:])))


def fill_state_dict(manifest: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """:func:`fill_tensor` for every row of the manifest: {reference key: array}."""
    return {key: fill_tensor(key, shape, seed) for key, shape in manifest.items()}


def normal(name: str, shape: tuple[int, ...], seed: int, scale: float = 1.0) -> np.ndarray:
    """A float32 input array ~ ``scale`` * N(0,1), named ``name``."""
    return _float32(name, scale * _rng(seed, 'input:' + name).standard_normal(shape))


def uniform(
    name: str, shape: tuple[int, ...], seed: int, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """A float32 input array ~ U(``low``, ``high``), named ``name``."""
    draw = _rng(seed, 'input:' + name).random(shape)
    return (low + (high - low) * draw).astype(np.float32)


def integers(name: str, shape: tuple[int, ...], seed: int, low: int, high: int) -> np.ndarray:
    """An int64 input array, uniform on [``low``, ``high``), named ``name``."""
    return _rng(seed, 'input:' + name).integers(low, high, shape)


def probe(array: np.ndarray, seed: int, n: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    """Up to ``n`` entries of an array, drawn without replacement.

    Returns:
        Sorted flat indices in C order, (k,) int64, and the values there, (k,).
    """
    flat = np.asarray(array).reshape(-1)
    index = _rng(seed, 'probe').choice(flat.size, size=min(n, flat.size), replace=False)
    index.sort()
    return index, flat[index]
