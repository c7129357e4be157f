r"""Score two predictors without a network on the validation set of a config.

`depth points`: a voxel is occupied if a depth point falls in it; its class is the most frequent
class of the training set at that height. For a config that reads the voxels of a lidar scan, they
take the place of the points (`scan voxels`). `training mean`: every voxel gets its most frequent
class in the training set, for every input. A useful network must beat both.

Example:
    python tools/analysis_tools/geometric_baselines.py configs/quickstart/sgn_synthetic.py \
        --figures work_dirs/quickstart/figures.json --untrained work_dirs/quickstart/untrained.json
"""

from __future__ import annotations

from mmssc.command_line import FINDINGS, add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError
from mmssc.fileio import atomic_write, check_outputs, note_outputs


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument('config', help=f'{CONFIG_HELP}; its train and val data sets are read')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='also write the figures here')
    add_overwrite_option(parser)
    text = 'figures of a network (tools/test.py --out): fail unless they beat both baselines'
    parser.add_argument('--figures', type=Path, metavar='FILE.json', help=text)
    text = 'figures of the same network before training: another baseline for --figures'
    parser.add_argument('--untrained', type=Path, metavar='FILE.json', help=text)
    text = 'use at most this many training samples, evenly spaced'
    parser.add_argument('--train-samples', type=int, metavar='N', help=text)
    add_cfg_options(parser)
    parser.set_defaults(work_dir=None, launcher='none', local_rank=0)
    args = parser.parse_args(arguments)
    if args.train_samples is not None and args.train_samples < 1:
        parser.error('--train-samples must be 1 or more')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from torch import Tensor

from mmssc.apis.model_loading import inputs_of
from mmssc.config_file import config_errors
from mmssc.engine.launch import load_config
from mmssc.evaluation.functional import SSCCounts, count_voxels, scores_from_counts, sum_counts
from mmssc.evaluation.score_table import score_table
from mmssc.formats.json_fields import read_json
from mmssc.geometry import points_to_occupancy
from mmssc.progress import track
from mmssc.registry import DATASETS
from mmssc.structures import VoxelGrid

MAKER = 'geometric_baselines.py'
FIGURES = {'SC_IoU': 'iou', 'SSC_mIoU': 'miou'}


def count_classes(dataset: BaseDataset, limit: int | None, ignore_index: int) -> Tensor:
    """Count how often every voxel has every class: (K, X, Y, Z) int32 over a data set."""
    total = len(dataset)
    numbers: Sequence[int] = range(total)
    if limit is not None and limit < total:
        numbers = [number * total // limit for number in range(limit)]
    classes = torch.arange(len(dataset.metainfo['classes']))[:, None, None, None]
    counts: Tensor | None = None
    for number in track(numbers, len(numbers), 'counting classes', unit='sample'):
        labels = labels_of(dataset[number]['data_samples'], dataset)
        if counts is None:
            counts = torch.zeros(len(classes), *labels.shape, dtype=torch.int32)
        counts += (labels == classes) & (labels != ignore_index)
    if counts is None:
        raise DataError(dataset.ann_file, 'samples', 'at least one', 'none')
    return counts


def seen_voxels(item: Mapping[str, Any], grid: VoxelGrid, dataset: BaseDataset) -> Tensor:
    """Voxels (X, Y, Z) bool that a scan or the depth points of an item hit.

    Raises:
        DataError: The pipeline loads neither.
    """
    inputs = item['inputs']
    if 'occupancy' in inputs:
        return inputs['occupancy'].bool()
    if 'points' not in inputs:
        hint = (
            'Score the same frames with the config of a method that reads points, e.g. one of SGN; '
            'the figures of this one can be given with --figures'
        )
        raise DataError(dataset.ann_file, 'points', 'a pipeline that loads them', 'none', hint)
    return points_to_occupancy(inputs['points'], grid)


def labels_of(sample: Any, dataset: BaseDataset) -> Tensor:
    """Labels (X, Y, Z) of a data sample; an error if it has none."""
    if 'gt_voxels' not in sample:
        name = f'{sample.sequence}/{sample.frame_id}'
        raise DataError(dataset.ann_file, f'sample {name}', 'gt_voxels', 'no labels')
    return sample.gt_voxels


def class_at_height(counts: Tensor, axis: int) -> Tensor:
    """Most frequent class except empty (0) at every height, int64 (Z,).

    Args:
        counts: (K, X, Y, Z) of :func:`count_classes`.
        axis: Array axis (0 to 2) of the height.

    Returns:
        Heights that are always empty in the training set get its most frequent class.
    """
    others = [1 + other for other in range(3) if other != axis]
    occupied = counts[1:].sum(dim=others, dtype=torch.int64)
    fallback = 1 + occupied.sum(1).argmax()
    return torch.where(occupied.sum(0) > 0, 1 + occupied.argmax(0), fallback)


def label_by_height(seen: Tensor, grid: VoxelGrid, classes: Tensor) -> Tensor:
    """Volume (X, Y, Z) int64: voxels that are seen get the class of their height."""
    shape = [len(classes) if axis == 'z' else 1 for axis in grid.axes]
    return seen * classes.reshape(shape)


def score_baselines(
    train: BaseDataset, val: BaseDataset, limit: int | None = None
) -> dict[str, SSCCounts]:
    """Counts of both baselines over the validation set."""
    ignore_index = train.metainfo.get('ignore_index', 255)
    counts = count_classes(train, limit, ignore_index)
    prior = counts.argmax(0)
    first = val[0]
    axes = first['data_samples'].voxel_grid.axes
    seen_name = 'scan voxels' if 'occupancy' in first['inputs'] else 'depth points'
    classes = class_at_height(counts, axes.index('z'))
    num_classes = len(counts)
    records: dict[str, list[SSCCounts]] = {seen_name: [], 'training mean': []}
    for number in track(range(len(val)), len(val), 'scoring', unit='sample'):
        item = val[number]
        sample = item['data_samples']
        target, grid = labels_of(sample, val), sample.voxel_grid
        labelled = label_by_height(seen_voxels(item, grid, val), grid, classes)
        for name, prediction in zip(records, (labelled, prior)):
            record = count_voxels(prediction, target, num_classes, ignore_index=ignore_index)
            records[name].append(record)
    return {name: sum_counts(parts, num_classes) for name, parts in records.items()}


def compare(network: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> bool:
    """Print the scores of a network and the baselines; return whether it beats all of them."""
    rows = {**baselines, 'network': network}
    print(f'\n{"":16}' + ''.join(f'{key:>10}' for key in FIGURES))
    for name, figures in rows.items():
        print(f'{name:16}' + ''.join(f'{figures[key]:10.2f}' for key in FIGURES))
    behind = [
        f'{key} of {name}'
        for name, figures in baselines.items()
        for key in FIGURES
        if network[key] <= figures[key]
    ]
    print(
        f'NOT LEARNED: the network does not beat {", ".join(behind)}'
        if behind
        else 'The network is better than every baseline.'
    )
    return not behind


def read_figures(path: Path) -> dict[str, float]:
    """The figures of ``FIGURES`` in a file that ``tools/test.py --out`` wrote."""
    try:
        figures = read_json(path)
    except DataError as error:
        expected = 'the JSON of tools/test.py --out'
        raise DataError(path, error.field, expected, error.found, error.hint) from error
    if not isinstance(figures, dict):
        raise DataError(path, 'content', 'an object', type(figures).__name__)
    chosen = {}
    for key in FIGURES:
        found = [value for name, value in figures.items() if name.rpartition('/')[2] == key]
        if len(found) != 1:
            raise DataError(path, key, 'one such figure', sorted(figures))
        if type(found[0]) not in (int, float) or not math.isfinite(found[0]):
            raise DataError(path, key, 'a finite number', repr(found[0])[:60])
        chosen[key] = found[0]
    return chosen


def score(args: argparse.Namespace) -> int:
    """Score as the command line says; returns the exit status.

    Raises:
        DataError: The config or a file is wrong.
    """
    network, untrained = (
        None if path is None else read_figures(path) for path in (args.figures, args.untrained)
    )
    config = load_config(args)
    if args.out:
        inputs = [*inputs_of(config), *filter(None, (args.figures, args.untrained))]
        check_outputs([args.out], inputs, args.overwrite, MAKER)
    init_default_scope(config.get('default_scope', 'mmssc'))
    train, val = (
        DATASETS.build(config[f'{split}_dataloader'].dataset) for split in ('train', 'val')
    )
    counts = score_baselines(train, val, args.train_samples)
    scores = {name: scores_from_counts(total) for name, total in counts.items()}
    print('\n' + score_table(scores, counts, train.metainfo['classes']))
    figures = {
        name: {key: round(getattr(score, field), 2) for key, field in FIGURES.items()}
        for name, score in scores.items()
    }
    if args.out is not None:
        note_outputs([args.out], MAKER)
        with atomic_write(args.out, 'w') as file:
            json.dump(figures, file, indent=2)
    if untrained is not None:
        figures['untrained'] = untrained
    return 0 if network is None or compare(network, figures) else FINDINGS


@command
def main(arguments: list[str] | None = None) -> int:
    """Command line entry; returns the exit status."""
    args = parse_args(arguments)
    with config_errors(args.config):
        return score(args)


if __name__ == '__main__':
    sys.exit(main())
