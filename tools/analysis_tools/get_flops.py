"""Count parameters and multiply-adds of a model, part by part.

The count is that of mmengine for one prediction of one random sample with the sizes of the config,
on the CPU. Operations that mmengine does not count are listed for each part. For models with sparse
convolutions the count depends on the points of the sample (``--points``).
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from mmssc.config_options import add_cfg_options
from mmssc.fileio import atomic_write, check_outputs, note_outputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help='config file')
    add('--depth', type=int, default=1, help='levels of parts: 2 also lists parts of the parts')
    text = "image size (default: the config's)"
    add('--shape', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help=text)
    add('--points', type=int, default=30000, help='points per frame (default: 30000)')
    add('--out', metavar='FILE.json', help='also write the counts to this file')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    args = parser.parse_args()
    for name in ('depth', 'points', *(('shape',) if args.shape else ())):
        value = getattr(args, name)
        if min(value if isinstance(value, list) else [value]) < 1:
            parser.error(f'--{name} must be 1 or more')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmssc.apis import read_config
from mmssc.apis.model_loading import inputs_of
from mmssc.apis.random_samples import random_samples
from mmssc.config_file import config_errors
from mmssc.evaluation.score_table import format_table
from mmssc.inspection.complexity import PartComplexity, count_complexity
from mmssc.registry import MODELS

MAKER = 'get_flops.py'
# Operations of a part that the table names; the file has all of them.
NAMED = 3


def count(cfg: Config, args: argparse.Namespace) -> dict[str, PartComplexity]:
    """Count the parts of the config's model."""
    sample = random_samples(cfg, args.shape, args.points)(0)
    torch.manual_seed(0)  # Which voxels sparse layers take depends on the weights.
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(pseudo_collate([sample]), False)
    sizes = {key: tuple(value[0].shape) for key, value in data['inputs'].items()}
    print('Sizes of the sample:', ', '.join(f'{key} {size}' for key, size in sizes.items()))
    return count_complexity(model, data['inputs'], data['data_samples'], args.depth)


def print_table(parts: dict[str, PartComplexity]) -> None:
    """Print a row for each part."""
    rows: list[list[str] | None] = []
    for name, part in parts.items():
        names = [f'{key} x{number}' for key, number in [*part.not_counted.items()][:NAMED]]
        more = len(part.not_counted) - len(names)
        names += [f'{more} more'] if more else []
        numbers = [f'{part.parameters:,}', f'{part.multiply_adds / 1e9:,.3f}']
        rows.append([name or 'all', *numbers, ', '.join(names) or '-'])
    header = ['part', 'parameters', '10^9 multiply-adds', 'not counted']
    print(format_table(header, [*rows[1:], None, rows[0]]))


@command
def main() -> None:
    """Count as the command line says."""
    args = parse_args()
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        if args.out:
            check_outputs([args.out], inputs_of(cfg), args.overwrite, MAKER)
        parts = count(cfg, args)
    print_table(parts)
    if args.out:
        content: dict[str, Any] = dict(
            config=str(args.config),
            parts={name or 'all': asdict(one) for name, one in parts.items()},
        )
        note_outputs([args.out], MAKER)
        with atomic_write(args.out, 'w') as file:
            json.dump(content, file, indent=2)


if __name__ == '__main__':
    sys.exit(main())
