"""Refuse to test, or to start a training, with a checkpoint of another model."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from mmssc.checkpoints import check_classes, check_some_weights, check_weights
from mmssc.registry import HOOKS

__all__ = ['CheckpointMatchHook', 'unwrap_model', 'weights_and_model']


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Refuses a checkpoint that does not fit the model or the classes of the test set.

    mmengine loads the weights that fit and warns about the others. This suits fine-tuning, but a
    test would score a partly random network. ``tools/test.py`` adds this hook, and
    ``tools/train.py`` with ``partial`` where a training starts from existing weights.

    Args:
        partial: Accept a checkpoint of which only a part fits, and of any classes; refuse one of
            which (nearly) nothing fits.
    """

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare names and shapes of the weights, and names of the classes.

        Raises:
            DataError: They differ.
        """
        name = str(runner._load_from)
        state, model = weights_and_model(runner, checkpoint)
        if self.partial:
            fitting, total = check_some_weights(state, model, name)
            if fitting < total:
                runner.logger.warning(
                    f'{name}: {fitting} of the {total} weights of {type(model).__name__} are from '
                    'this checkpoint; the others keep their initial values'
                )
            return
        check_weights(state, model, name)
        trained = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
        check_classes(trained, runner.test_dataloader.dataset.metainfo, name)


def unwrap_model(runner: Runner) -> BaseModel:
    """The model of a runner, without the wrapper for several processes."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def weights_and_model(
    runner: Runner, checkpoint: dict[str, Any]
) -> tuple[dict[str, Any], nn.Module]:
    """The weights in a checkpoint, and the model of the runner, both without a wrapper."""
    state = checkpoint.get('state_dict', checkpoint)
    state = {key.removeprefix('module.'): value for key, value in state.items()}
    return state, unwrap_model(runner)
