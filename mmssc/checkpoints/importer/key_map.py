"""Rules that map the keys of a reference checkpoint to ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Union

import torch
from torch import Tensor

__all__ = [
    'TRANSFORMS', 'CheckpointMethod', 'JoinRule', 'KeyRule', 'Rule', 'Selection', 'prefix_rules',
    'without_lightning_prefix',
]  # fmt: skip

# Name -> (reference to ours, ours to reference).
TRANSFORMS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    # A matrix that the reference multiplies from the other side.
    'transpose': (lambda weight: weight.t(), lambda weight: weight.t()),
    # spconv's [out, ka, kb, kc, in] and the [out, in, ka, kb, kc] of a dense convolution.
    'sparse_to_dense': (
        lambda weight: weight.permute(0, 4, 1, 2, 3),
        lambda weight: weight.permute(0, 2, 3, 4, 1),
    ),
    # Kernels of 3D convolutions on axes z, x, y, and ours on x, y, z; both channel axes stay.
    'zxy_to_xyz': (
        lambda weight: weight.movedim(2, -1),
        lambda weight: weight.movedim(-1, 2),
    ),
    # A linear layer and the 1x1 convolution that does the same.
    'linear_to_conv': (lambda weight: weight[:, :, None, None], lambda weight: weight[:, :, 0, 0]),
}


@dataclass(frozen=True)
class KeyRule:
    """Moves all keys below one module of the reference to one module of ours.

    Args:
        reference: Module path (or whole key) in the reference; ``*`` stands for one path segment.
        ours: Module path in mmssc with the same number of ``*``, filled in the same order.
        transform: Name in :data:`TRANSFORMS` for tensors with another layout.
    """

    reference: str
    ours: str
    transform: str | None = None

    def __post_init__(self) -> None:
        if self.reference.count('*') != self.ours.count('*'):
            raise ValueError(f'{self.reference!r} and {self.ours!r} differ in their number of *')
        if self.transform is not None and self.transform not in TRANSFORMS:
            raise ValueError(f'unknown transform {self.transform!r}, known: {sorted(TRANSFORMS)}')

    def to_ours(self, key: str) -> str | None:
        """Our key for a key of the reference; None if the rule does not match."""
        return _move(key, self.reference, self.ours)

    def to_reference(self, key: str) -> str | None:
        """The reference's key for one of ours; None if the rule does not match."""
        return _move(key, self.ours, self.reference)

    def export(self, key: str, value: Tensor) -> dict[str, Tensor] | None:
        """The reference's tensor for one of ours; None if the rule does not match."""
        name = self.to_reference(key)
        if name is None:
            return None
        return {
            name: TRANSFORMS[self.transform][1](value).contiguous() if self.transform else value
        }


@dataclass(frozen=True)
class JoinRule:
    """Joins several tensors of the reference along axis 0 to one of ours.

    Args:
        reference: Keys (or module paths) in the reference, in the order of the parts; ``*`` as in
            :class:`KeyRule`.
        ours: Key (or path) in mmssc.
        shares: Relative length of each part: ``(1, 2)`` for one third and two thirds.
    """

    reference: tuple[str, ...]
    ours: str
    shares: tuple[int, ...]
    transform: str = field(default='joined', init=False)

    def __post_init__(self) -> None:
        if len(self.reference) != len(self.shares):
            raise ValueError(f'{len(self.reference)} parts and {len(self.shares)} shares')
        if any(path.count('*') != self.ours.count('*') for path in self.reference):
            raise ValueError(f'{self.reference} and {self.ours!r} differ in their number of *')

    def to_ours(self, key: str) -> str | None:
        """Our key that contains a key of the reference; None if the rule does not match."""
        names = (_move(key, path, self.ours) for path in self.reference)
        return next((name for name in names if name is not None), None)

    def parts_of(self, key: str) -> list[str] | None:
        """The reference's keys for one of ours, in order."""
        moved = (_move(key, self.ours, path) for path in self.reference)
        names = [name for name in moved if name is not None]
        return names if len(names) == len(self.reference) else None

    def export(self, key: str, value: Tensor) -> dict[str, Tensor] | None:
        """The reference's tensors for one of ours; None if the rule does not match."""
        names = self.parts_of(key)
        if names is None:
            return None
        unit = len(value) // sum(self.shares)
        parts = value.split([share * unit for share in self.shares])
        return {name: part.contiguous() for name, part in zip(names, parts)}

    def join(self, parts: Mapping[str, Tensor], key: str) -> Tensor:
        """Our tensor ``key`` from the reference's.

        Raises:
            KeyError: A part is missing.
        """
        return torch.cat([parts[name] for name in self.parts_of(key) or ()])


Rule = Union[KeyRule, JoinRule]
Selection = tuple[dict[str, Tensor], list[tuple[str, str]]]


def prefix_rules(reference: str, ours: str, table: Mapping[str, str]) -> tuple[KeyRule, ...]:
    """One rule per entry of ``table``, with paths below ``reference`` and ``ours``."""
    return tuple(KeyRule(f'{reference}.{a}', f'{ours}.{b}') for a, b in table.items())


def without_lightning_prefix(state: Mapping[str, Tensor]) -> Selection:
    """State dict of a network; files of Lightning name everything below ``model.``."""
    if all(key.startswith('model.') for key in state):
        return {key[len('model.') :]: value for key, value in state.items()}, []
    return dict(state), []


@dataclass(frozen=True)
class CheckpointMethod:
    """What the importer needs to know about one method.

    Args:
        name: Name on the command line.
        rules: The first rule that matches a key decides.
        dropped: Module path (or key) of tensors that the reference stores but never uses -> reason.
        class_keys: Reference keys of the classifiers; their rows are the classes. Empty for
            weights without classes, such as a backbone's.
        datasets: Number of classes -> data set of the published checkpoints.
        model_config: Reference keys and shapes -> config of the matching model.
        optional_suffixes: Keys with these suffixes may be missing; they are then zero.
        select: State dict of a file -> state dict of the network, with keys without the prefixes of
            wrappers, and (key, reason) of all other tensors in the file.
        describe: State dict of the network with the reference's keys -> remarks for the report.
    """

    name: str
    rules: tuple[Rule, ...]
    dropped: Mapping[str, str]
    class_keys: tuple[str, ...]
    datasets: Mapping[int, str]
    model_config: Callable[[Mapping[str, tuple[int, ...]]], dict[str, Any]]
    optional_suffixes: tuple[str, ...] = field(default=('num_batches_tracked',))
    select: Callable[[Mapping[str, Tensor]], Selection] | None = None
    describe: Callable[[Mapping[str, Tensor]], list[str]] | None = None

    def drop_reason(self, key: str) -> str | None:
        """Why a key of the reference is dropped; None if it is needed."""
        for path, reason in self.dropped.items():
            if _match(key, path) is not None:
                return reason
        return None


@cache
def _pattern(path: str) -> re.Pattern[str]:
    segments = ['([^.]+)' if part == '*' else re.escape(part) for part in path.split('.')]
    return re.compile(r'\.'.join(segments) + r'(|\..+)')


def _match(key: str, path: str) -> tuple[str, ...] | None:
    """What the ``*`` of ``path`` match, and the rest of the key; None without a match."""
    match = _pattern(path).fullmatch(key)
    return None if match is None else match.groups()


def _move(key: str, source: str, target: str) -> str | None:
    groups = _match(key, source)
    if groups is None:
        return None
    *stars, rest = groups
    filled = iter(stars)
    return '.'.join(next(filled) if p == '*' else p for p in target.split('.')) + rest
