r"""Make a small, safe file from a training checkpoint, with only the weights and the classes.

Example:
    python tools/model_converters/publish_checkpoint.py \
        work_dirs/light_depth_nyu/epoch_6.pth checkpoints/light_depth_nyu.pth
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.fileio import check_outputs, note_outputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='checkpoint of a training run')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument(
        '--half', action='store_true', help='matrices and kernels as float16: half the size'
    )
    add_overwrite_option(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.checkpoints.publish import publish_checkpoint

MAKER = 'publish_checkpoint.py'


@command
def main() -> None:
    """Convert as the command line says."""
    args = parse_args()
    check_outputs([args.target], [args.source], args.overwrite, MAKER)
    note_outputs([args.target], MAKER)
    meta = publish_checkpoint(args.source, args.target, args.half)
    print(f'{args.target}: {args.target.stat().st_size / 1e6:.2f} MB, epoch {meta.get("epoch")}')


if __name__ == '__main__':
    sys.exit(main())
