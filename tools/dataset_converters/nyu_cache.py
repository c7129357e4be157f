r"""Put all of NYU (TSDF, mapping, labels, weights, a 2D segmentation) into one file of 61 MB.

The info lists of nyu.py say where the files are, in any layout. If they have no poses, this tool
fits them to the mapping. ``configs/light`` reads the result.

Example:
    python tools/dataset_converters/nyu_cache.py data/nyu --out data/nyu_cache \
        --segmentation seg13/{frame_id}.png
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.errors import counted
from mmssc.fileio import check_outputs, check_writable, lock_folder, note_outputs


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('root', type=Path, help='folder of the info lists')
    add('--out', type=Path, required=True, help='folder to write to')
    add('--splits', nargs='+', default=['train', 'test'], metavar='SPLIT',
        help='splits, as in nyu_infos_SPLIT.json (default: train test)')  # fmt: skip
    add('--source', default='nyu', help='depth of TSDF and mapping: nyu (default) or nyucad')
    add('--segmentation', metavar='PATH',
        help='8-bit id images: path in ROOT with {frame_id} (default: as listed)')  # fmt: skip
    add_overwrite_option(parser)
    return parser.parse_args(arguments)


if __name__ == '__main__':
    parse_early(parse_args)

from mmssc.datasets import NYUDataset
from mmssc.datasets.rgbd_list import frames_in_several
from mmssc.preparation.rgbd.cache import CACHE_NAME, cache_frames

MAKER = 'nyu_cache.py'


@command
def main() -> None:
    """Write the cache as the command line says."""
    args = parse_args()
    check_writable(args.out, 'Give another folder for --out')
    lists = {f'nyu_infos_{split}': args.root / f'nyu_infos_{split}.json' for split in args.splits}
    classes = NYUDataset.METAINFO['classes']
    outputs = [args.out / name for name in (CACHE_NAME, *(f'{name}.json' for name in lists))]
    with lock_folder(args.out):
        check_outputs(outputs, lists.values(), args.overwrite, MAKER)
        note_outputs(outputs, MAKER)
        written = cache_frames(
            lists, args.out, len(classes), args.source, segmentation=args.segmentation
        )
    size = (args.out / CACHE_NAME).stat().st_size
    print(f'{args.out / CACHE_NAME}: {size / 1e6:.1f} MB')
    for name, frames in written.items():
        print(f'{args.out / name}.json: {counted(len(frames.frames), "frame")}')
    shared = frames_in_several(written.values())
    if shared:
        print(f'in more than one split: {counted(len(shared), "frame")}, e.g. {shared[0]}')


if __name__ == '__main__':
    sys.exit(main())
