"""Any segmentation model of mmseg, from its config and weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope

from mmssc.checkpoints import check_weights, weights_of
from mmssc.compat import read_checkpoint
from mmssc.config_file import config_errors, datasets_of, read_config_file
from mmssc.errors import DataError, nearest_name

__all__ = ['MMSegModel', 'find_mmseg_config']

_OPTION = '--segmenter'
# Only training uses it; weights of it may be in a checkpoint.
_TRAINING_HEAD = 'auxiliary_head'


def find_mmseg_config(name: str | PathLike[str]) -> Path:
    """Find a config by its path, or by its name among those that come with mmseg.

    Raises:
        DataError: There is no such config.
    """
    path = Path(name)
    if path.is_file():
        return path
    spec = find_spec('mmseg')
    package = Path(spec.origin).parent if spec and spec.origin else Path()
    # .mim in a wheel, configs/ beside the package in a clone of mmseg.
    places = (package / '.mim/configs', package.parent / 'configs')
    configs = {one.stem: one for folder in places for one in sorted(folder.glob('[!_]*/*.py'))}
    stem = path.name.removesuffix('.py')
    if stem in configs and path.name == str(name):
        return configs[stem]
    hint = nearest_name(stem, configs, 0.8)
    hint = hint or 'Give a config file of mmseg, or its name without .py'
    raise DataError(_OPTION, None, 'a config of mmseg, or MODULE:FUNCTION', str(name), hint)


class MMSegModel:
    """A model of mmseg as a function: (H, W, 3) uint8 RGB -> (H, W) int64 ids.

    Args:
        config: See :func:`find_mmseg_config`. A config is a program: it runs.
        checkpoint: Its weights; only weights and plain values are read from the file.
        device: Default: the GPU if there is one.

    Attributes:
        classes: Names, in the order of the ids; from the checkpoint, else from the config.
        source: Where they come from, for messages.

    Raises:
        DataError: The config is wrong, or not of a model of mmseg; the checkpoint is missing, or of
            another model; or neither names the classes.
    """

    def __init__(
        self,
        config: str | PathLike[str],
        checkpoint: str | PathLike[str] | None,
        device: str | torch.device | None = None,
    ) -> None:
        path = find_mmseg_config(config)
        if checkpoint is None:
            raise _no_checkpoint(path)
        with DefaultScope.overwrite_default_scope('mmseg'):
            cfg = read_config_file(path)
            model = _build(cfg, path)
            content = read_checkpoint(checkpoint)
            state = weights_of(content, checkpoint)
            state = {key: state[key] for key in state if not key.startswith(_TRAINING_HEAD)}
            check_weights(state, model, str(checkpoint))
            model.load_state_dict(state, strict=False)
            stored = _classes_in(content.get('meta'))
            self.source = str(path if stored is None else checkpoint)
            self.classes = _checked(stored or _classes_of(cfg), model, self.source)
        # mmseg finds the test pipeline there.
        model.cfg = cfg
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = revert_sync_batchnorm(model).to(device).eval()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Segment an image with the test pipeline of the config."""
        from mmseg.apis import inference_model

        with DefaultScope.overwrite_default_scope('mmseg'):
            # Its pipelines read images as OpenCV does: BGR.
            result = inference_model(self.model, np.ascontiguousarray(image[..., ::-1]))
        return result.pred_sem_seg.data[0].cpu().numpy().astype(np.int64)


def _build(cfg: Config, path: Path) -> Any:
    """The network with random weights; pretrained ones are not looked for."""
    # Here: these imports take seconds, and only users of mmseg models need them.
    from mmseg.models import BaseSegmentor
    from mmseg.registry import MODELS

    if not isinstance(cfg.get('model'), Mapping) or 'test_pipeline' not in cfg:
        expected = 'a config of mmseg, with model and test_pipeline'
        raise DataError(path, None, expected, 'another one', f'Give it with {_OPTION}')
    for key in ('train_cfg', 'pretrained', _TRAINING_HEAD):
        cfg.model.pop(key, None)
    with config_errors(str(path)), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # About the losses, which are not used.
        model = MODELS.build(cfg.model)
    if not isinstance(model, BaseSegmentor):
        expected, found = 'a segmentation model of mmseg', type(model).__name__
        raise DataError(path, 'model.type', expected, found, f'Give its config with {_OPTION}')
    return model


def _classes_in(meta: Any) -> Any:
    """The names that a checkpoint holds: of mmseg 1, or of an earlier release."""
    if not isinstance(meta, Mapping):
        return None
    described = meta.get('dataset_meta')
    classes = described.get('classes') if isinstance(described, Mapping) else None
    return classes or meta.get('CLASSES')


def _classes_of(cfg: Config) -> Any:
    """The names of the data set of a config: its own, else those of its class."""
    import mmseg.datasets  # noqa: F401 It registers the data sets.
    from mmseg.registry import DATASETS

    for dataset in datasets_of(cfg):
        kind = DATASETS.get(str(dataset.get('type')))
        known = getattr(kind, 'METAINFO', None) or {}
        return (dataset.get('metainfo') or {}).get('classes') or known.get('classes')
    return None


def _checked(classes: Any, model: Any, source: str) -> tuple[str, ...]:
    """The names, one for each output of the model."""
    is_list = isinstance(classes, Iterable) and not isinstance(classes, (str, Mapping))
    names = tuple(classes) if is_list else ()
    count = getattr(model, 'num_classes', len(names))
    if not names or len(names) != count or not all(isinstance(one, str) for one in names):
        hint = "Name them in the segmenter's config: test_dataloader = "
        hint += 'dict(dataset=dict(metainfo=dict(classes=(...))))'
        expected, found = f'the names of {count} classes', f'{len(names)} names'
        raise DataError(source, 'classes', expected, found if names else 'none', hint)
    return names


def _no_checkpoint(config: Path) -> DataError:
    expected = 'the weights of the segmenter'
    hint = "Give --segmenter-checkpoint FILE.pth; mmseg's page of the method "
    hint += f'(configs/{config.parent.name}/README.md) has the download'
    return DataError('--segmenter-checkpoint', None, expected, 'none', hint)
