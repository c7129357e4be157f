"""Build the inferencer, and run the scenes; those with wrong input do not stop the others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import Config

from mmssc.apis import RGBDInferencer, build_inferencer
from mmssc.command_line import FINDINGS
from mmssc.errors import DataError
from mmssc.model_index import UNTRAINED

from .untrained import keep_logits

__all__ = ['inferencer_of', 'predict_all']


def inferencer_of(cfg: Config, args: argparse.Namespace, **options: Any) -> Any:
    """The inferencer, for the box that the command line describes."""
    changes = dict(shape=args.grid_shape, origin=args.grid_origin, voxel_size=args.voxel_size)
    changes = {name: value for name, value in changes.items() if value is not None}
    grid = {**cfg.model.voxel_grid.to_dict(), **changes} if changes else None
    inferencer = build_inferencer(
        cfg, args.checkpoint, device=args.device, voxel_grid=grid, amp=args.amp, **options
    )
    if 'label' in args.formats and 'inverse_learning_map' not in inferencer.dataset_meta:
        hint = 'Leave label out of --formats; npy has the class ids'
        expected = 'label only for a data set with raw ids, such as SemanticKITTI'
        raise DataError('--formats', None, expected, args.config, hint)
    if isinstance(inferencer, RGBDInferencer):
        inferencer.words = str  # Remedies name the options of this command.
    elif args.checkpoint == UNTRAINED:
        keep_logits(inferencer.model)
    return inferencer


def predict_all(
    names: Sequence[str],
    size: int,
    predict: Callable[[list[int]], None],
    done: Callable[[], None] = lambda: None,
) -> int:
    """Predict all scenes, ``size`` at once; a scene with wrong input does not stop the others.

    Args:
        names: Of the scenes, for messages.
        size: Scenes at once.
        predict: Predicts the scenes with these numbers.
        done: Called after each scene, also after one with wrong input.

    Returns:
        0, or :data:`FINDINGS` if some scenes could not be predicted.

    Raises:
        DataError: No scene could be predicted: the error of the first one.
    """
    failures: dict[str, DataError] = {}
    for start in range(0, len(names), size):
        scenes = list(range(start, min(start + size, len(names))))
        try:
            predict(scenes)
        except DataError as error:
            if len(scenes) == 1:
                failures[names[start]] = error
            else:
                failures.update(_find_wrong(names, scenes, predict))
        for _ in scenes:
            done()
    if len(failures) == len(set(names)):
        raise next(iter(failures.values()))
    for name, failure in failures.items():
        # The error may name the file of the scene itself.
        text = ' '.join(str(failure).removeprefix(f'{name}: ').split())
        print(f'error: {name}: not predicted: {text}', file=sys.stderr)
    if failures:
        print(f'{len(failures)} of {len(names)} scenes not predicted', file=sys.stderr)
    return FINDINGS if failures else 0


def _find_wrong(
    names: Sequence[str], scenes: list[int], predict: Callable[[list[int]], None]
) -> dict[str, DataError]:
    """Predict the scenes one by one; those with wrong input and their errors."""
    failures = {}
    for number in scenes:
        try:
            predict([number])
        except DataError as error:
            failures[names[number]] = error
    return failures
