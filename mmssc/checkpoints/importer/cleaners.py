"""CleanerS (arXiv 2303.09977): keys of the official checkpoints, teacher and student."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mmssc.errors import DataError

from .key_map import CheckpointMethod
from .rgbd_rules import RGBD_CLASS_KEYS, RGBD_DROPPED, RGBD_RULES, rgbd_model_config

__all__ = ['CLEANERS', 'CLEANERS_TEACHER', 'select_network']

_NETWORKS = ('student', 'teacher')
_METHOD_OF = {'student': 'cleaners', 'teacher': 'cleaners-teacher'}


def select_network(
    state: Mapping[str, Tensor], network: str
) -> tuple[dict[str, Tensor], list[tuple[str, str]]]:
    """Select the tensors of one of the two networks.

    Args:
        state: Keys with or without ``module.``, and with ``student.``, ``teacher.`` or neither. A
            file of one network can have no prefix. A teacher can have ``student.``, because both
            stages of the authors' code save the network under training.
        network: ``'student'`` or ``'teacher'``.

    Returns:
        Key without prefixes -> tensor, and (key, reason) of the tensors of the other network.

    Raises:
        DataError: Two keys differ only in their prefixes.
    """
    groups: dict[str, dict[str, tuple[str, Tensor]]] = {name: {} for name in ('', *_NETWORKS)}
    for key, value in state.items():
        name, owner = _strip(key)
        if name in groups[owner]:
            expected = f'every tensor of the {owner or "network"} once'
            raise DataError('checkpoint', 'keys', expected, f'{groups[owner][name][0]} and {key}')
        groups[owner][name] = (key, value)
    order = [network, '', 'student'] if network == 'teacher' else [network, '']
    chosen = next((owner for owner in order if groups[owner]), network)
    left = [
        (key, f'of the {owner or "unnamed network"}, method {_METHOD_OF.get(owner)}')
        for owner, group in groups.items()
        if owner != chosen
        for key, _ in group.values()
    ]
    return {name: value for name, (_, value) in groups[chosen].items()}, left


def _strip(key: str) -> tuple[str, str]:
    """A key without ``module.``, ``student.`` and ``teacher.``, and the network that it names."""
    owner = ''
    while True:
        head, _, rest = key.partition('.')
        if head in _NETWORKS:
            owner = head
        elif head != 'module':
            return key, owner
        key = rest


def _method(network: str) -> CheckpointMethod:
    return CheckpointMethod(
        name=_METHOD_OF[network],
        rules=RGBD_RULES,
        dropped=RGBD_DROPPED,
        class_keys=RGBD_CLASS_KEYS,
        datasets={12: 'NYU'},
        model_config=rgbd_model_config,
        select=lambda state: select_network(state, network),
    )


CLEANERS = _method('student')
CLEANERS_TEACHER = _method('teacher')
