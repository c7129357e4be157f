"""Saved predictions of a data set beside its labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from torch import Tensor

from mmssc.errors import DataError, counted
from mmssc.progress import track
from mmssc.registry import DATASETS
from mmssc.structures import SSCDataSample

from .prediction_folder import PredictionFolder
from .protocols import FULL

__all__ = ['SavedPredictions', 'first_protocol']


def first_protocol(cfg: Mapping[str, Any]) -> str:
    """The first protocol that a config scores its test data set with."""
    evaluator = cfg.get('test_evaluator') or {}
    for metric in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]:
        protocols = metric.get('protocols')
        if protocols:
            return protocols if isinstance(protocols, str) else protocols[0]
    return FULL


class SavedPredictions:
    """The frames of a config's test data set for which every folder has a prediction.

    Args:
        cfg: A config with a ``test_dataloader``.
        folders: Folders of predictions, see :class:`PredictionFolder`.

    Raises:
        DataError: The config has no test data set, a folder has no prediction of it, or no frame
            has a prediction in every folder.
    """

    def __init__(self, cfg: Mapping[str, Any], folders: Sequence[str | PathLike[str]]) -> None:
        loader = cfg.get('test_dataloader')
        if not loader:
            raise DataError('config', 'test_dataloader', 'a data set with labels', 'none')
        self._scope = cfg.get('default_scope') or 'mmssc'
        with DefaultScope.overwrite_default_scope(self._scope):
            self.dataset: BaseDataset = DATASETS.build(loader['dataset'])
        self._folders = [PredictionFolder(folder, self.dataset) for folder in folders]
        common = set.intersection(*(set(folder.frames) for folder in self._folders))
        self._indices = sorted(common)
        if not common:
            one, *_, other = folders
            found = f'none in {one} and {other}' if len(folders) == 2 else 'none'
            raise DataError('predictions', 'frames', 'a frame that every folder has', found)
        if len(common) < len(self.dataset):
            text = f'{len(common)} of {len(self.dataset)} frames of the test split have predictions'
            everywhere = ' in every folder' if len(self._folders) > 1 else ''
            warnings.warn(f'{text}{everywhere}: the others are left out', stacklevel=2)

    @property
    def meta(self) -> dict[str, Any]:
        """Metainfo of the data set: classes, palette, ..."""
        return self.dataset.metainfo

    def samples(self) -> Iterator[tuple[int, SSCDataSample, list[Tensor]]]:
        """Load every frame with labels.

        Yields:
            Its index in the data set, its data sample, and of each folder its prediction
            (X, Y, Z) uint8.

        Raises:
            DataError: A file is damaged, or no frame has labels.
        """
        unlabelled = 0
        for index in track(self._indices, len(self._indices), 'reading predictions'):
            _, sample = self.load(index)
            if sample.get('gt_voxels') is None:
                unlabelled += 1
                continue
            yield index, sample, self.predictions(index, sample.gt_voxels.shape)
        if unlabelled == len(self._indices):
            hint = 'Name another info file: --cfg-options test_dataloader.dataset.ann_file=FILE'
            found = 'none: only its test server can score this split'
            raise DataError('test data set', 'labels', 'labels to score against', found, hint)
        if unlabelled:
            text = f'left out: {counted(unlabelled, "frame")} without labels'
            warnings.warn(text, stacklevel=2)

    def load(self, index: int) -> tuple[dict[str, Any], SSCDataSample]:
        """Model inputs and data sample of a frame."""
        with DefaultScope.overwrite_default_scope(self._scope):
            packed = self.dataset[index]
        return packed['inputs'], packed['data_samples']

    def predictions(self, index: int, shape: Sequence[int]) -> list[Tensor]:
        """Of each folder the prediction of a frame, (X, Y, Z) uint8."""
        return [torch.from_numpy(folder.read(index, shape)) for folder in self._folders]
