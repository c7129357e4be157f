"""Say before a training when it will validate too late, and which score chooses the best file."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner

from mmssc.errors import counted
from mmssc.registry import HOOKS

__all__ = ['ValidationCheckHook']


@HOOKS.register_module()
class ValidationCheckHook(Hook):
    """Warns if a training ends before its first validation, and explains ``save_best='auto'``.

    Without a validation, ``save_best`` keeps nothing. With ``'auto'``, mmengine keeps the best file
    by the first score of the first metric. ``tools/train.py`` adds this hook to every training.
    """

    def before_train(self, runner: Runner) -> None:
        """Compare the settings with the length of the training."""
        for line in [*_late_validation(runner), *_automatic_scores(runner)]:
            runner.logger.warning(line)


def _late_validation(runner: Runner) -> Iterator[str]:
    loop, hooks = runner.train_loop, _checkpoint_hooks(runner)
    if not isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
        return  # A loop of the user may validate in another way.
    scores = ', '.join(name for hook in hooks for name in hook.save_best or ())
    nothing_best = f'; save_best ({scores}) keeps no checkpoint' if scores else ''
    length, training = _length(runner, isinstance(loop, EpochBasedTrainLoop))
    change = 'To change this, give --cfg-options train_cfg.'
    if runner.val_loop is None:
        if scores:
            yield f'The config has no validation (val_cfg, val_dataloader){nothing_best}'
    elif _never_validates(runner):
        yield (
            f'train_cfg.val_begin is {loop.val_begin}, but {training}: it never validates'
            f'{nothing_best}. {change}val_begin=1'
        )
    elif min(loop.dynamic_intervals) > length:
        yield (
            f'train_cfg.val_interval is {loop.val_interval}, but {training}: it validates at the '
            f'end at most. {change}val_interval=N'
        )
    for hook in hooks:
        length, training = _length(runner, hook.by_epoch)
        if hook.save_begin > length:
            yield (
                f'save_begin of {type(hook).__name__} is {hook.save_begin}, but {training}: '
                'it saves no checkpoint before the end'
            )


def _never_validates(runner: Runner) -> bool:
    """Whether the first validation of one of mmengine's loops lies behind the end."""
    loop = runner.train_loop
    if not isinstance(loop, (EpochBasedTrainLoop, IterBasedTrainLoop)):
        return False
    length, _ = _length(runner, isinstance(loop, EpochBasedTrainLoop))
    return loop.val_begin > length


def _checkpoint_hooks(runner: Runner) -> list[CheckpointHook]:
    return [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]


def _length(runner: Runner, by_epoch: bool) -> tuple[int, str]:
    """Length of the training, and a phrase that says it."""
    length = runner.max_epochs if by_epoch else runner.max_iters
    return length, f'the training has {counted(length, "epoch" if by_epoch else "iteration")}'


def _automatic_scores(runner: Runner) -> Iterator[str]:
    metrics = getattr(getattr(runner.val_loop, 'evaluator', None), 'metrics', ())
    automatic = [hook for hook in _checkpoint_hooks(runner) if 'auto' in (hook.save_best or ())]
    if not automatic or not metrics or _never_validates(runner):
        return
    names = metrics[0].figure_names() if hasattr(metrics[0], 'figure_names') else []
    first = names[0] if names else f'the first score of {type(metrics[0]).__name__}'
    better = next((name for name in names if 'mIoU' in name), None)
    hint = f'. To keep the best by {better}, set save_best={better!r}' if better else ''
    for hook in automatic:
        yield f"save_best='auto' of {type(hook).__name__} keeps the best by {first}{hint}"
