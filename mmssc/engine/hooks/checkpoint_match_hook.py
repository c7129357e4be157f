"""Refuse to test with a checkpoint of another model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmssc.checkpoints import check_classes, check_weights
from mmssc.registry import HOOKS

__all__ = ['CheckpointMatchHook']


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuses a checkpoint that does not fit the model or the classes of the test set.

    mmengine loads the weights that fit and warns about the others. This suits fine-tuning, but a
    test would score a partly random network. ``tools/test.py`` adds this hook.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare names and shapes of the weights, and names of the classes.

        Raises:
            DataError: They differ.
        """
        name = str(runner._load_from)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        state = checkpoint.get('state_dict', checkpoint)
        state = {key[7:] if key.startswith('module.') else key: state[key] for key in state}
        check_weights(state, model, name)
        trained = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        check_classes(trained, runner.test_dataloader.dataset.metainfo, name)
