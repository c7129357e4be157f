"""Checking exactly the files that a config reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmssc.datasets.driving_dataset import DrivingDataset
from mmssc.datasets.nyu import NYUDataset
from mmssc.errors import DataError
from mmssc.registry import DATASETS

from .report import TreeReport
from .rgbd_checks import check_frames

__all__ = ['check_config']

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_Needed = tuple[str, str, tuple[int, ...]]


def check_config(cfg: Mapping[str, Any], thorough: bool = False) -> TreeReport:
    """Check every file that training, validation and testing with a config would read.

    Args:
        cfg: A config with dataloaders of :class:`DrivingDataset` or :class:`NYUDataset`.
        thorough: Read and decode every file instead of sizes, headers and ends.
    """
    report = TreeReport()
    seen: set[str] = set()
    seen_arrays: set[tuple[str, str]] = set()
    counted: set[tuple[str, str]] = set()
    for loader in _LOADERS:
        if not cfg.get(loader):
            continue
        settings = dict(cfg[loader]['dataset'])
        pipeline = settings.pop('pipeline', [])
        try:
            dataset = DATASETS.build({**settings, 'pipeline': []})
            if isinstance(dataset, NYUDataset):
                count = check_frames(report, dataset, pipeline, seen_arrays, thorough)
                report.notes.append(f'{loader}: {count} frames')
                continue
            if not isinstance(dataset, DrivingDataset):
                report.notes.append(f'{loader}: not checked, {type(dataset).__name__}')
                continue
            items = [dataset.get_data_info(index) for index in range(len(dataset))]
        except DataError as error:
            report.add_error(error)
            continue
        report.notes.append(f'{loader}: {len(items)} samples')
        for item in items:
            sample = item['sequence'], item['frame_id']
            counts = report.counts.setdefault(item['sequence'], {'samples': 0, 'labelled': 0})
            if sample not in counted:
                counts['samples'] += 1
                counts['labelled'] += 'label_paths' in item
                counted.add(sample)
            for kind, path, shape in _needed_files(item, pipeline):
                if path not in seen:
                    seen.add(path)
                    name = {'image': 'images', 'points': 'pseudo_lidar'}.get(kind, kind)
                    counts[name] = counts.get(name, 0) + 1
                    report.check(kind, path, shape, thorough)
    report.problems = sorted(set(report.problems))
    return report


def _needed_files(
    item: Mapping[str, Any], pipeline: Sequence[Mapping[str, Any]]
) -> Iterator[_Needed]:
    """Kind, path and shape of every file that a pipeline reads of a sample."""
    for transform in pipeline:
        name = transform['type'].rsplit('.', 1)[-1]
        if name == 'LoadDrivingImages':
            yield from (('image', frame['img_path'], ()) for frame in item['frames'])
        elif name == 'LoadDrivingPoints':
            source = transform.get('source', 'pseudo_lidar')
            kind = 'depth' if source == 'depth' else 'points'
            yield from ((kind, frame[f'{source}_path'], ()) for frame in item['frames'])
        elif name == 'LoadDrivingDepth':
            yield from (('depth', frame['depth_path'], ()) for frame in item['frames'])
        elif name == 'LoadDrivingLabels' and 'label_paths' in item:
            for scale in _required_scales(transform):
                shape = item['voxel_grid'].coarsen(int(scale[2:])).shape
                yield 'labels', item['label_paths'][scale], shape


def _required_scales(transform: Mapping[str, Any]) -> set[str]:
    scales = set(transform.get('scales', ('1_1', '1_2')))
    # What can be pooled need not exist, as long as 1_1 does.
    return {'1_1'} if transform.get('pool_missing') else scales
