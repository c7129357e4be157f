"""Stop a training that has died."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from mmssc.errors import DataError, NotFiniteError
from mmssc.registry import HOOKS

__all__ = ['FiniteCheckHook']

# Loss scaling starts at 65536 and halves with each step that it skips. Below this scale, it has
# skipped all steps for a long time.
_SMALLEST_SCALE = 1e-4
_RUNNING = ('running_mean', 'running_var')


class _Problem(NamedTuple):
    """Ordered: of the same iteration, a loss comes before the weights that it has spoilt."""

    iteration: int
    is_loss_finite: bool
    text: str
    rank: int


@HOOKS.register_module()
class FiniteCheckHook(Hook):
    """Stops a training when a loss or a weight is NaN or infinite, before the next checkpoint.

    Each process looks at its losses after every iteration. One process alone stops at once. Several
    processes compare what they found every ``interval`` iterations and before each checkpoint and
    validation, and stop together. At these points they also look at the weights, at the statistics
    of BatchNorm and at the loss scale of mixed precision. Infinite gradients are not an error:
    loss scaling causes them and skips the step.

    The hook does not slow down GPUs: mmengine reads every loss in every iteration for its log, so
    the values have arrived already. ``tools/train.py`` adds this hook to every training, with the
    setting ``stop_at_nan`` of the config as ``stop``.

    Args:
        stop: False: log a warning once, and go on.
        interval: Iterations between two comparisons of several processes.
    """

    # Before the hooks that save.
    priority = 'VERY_HIGH'

    def __init__(self, stop: bool = True, interval: int = 50) -> None:
        if not isinstance(stop, bool):
            raise DataError('config', 'stop_at_nan', 'True or False', repr(stop))
        self.stop = stop
        self.interval = interval
        self._problem: _Problem | None = None
        self._has_warned = False
        self._iteration = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Look at the losses.

        Raises:
            NotFiniteError: A loss is not finite.
        """
        self._iteration = runner.iter + 1
        if self._problem is None and isinstance(outputs, Mapping):
            self._note(_bad_loss(outputs), False)
        alone = get_world_size() == 1 and self._problem is not None
        if alone or self.every_n_train_iters(runner, self.interval) or self._is_saved_now(runner):
            self._compare(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Look at the weights before they are saved.

        Raises:
            NotFiniteError: A loss or a weight is not finite.
        """
        self._compare(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Look at the weights before the best ones are saved.

        Raises:
            NotFiniteError: A loss or a weight is not finite.
        """
        self._compare(runner)

    def _note(self, text: str | None, is_loss_finite: bool) -> None:
        if text is not None:
            self._problem = _Problem(self._iteration, is_loss_finite, text, get_rank())

    def _is_saved_now(self, runner: Runner) -> bool:
        return any(
            isinstance(hook, CheckpointHook)
            and not hook.by_epoch
            and (
                self.every_n_train_iters(runner, hook.interval, hook.save_begin)
                or self.is_last_train_iter(runner)
            )
            for hook in runner.hooks
        )

    def _compare(self, runner: Runner) -> None:
        """Find the first problem of any process. All processes call this in the same iteration."""
        if self._problem is None:
            text = (
                _bad_weight(runner.model)
                or _bad_average(runner)
                or _dead_loss_scale(runner.optim_wrapper)
            )
            self._note(text, True)
        problems = [one for one in all_gather_object(self._problem) if one is not None]
        if not problems or self._has_warned:
            return
        first = min(problems)
        where = f' on process {first.rank}' if get_world_size() > 1 else ''
        message = f'training, iteration {first.iteration}{where}: {first.text}.'
        if self.stop:
            raise NotFiniteError(f'{message} Nothing was saved after it. {_advice(runner)}')
        self._has_warned = True
        runner.logger.warning(f'{message} The training goes on, because stop_at_nan is False.')


def _bad_loss(outputs: Mapping[str, Any]) -> str | None:
    """The first loss that is not finite; a sum of losses only if all its terms are finite."""
    losses = {
        name: value.item() if isinstance(value, Tensor) else float(value)
        for name, value in outputs.items()
        if 'loss' in name
    }
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    terms = [name for name in bad if name != 'loss'] or bad
    return f'{terms[0]} is {losses[terms[0]]}' if terms else None


def _bad_weight(model: nn.Module, is_average: bool = False) -> str | None:
    statistics = (pair for pair in model.named_buffers() if pair[0].endswith(_RUNNING))
    learning = (pair for pair in model.named_parameters() if pair[1].requires_grad or is_average)
    named: Iterator[tuple[str, Tensor]] = chain(learning, statistics)
    for name, tensor in named:
        if not tensor.isfinite().all():
            return f'the weight {name.removeprefix("module.")} is NaN or infinite'
    return None


def _bad_average(runner: Runner) -> str | None:
    """What is not finite in the averaged weights, which are saved in place of the model's."""
    averages = (getattr(hook, 'ema_model', None) for hook in runner.hooks)
    texts = (_bad_weight(model.module, True) for model in averages if model is not None)
    return next((f'of the moving average, {text}' for text in texts if text), None)


def _dead_loss_scale(wrapper: Any) -> str | None:
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    for one in wrappers:
        scaler = getattr(one, 'loss_scaler', None)
        if scaler is not None and scaler.is_enabled() and scaler.get_scale() < _SMALLEST_SCALE:
            return f'the loss scale is {scaler.get_scale():g}, because no gradient is finite'
    return None


def _advice(runner: Runner) -> str:
    saved = [hook.last_ckpt for hook in runner.hooks if isinstance(hook, CheckpointHook)]
    last = next((path for path in saved if path), 'none')
    return (
        f'Last checkpoint: {last}. Try a lower learning rate, gradient clipping '
        '(--cfg-options optim_wrapper.clip_grad.max_norm=10) or no --amp. To go on in spite of it, '
        'give --cfg-options stop_at_nan=False'
    )
