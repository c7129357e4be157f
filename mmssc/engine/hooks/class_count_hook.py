"""Refuse to run a model on data with another number of classes, or on no batch."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmssc.checkpoints import check_no_empty_weights, check_num_classes
from mmssc.errors import DataError
from mmssc.registry import HOOKS

from .checkpoint_match_hook import unwrap_model

__all__ = ['ClassCountHook']


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Compares the classes of the model with those of every data set, before the first batch.

    Without it a model with more classes than the data set trains for an epoch before the metric
    fails. It also checks that every loader gives a batch: with ``drop_last`` and a large batch, a
    training would otherwise save untrained weights. ``tools/train.py`` and ``tools/test.py`` add
    this hook.
    """

    def before_run(self, runner: Runner) -> None:
        """Compare the numbers.

        Raises:
            DataError: They differ, a weight of the model has no element, or a loader has no batch.
        """
        model = unwrap_model(runner)
        check_no_empty_weights(model)
        for name in ('train', 'val', 'test'):
            # A loop that is not used in this run is still its config.
            loop = getattr(runner, f'_{name}_loop')
            loader = getattr(loop, 'dataloader', None)
            # A training by iterations starts its loader again and again: its length says nothing.
            if loader is not None and not isinstance(loop, IterBasedTrainLoop):
                _check_batches(loader, f'{name}_dataloader')
            meta = getattr(getattr(loader, 'dataset', None), 'metainfo', {})
            check_num_classes(model, meta, f'data set of {name}_dataloader')


def _check_batches(loader: Any, name: str) -> None:
    """Refuse a loader that would give no batch."""
    if hasattr(loader, '__len__') and hasattr(loader.dataset, '__len__') and not len(loader):
        samples = f'{len(loader.dataset)} sample{"s" * (len(loader.dataset) != 1)}'
        found = f'none: {samples}, batch_size={loader.batch_size}, drop_last={loader.drop_last}'
        hint = 'Give a smaller batch_size, or drop_last=False'
        raise DataError('config', name, 'at least one batch', found, hint)
