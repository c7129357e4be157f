r"""Score a LiDAR model on scans of sensors with fewer beams: what another LiDAR would lose.

Scans of the data set are thinned; the labels stay. `beams-16` keeps every fourth of 64 beams,
`livox` the points on a rosette ahead of the car. The table says what the first pattern has more.

Example:
    python tools/analysis_tools/thin_scans.py CONFIG CHECKPOINT --out analysis/thinned.md
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.shared_options import positive_integer


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help=f'{CONFIG_HELP}; its test data set is read')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file or name of a model '
                        '(default: the weights of a config given by name)')  # fmt: skip
    text = 'all, livox, beams-N (default: all beams-32 beams-16 livox)'
    parser.add_argument('--patterns', nargs='+', default=['all', 'beams-32', 'beams-16', 'livox'],
                        metavar='NAME', help=text)  # fmt: skip
    text = 'beams of the sensor of the data set (default: 64)'
    parser.add_argument('--beams', type=positive_integer, default=64, metavar='N', help=text)
    text = 'score at most so many samples, evenly spaced'
    parser.add_argument('--samples', type=positive_integer, metavar='N', help=text)
    parser.add_argument('--out', type=Path, metavar='FILE.md', help='also write the table here')
    parser.add_argument('--device', help='default: the GPU if there is one')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser.parse_intermixed_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.registry import init_default_scope

from mmssc.apis import LidarInferencer, is_lidar_config, read_config
from mmssc.apis.model_loading import dataset_config_of, inputs_of
from mmssc.apis.thinned_scans import find_patterns, score_thinned, thinned_table
from mmssc.config_file import config_errors
from mmssc.engine.launch import require_checkpoint
from mmssc.errors import DataError
from mmssc.progress import track
from mmssc.registry import DATASETS

MAKER = 'thin_scans.py'


@command
def main() -> None:
    """Score as the command line says."""
    args = parse_args()
    patterns = find_patterns(args.patterns, args.beams)
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        if not is_lidar_config(cfg):
            expected, hint = 'the config of a model for scans', 'lmscnet-ss_semantickitti is one'
            raise DataError(args.config, None, expected, 'one for images', hint)
        checkpoint = require_checkpoint(args.checkpoint, args.config)
        if args.out:
            check_outputs([args.out], [*inputs_of(cfg), checkpoint], args.overwrite, MAKER)
        inferencer = LidarInferencer(cfg, checkpoint, args.device)
        init_default_scope(cfg.get('default_scope', 'mmssc'))
        dataset = DATASETS.build(dataset_config_of(cfg))
        total = len(dataset)
        if not total:
            raise DataError(args.config, 'test data set', 'at least one sample', 'none')
        count = min(total, args.samples or total)
        chosen = [number * total // count for number in range(count)]
        samples = track(chosen, count, 'thin and complete', unit='scan')
        table = thinned_table(score_thinned(inferencer, dataset, patterns, samples))
    print(table)
    if args.out:
        note_outputs([args.out], MAKER)
        with atomic_write(args.out, 'w') as file:
            file.write(table + '\n')


if __name__ == '__main__':
    sys.exit(main())
