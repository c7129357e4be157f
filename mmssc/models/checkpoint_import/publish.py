"""A training checkpoint without everything that only training needs."""

from __future__ import annotations

from os import PathLike
from typing import Any

from mmssc.compat import load_checkpoint_file

from .files import read_state_dict, write_state_dict

__all__ = ['publish_checkpoint']

_KEPT = ('epoch', 'iter', 'seed', 'dataset_meta')


def publish_checkpoint(source: str | PathLike[str], target: str | PathLike[str]) -> dict[str, Any]:
    """Keep the weights (the averaged ones where training kept an average) and plain facts.

    Dropped: optimiser, schedules, log, config (with the paths of the machine), the second set of
    weights of ``EMAHook``.

    Args:
        source: A checkpoint of the Runner. mmengine stores the averaged weights as ``state_dict``.
        target: File to write, atomically; loads with ``weights_only=True``.

    Returns:
        The metainfo that was kept: epoch, iteration, seed, classes and grid.

    Raises:
        DataError: The source is missing, damaged, or has no weights.
    """
    state = read_state_dict(source)
    stored = load_checkpoint_file(source, map_location='cpu').get('meta') or {}
    meta = {key: stored[key] for key in _KEPT if key in stored}
    write_state_dict(target, state, meta)
    return meta
