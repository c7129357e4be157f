"""Options that several commands share, and the types of their values.

Nothing slow is imported here, so that ``--help`` takes no time.
"""

from __future__ import annotations

import argparse
import math
import os

from mmssc.config_options import add_cfg_options
from mmssc.errors import DataError
from mmssc.shards import add_shard_option

__all__ = [
    'AMP_HELP', 'add_common_arguments', 'add_cropped_option', 'add_segmenter_options',
    'add_work_options', 'check_segmenter_options', 'positive_integer', 'positive_number',
    'spaced_number',
]  # fmt: skip

_MAX_DEFAULT_WORKERS = 8
#: Of ``--amp`` in commands that predict.
AMP_HELP = (
    'mixed precision: faster; a few labels differ. bfloat16 on the CPU and on GPUs that support '
    'it, else float16'
)


def _available_cores() -> int:
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def positive_integer(text: str) -> int:
    """A whole number above 0, for ``type=`` of :mod:`argparse`."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number') from None
    if value < 1:
        raise argparse.ArgumentTypeError(f'{value} is not positive')
    return value


def positive_number(text: str) -> float:
    """A finite number above 0, for options."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a positive number')
    return value


def spaced_number(text: str) -> float:
    """A number of a list with spaces, for ``type=`` of :mod:`argparse`."""
    if ',' in text:
        form = ' '.join(text.replace(',', ' ').split())
        raise argparse.ArgumentTypeError(f'{text}: expected spaces instead of commas: {form}')
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text} is not a number') from None


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share."""
    parser.add_argument(
        '--work-dir', help='folder for logs and results (default: work_dirs/<config name>)'
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='launcher that started the processes of a distributed run',
    )
    # Old torch.distributed.launch passes the argument, torchrun sets the variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_cropped_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--cropped-images``."""
    text = (
        'the images are cut out of larger ones, and the intrinsics are those of the cut images: '
        'the principal point can be anywhere'
    )
    parser.add_argument('--cropped-images', action='store_true', help=text)


def add_segmenter_options(parser: argparse.ArgumentParser, start: str = '') -> None:
    """Add the options of :class:`mmssc.segmentation.SegmenterSource`.

    Args:
        parser: The parser.
        start: The first words of each help text.
    """
    add = parser.add_argument
    text = (
        f'{start}segment the colour images with a model of mmseg (its config or the name of one) '
    )
    text += 'or a function of your own, in place of --segmentation; runs the code that it names'
    add('--segmenter', metavar='CONFIG|MODULE:FUNCTION', help=text)
    add(
        '--segmenter-checkpoint', metavar='FILE', help=f'{start}weights of the model of --segmenter'
    )
    text = f'{start}JSON file: more rows for the table of classes, or others in place of its own'
    add('--segmenter-table', metavar='FILE', help=text)


def check_segmenter_options(args: argparse.Namespace, image_option: str) -> None:
    """Check what goes together with ``--segmenter``.

    Args:
        args: The command line.
        image_option: The option that gives the colour images.

    Raises:
        DataError: An option has no use, or the images are missing.
    """
    if args.segmenter is None:
        for name in ('segmenter_checkpoint', 'segmenter_table'):
            if getattr(args, name) is not None:
                option, hint = f'--{name.replace("_", "-")}', 'Give --segmenter, or leave it out'
                raise DataError(option, None, 'with --segmenter', 'without it', hint)
        return
    if args.segmentation:
        hint = 'Leave one of them out'
        raise DataError('--segmenter', None, 'no --segmentation beside it', 'both', hint)
    if not getattr(args, image_option.removeprefix('--')):
        expected, hint = f'colour images ({image_option})', f'Give {image_option}'
        raise DataError('--segmenter', None, expected, 'none', hint)


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--workers``, ``--overwrite`` and ``--shard``."""
    add = parser.add_argument
    cores = min(_available_cores(), _MAX_DEFAULT_WORKERS)
    add('--workers', type=positive_integer, default=cores, help='processes')
    text = 'make again what this command made before (but keep your own files)'
    add('--overwrite', action='store_true', help=text)
    text = 'work on one of N shares of the frames, such as 1/8: the others can run at the same '
    text += 'time, on other machines, too; then run the command without --shard: it writes the '
    text += 'info lists'
    add_shard_option(parser, text)
