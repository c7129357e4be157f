"""Base class of the inferencers: a model and a test pipeline that reads no files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config

from mmssc.datasets.transforms import ReadingTransform, reading_transforms
from mmssc.errors import DataError
from mmssc.formats.images import read_rgb
from mmssc.model_index import find_checkpoint
from mmssc.models.fusion import fuse_for_inference
from mmssc.models.half_precision import predict_in_half_precision
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

from .model_loading import dataset_config_of, init_model, read_config

__all__ = ['CROP_OPTION', 'BaseInferencer', 'build_test_transforms', 'read_image', 'warn_about']

#: How a caller says that images are cut out of larger ones, for messages.
CROP_OPTION = 'give --cropped-images (in Python: cropped_images=True)'


def warn_about(name: str, remarks: Iterable[str]) -> None:
    """Warn of what is suspicious about a scene.

    Args:
        name: Its file, or another name.
        remarks: Texts, such as those of :mod:`mmssc.structures.camera_placement`.
    """
    for remark in remarks:
        warnings.warn(f'{name}: {remark}', stacklevel=3)


def build_test_transforms(cfg: Config) -> list[Any]:
    """Build the transforms of a config's test pipeline.

    Raises:
        DataError: The config has no data set, or a transform has wrong options.
    """
    return [TRANSFORMS.build(step) for step in dataset_config_of(cfg).get('pipeline') or []]


class _FromMemory(BaseTransform):
    """Replaces a transform that reads files; takes its arrays from ``results['given']``."""

    def __init__(self, reading: ReadingTransform) -> None:
        self.reading = reading

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the arrays."""
        arrays = {key: results['given'][key] for key in self.reading.inputs}
        return self.reading.add_arrays(results, arrays)


def _without_files(transforms: Iterable[Any], left_out: tuple[type, ...]) -> list[Any]:
    """Make a pipeline take inputs from memory, and drop the reading of targets and masks.

    Args:
        transforms: The test pipeline; wrappers in it are changed in place.
        left_out: Classes of further transforms to drop.
    """
    kept = []
    for transform in transforms:
        if isinstance(transform, ReadingTransform):
            if transform.inputs:
                kept.append(_FromMemory(transform))
            continue
        if isinstance(transform, left_out):
            continue
        inner = getattr(transform, 'transforms', None)
        if isinstance(inner, (list, tuple)):
            transform.transforms = _without_files(inner, left_out)
        elif inner is not None:
            # A wrapper of one transform needs one: an empty pipeline changes nothing.
            transform.transforms = Compose(_without_files([inner], left_out))
        kept.append(transform)
    return kept


class BaseInferencer:
    """A model and its test pipeline, which takes arrays instead of files.

    ``pipeline`` expects an item of the data set with ``given``: key -> array for each of
    ``inputs``.

    Args:
        config: File, name of a config, or loaded config.
        checkpoint: File with weights, or name of a model; None: see :func:`init_model`.
        device: Default: the GPU if there is one.
        voxel_grid: Predict this box instead of the config's, see :func:`init_model`.
        cfg_options: Overrides of the config.
        left_out: Classes of transforms to drop from the pipeline.
        fuse: Fold batch normalisation into convolutions, see :func:`fuse_for_inference`; the model
            then cannot be trained.
        amp: Predict in mixed precision, see :func:`predict_in_half_precision`.

    Raises:
        DataError: The pipeline reads inputs that this class cannot provide; see also
            :func:`init_model`.
    """

    #: Kind of data that the inferencer is for, see :class:`ReadingTransform`.
    data_kind: str
    #: Other kinds of data that it takes beside its own one.
    also_takes: tuple[str, ...] = ()
    #: Inputs that it can provide.
    provided: tuple[str, ...]

    def __init__(
        self,
        config: str | PathLike[str] | Config,
        checkpoint: str | PathLike[str] | None,
        device: str | torch.device | None,
        voxel_grid: VoxelGrid | Mapping[str, Any] | None,
        cfg_options: Mapping[str, Any] | None,
        left_out: tuple[type, ...] = (),
        fuse: bool = True,
        amp: bool = False,
    ) -> None:
        checkpoint = find_checkpoint(checkpoint, config)
        cfg = read_config(config, cfg_options)
        transforms = build_test_transforms(cfg)
        readings = [one for step in transforms for one in reading_transforms(step)]
        self._check(readings, str(cfg.filename or 'config'))
        self.readings = tuple(readings)
        self.inputs = frozenset(key for reading in readings for key in reading.inputs)
        self.pipeline = Compose(_without_files(transforms, left_out))
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        model = init_model(cfg, checkpoint, device, voxel_grid)
        self.model = fuse_for_inference(model) if fuse else model
        if amp:
            predict_in_half_precision(self.model)

    def _check(self, readings: Sequence[ReadingTransform], config: str) -> None:
        """Refuse a pipeline whose inputs this class cannot provide."""
        readings = [reading for reading in readings if reading.inputs]
        if not readings:
            expected = 'a transform that says which inputs it reads (ReadingTransform)'
            raise DataError(config, 'pipeline', expected, 'none')
        has_own = any(reading.data_kind == self.data_kind for reading in readings)
        allowed = ('', self.data_kind, *(self.also_takes if has_own else ()))
        for reading in readings:
            field = f'pipeline, {type(reading).__name__}'
            if reading.data_kind not in allowed:
                raise DataError(
                    config, field, f'a transform for {self.data_kind} data',
                    f'one for {reading.data_kind} data',
                    'mmssc.apis.build_inferencer picks the inferencer of a config: '
                    'DrivingInferencer, LidarInferencer or RGBDInferencer',
                )  # fmt: skip
            missing = [key for key in reading.inputs if key not in self.provided]
            if missing:
                expected = f'inputs that {type(self).__name__} can give'
                raise DataError(
                    config, field, f'{expected} ({", ".join(self.provided)})', ', '.join(missing)
                )

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """Classes, palette and ids of the model's data set."""
        return self.model.dataset_meta

    def _item(self, number: int, source: Any, name: str | None = None) -> dict[str, Any]:
        """The keys that items of all data sets have.

        Args:
            number: Number of the scene in this call.
            source: Its image; a file gives the scene its name.
            name: Name of a scene whose image is an array.
        """
        is_file = isinstance(source, (str, PathLike))
        return dict(
            sequence='',
            frame_id=Path(source).stem if is_file else name or f'{number:06d}',
            sample_idx=number,
            num_classes=len(self.dataset_meta['classes']),
            ignore_index=self.dataset_meta.get('ignore_index', 255),
        )


def read_image(value: Any, name: str) -> np.ndarray:
    """An image that a caller gives: a file, or (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file is missing or wrong, or the array is of another kind.
    """
    if isinstance(value, (str, PathLike)):
        return read_rgb(value)
    image = np.asarray(value)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            name, 'img', 'a file or (H, W, 3) uint8 RGB', f'{image.dtype} {image.shape}'
        )
    return image
