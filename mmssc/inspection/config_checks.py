"""Check exactly the files that a config reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mmengine.registry import DefaultScope

from mmssc.datasets.transforms import ReadingTransform, SampleFile, reading_transforms
from mmssc.datasets.transforms.load_driving import check_camera_size, check_images_upright
from mmssc.errors import DataError, counted
from mmssc.formats.images import read_image_shape
from mmssc.registry import DATASETS
from mmssc.shards import Shard

from .label_checks import LABEL_SAMPLES, check_occupied
from .report import TreeReport

__all__ = ['check_config', 'without_wrappers']

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def check_config(
    cfg: Mapping[str, Any], thorough: bool = False, shard: Shard | None = None
) -> TreeReport:
    """Check every file that training, validation and testing with a config would read.

    The reading transforms of the pipelines say which files these are, see
    :class:`~mmssc.datasets.transforms.ReadingTransform`.

    Args:
        cfg: A config with dataloaders.
        thorough: Read and decode every file, not only its size, header and end.
        shard: Check only the files of this share.
    """
    check = _ConfigCheck(thorough, shard)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        for loader in _LOADERS:
            if not cfg.get(loader):
                continue
            try:
                for dataset in without_wrappers(DATASETS.build(cfg[loader]['dataset'])):
                    check.add_dataset(loader, dataset)
            except DataError as error:
                check.report.add_error(error)
    return check.report.finish()


def without_wrappers(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for one in inner:
        if one is None:
            yield dataset
        else:
            yield from without_wrappers(one)


class _ConfigCheck:
    """Checks the files of several data sets, each file once."""

    def __init__(self, thorough: bool, shard: Shard | None) -> None:
        self.thorough = thorough
        self.report = TreeReport(shard=shard)
        self.samples: set[tuple[str, str]] = set()
        self.files: set[tuple[str, str]] = set()
        self.upright: set[str] = set()

    def add_dataset(self, loader: str, dataset: Any) -> None:
        """Check the files that the pipeline of a data set reads."""
        name = type(dataset).__name__
        readings = list(reading_transforms(getattr(dataset, 'pipeline', None)))
        if not readings or not hasattr(dataset, 'get_data_info'):
            text = f'{loader}: not checked, no transform of {name} says what it reads'
            self.report.notes.append(text)
            return
        for index in range(len(dataset)):
            item = dataset.get_data_info(index)
            sample = str(item.get('sequence', name)), str(item.get('frame_id', index))
            self._add_item(item, sample, readings, index < LABEL_SAMPLES)
        self.report.notes.append(f'{loader}: {counted(len(dataset), "sample")}')

    def _add_item(
        self,
        item: Mapping[str, Any],
        sample: tuple[str, str],
        readings: list[ReadingTransform],
        in_full: bool,
    ) -> None:
        """Check the files of a sample; ``in_full`` reads its labels in the quick check, too."""
        counts = self.report.counts.setdefault(sample[0], {'samples': 0})
        counts['samples'] += sample not in self.samples
        self.samples.add(sample)
        found: list[SampleFile] = []
        for reading in readings:
            try:
                files = reading.files(item)
            except DataError as error:
                self.report.add_error(error)
                continue
            found += files
            for file in files:
                new = {(file.path, key) for key in file.keys or (file.kind,)} - self.files
                self.files |= new
                if not new:
                    continue
                exists = self._check_file(file, in_full)
                for _, key in sorted(new):
                    counts[key] = counts.get(key, 0) + exists
                if file.kind == 'image':
                    self._check_camera(item, file.path)
        if any(file.kind == 'depth' for file in found):
            self._check_upright({file.path for file in found if file.kind == 'image'})

    def _check_file(self, file: SampleFile, in_full: bool) -> bool:
        """Check a file; return whether it exists."""
        has_labels = any(key.startswith('gt_voxels') for key in file.keys)
        read = partial(_read_labels, file) if has_labels else file.read
        in_full = self.thorough or (in_full and has_labels)
        return self.report.check(file.kind, file.path, file.shape, in_full, read)

    def _check_upright(self, images: set[str]) -> None:
        """Check that images with depth maps do not turn when they are read, each once."""
        for image in sorted(images - self.upright):
            self.upright.add(image)
            try:
                check_images_upright([image])
            except DataError as error:
                # The check of the file reports an image that cannot be read.
                if error.field == 'orientation':
                    self.report.add_error(error)

    def _check_camera(self, item: Mapping[str, Any], image: str) -> None:
        """Check the intrinsics of an item against the size of its image."""
        try:
            size = read_image_shape(image)
        except DataError:
            # The check of the file reports it.
            return
        try:
            check_camera_size(item, size)
        except DataError as error:
            self.report.add_error(error)


def _read_labels(file: SampleFile) -> None:
    """Read a file with labels; one without any occupied voxel is an error."""
    with warnings.catch_warnings():
        # The error below says the same.
        warnings.simplefilter('ignore')
        content = file.read()
    volumes = content if isinstance(content, Mapping) else {file.keys[0]: content}
    for key, volume in volumes.items():
        if key.startswith('gt_voxels'):
            check_occupied(file.path, volume)
