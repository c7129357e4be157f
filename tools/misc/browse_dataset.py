"""Draw what the data pipeline of a config gives the model: image, depth, points, labels.

The pictures show whether calibration, poses, points and labels fit together. Needs no display.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError
from mmssc.fileio import check_output_folder, check_outputs, note_outputs
from mmssc.option_choices import PICTURE_FORMATS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help=CONFIG_HELP)
    add('--split', choices=('train', 'val', 'test'), default='train', help='default: train')
    add('--out-dir', type=Path, default=Path('work_dirs/browse'), help='default: %(default)s')
    add('--num', type=int, default=8, help='samples, evenly spaced (default: %(default)s)')
    add('--frame', nargs='+', metavar='SEQ/FRAME', help='draw these samples instead')
    add('--formats', nargs='+', choices=PICTURE_FORMATS, default=['png'], help='default: png')
    add_overwrite_option(parser)
    add_cfg_options(parser)
    arguments = parser.parse_args()
    if arguments.num < 1:
        parser.error('--num must be at least 1')
    return arguments


if __name__ == '__main__':
    parse_early(parse_args)

from mmengine.registry import DefaultScope

from mmssc.config_file import config_errors, data_roots_of, read_config_file
from mmssc.datasets.transforms.load_rgbd import read_camera_images
from mmssc.registry import DATASETS
from mmssc.visualization.scene import Scene, scene_paths

# The maker of the pictures.
MAKER = 'browse_dataset.py'


def choose(names: list[str], arguments: argparse.Namespace) -> list[int]:
    """Indices of the samples to draw."""
    if arguments.frame is None:
        count = min(arguments.num, len(names))
        return [len(names) * n // count for n in range(count)]
    unknown = [name for name in arguments.frame if name not in names]
    if unknown:
        raise DataError('--frame', 'sample', f'one of the {len(names)} of the split', unknown)
    return [names.index(name) for name in arguments.frame]


def browse(arguments: argparse.Namespace) -> None:
    """Draw the samples."""
    cfg = read_config_file(arguments.config, arguments.cfg_options)
    out_dir = arguments.out_dir
    check_output_folder(out_dir, overwrite=True, maker=MAKER, data=data_roots_of(cfg))
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmssc'):
        dataset = DATASETS.build(cfg[f'{arguments.split}_dataloader'].dataset)
    items = map(dataset.get_data_info, range(len(dataset)))
    names = [f'{item["sequence"]}/{item["frame_id"]}' for item in items]
    chosen = choose(names, arguments)
    stems = [out_dir / names[index].replace('/', '_') for index in chosen]
    outputs = [path for stem in stems for path in scene_paths(stem, arguments.formats).values()]
    check_outputs(outputs, [cfg.filename], arguments.overwrite, MAKER)
    for index, stem in zip(chosen, stems):
        packed = dataset[index]
        inputs, sample = packed['inputs'], packed['data_samples']
        if 'gt_voxels' not in sample:
            print(f'{sample.sequence}/{sample.frame_id}: no labels, not drawn')
            continue
        image = inputs['img'][0].permute(1, 2, 0).numpy() if 'img' in inputs else None
        points = inputs['points'].numpy() if 'points' in inputs else None
        read = read_camera_images(dataset.get_data_info(index))
        image = read.get('img') if image is None else image
        scene = Scene.from_sample(sample, dataset.metainfo, image, points, depth=read.get('depth'))
        note_outputs(scene_paths(stem, arguments.formats).values(), MAKER)
        for path in scene.save(stem, arguments.formats):
            print(path)


@command
def main() -> None:
    """Draw as the command line says."""
    arguments = parse_args()
    with config_errors(arguments.config):
        browse(arguments)


if __name__ == '__main__':
    sys.exit(main())
