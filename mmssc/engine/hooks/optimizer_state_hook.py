"""No step with an optimiser state that does not fit the parameters."""

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
    """Refuses to train on with a state of fused optimisers that was made for other parameters.

    A checkpoint chooses both the state and whether the optimiser is fused. torch's fused kernels do
    not compare sizes: they read and write beyond a state that is smaller than its parameter. Every
    training that ``tools/train.py`` starts has this hook.
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
                shapes = [()] if name == 'step' else [tuple(parameter.shape)]
                if isinstance(value, Tensor) and tuple(value.shape) not in shapes:
                    raise DataError(
                        checkpoint, f'optimizer, {name}', f'shape {shapes[0]}', tuple(value.shape),
                        'To start from its weights alone, give load_from in place of --resume',
                    )  # fmt: skip
