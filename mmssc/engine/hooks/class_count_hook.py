"""Refuse to run a model on data with another number of classes."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.checkpoints import check_no_empty_weights, check_num_classes
from mmssc.registry import HOOKS

from .checkpoint_match_hook import unwrap_model

__all__ = ['ClassCountHook']


@HOOKS.register_module()
class ClassCountHook(Hook):
    """Compares the classes of the model with those of every data set, before the first batch.

    Without it a model with more classes than the data set trains for an epoch before the metric
    fails. ``tools/train.py`` and ``tools/test.py`` add this hook.
    """

    def before_run(self, runner: Runner) -> None:
        """Compare the numbers.

        Raises:
            DataError: They differ, or a weight of the model has no element.
        """
        model = unwrap_model(runner)
        check_no_empty_weights(model)
        for name in ('train', 'val', 'test'):
            # A loop that is not used in this run is still its config.
            loader = getattr(getattr(runner, f'_{name}_loop'), 'dataloader', None)
            meta = getattr(getattr(loader, 'dataset', None), 'metainfo', {})
            check_num_classes(model, meta, f'data set of {name}_dataloader')
