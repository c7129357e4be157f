r"""Score a LiDAR model on scans of other sensors: what fewer beams or another height would lose.

Scans of the test data set are changed; the labels stay. `beams-16` keeps every fourth of 64 beams,
`livox` the points on a rosette ahead of the car. `height-1.0` is a sensor 1 m above the ground,
whose height is searched in the scan; `unknown-height-1.0` is the same without the search. The table
says what the first pattern has more. With --points, scans of your own need no labels.

Examples:
    python tools/analysis_tools/thin_scans.py CONFIG CHECKPOINT --out analysis/thinned.md
    python tools/analysis_tools/thin_scans.py CONFIG CHECKPOINT --points velodyne --against seen
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.shared_options import positive_integer


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    text = f'{CONFIG_HELP}; its test data set is read unless --points are given'
    parser.add_argument('config', help=text)
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file or name of a model '
                        '(default: the weights of a config given by name)')  # fmt: skip
    text = 'scans without labels: files, or one folder'
    parser.add_argument('--points', nargs='+', metavar='PATH', help=text)
    text = (
        'of --points: score against the prediction for the whole scan (default), or against what '
    )
    text += 'the whole scan has seen to be occupied or empty'
    parser.add_argument('--against', choices=('prediction', 'seen'), help=text)
    text = 'all, livox, beams-N, height-H, unknown-height-H (default: all beams-32 beams-16 livox)'
    parser.add_argument('--patterns', nargs='+', default=['all', 'beams-32', 'beams-16', 'livox'],
                        metavar='NAME', help=text)  # fmt: skip
    text = 'beams of the sensor of the data set (default: 64)'
    parser.add_argument('--beams', type=positive_integer, default=64, metavar='N', help=text)
    text = 'score at most so many samples or scans, evenly spaced'
    parser.add_argument('--samples', type=positive_integer, metavar='N', help=text)
    parser.add_argument('--out', type=Path, metavar='FILE.md', help='also write the table here')
    parser.add_argument('--device', help='default: the GPU if there is one')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser.parse_intermixed_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmssc.apis import LidarInferencer, is_lidar_config, read_config
from mmssc.apis.infer_command.lidar_scenes import scans_of
from mmssc.apis.model_loading import dataset_config_of, inputs_of
from mmssc.apis.thinned_scans import (
    ScanAndTruth,
    find_patterns,
    labelled_scans,
    score_thinned,
    thinned_table,
    unlabelled_scans,
)
from mmssc.config_file import config_errors
from mmssc.engine.launch import require_checkpoint
from mmssc.errors import DataError
from mmssc.progress import track
from mmssc.registry import DATASETS

MAKER = 'thin_scans.py'


def _scans(
    args: argparse.Namespace, cfg: Config, inferencer: LidarInferencer, paths: list[str]
) -> Iterator[ScanAndTruth]:
    """The scans to score, with a progress bar."""
    init_default_scope(cfg.get('default_scope', 'mmssc'))
    dataset = None if paths else DATASETS.build(dataset_config_of(cfg))
    total = len(paths if dataset is None else dataset)
    if not total:
        raise DataError(args.config, 'test data set', 'at least one sample', 'none')
    count = min(total, args.samples or total)
    chosen = [number * total // count for number in range(count)]
    bar = track(chosen, count, 'thin and complete', unit='scan')
    if dataset is not None:
        return labelled_scans(dataset, bar)
    return unlabelled_scans(
        inferencer, (paths[number] for number in bar), args.against or 'prediction'
    )


@command
def main() -> None:
    """Score as the command line says."""
    args = parse_args()
    patterns = find_patterns(args.patterns, args.beams)
    if args.against and not args.points:
        expected = 'scans without labels (--points); samples of a data set have labels'
        raise DataError('--against', None, expected, 'no --points')
    paths = scans_of(args.points) if args.points else []
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        if not is_lidar_config(cfg):
            expected, hint = 'the config of a model for scans', 'lmscnet-ss_semantickitti is one'
            raise DataError(args.config, None, expected, 'one for images', hint)
        checkpoint = require_checkpoint(args.checkpoint, args.config)
        if args.out:
            inputs: list[str | Path] = [*inputs_of(cfg), *paths, checkpoint]
            check_outputs([args.out], inputs, args.overwrite, MAKER)
        inferencer = LidarInferencer(cfg, checkpoint, args.device)
        scans = _scans(args, cfg, inferencer, paths)
        scores = score_thinned(inferencer, scans, patterns, has_classes=args.against != 'seen')
    table = thinned_table(scores)
    print(table)
    if args.out:
        note_outputs([args.out], MAKER)
        with atomic_write(args.out, 'w') as file:
            file.write(table + '\n')


if __name__ == '__main__':
    sys.exit(main())
