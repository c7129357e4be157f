"""A hook that refuses optimiser states of the wrong shape."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor
from torch.optim import Optimizer

from mmssc.errors import DataError
from mmssc.registry import HOOKS

__all__ = ['OptimizerStateHook']


@HOOKS.register_module()
class OptimizerStateHook(Hook):
    """Stops a training whose fused optimiser has a state of another shape than its parameter.

    The checkpoint chooses the state and whether the optimiser is fused. torch's fused kernels do
    not compare sizes and would write beyond a state that is too small. Every training that
    ``tools/train.py`` starts has this hook.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the shapes, after the checkpoint was loaded and before the first step.

        Raises:
            DataError: They differ.
        """
        wrapper = runner.optim_wrapper
        several = isinstance(wrapper, OptimWrapperDict)
        for one in wrapper.values() if several else [wrapper]:
            _check_fused_state(one.optimizer, str(runner._load_from))


def _check_fused_state(optimizer: Optimizer, checkpoint: str) -> None:
    for group in optimizer.param_groups:
        parameters = group['params'] if group.get('fused') else []
        for parameter in parameters:
            for name, value in optimizer.state.get(parameter, {}).items():
                expected = () if name == 'step' else tuple(parameter.shape)
                if isinstance(value, Tensor) and tuple(value.shape) != expected:
                    raise DataError(
                        checkpoint, f'optimizer, {name}', f'shape {expected}', tuple(value.shape),
                        'To start from its weights alone, give --cfg-options '
                        f'load_from={checkpoint} in place of --resume',
                    )  # fmt: skip
