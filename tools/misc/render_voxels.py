"""Draw label volumes: PNG, bird's-eye view, PLY, GLB or a one-file HTML viewer. No display needed.

It reads ``.label`` (raw ids, uint16; not of NYU) and ``.npy`` (train ids), and hides voxels without
a label. With ``--truth`` it draws a second volume next to each first one, and hides predictions
where the second volume has no label. ``--page`` writes one HTML page with a slider over all files.
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import sys
from pathlib import Path
from typing import Any

from mmssc.errors import DataError
from mmssc.fileio import check_outputs, note_outputs
from mmssc.option_choices import LABEL_DATASETS, PICTURE_FORMATS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('files', nargs='+', type=Path, metavar='FILE', help='.label or .npy volumes')
    add(
        '--dataset',
        choices=LABEL_DATASETS,
        default='semantickitti',
        help='names, colours, ids and grid',
    )
    add('--formats', nargs='+', choices=PICTURE_FORMATS, default=['png'], help='default: png')
    add('--out-dir', type=Path, help='folder for the pictures (default: beside each file)')
    add('--truth', nargs='+', type=Path, metavar='FILE', help='labels to draw beside each FILE')
    text = 'image to show with the volumes: one, or one per FILE'
    add('--image', nargs='+', type=Path, metavar='FILE', help=text)
    text = 'calib.txt of KITTI (P2 and Tr) of the camera of --image: adds the view from it'
    add('--calib', type=Path, metavar='FILE', help=text)
    add('--page', type=Path, metavar='FILE.html', help='one page with a slider over all FILEs')
    add('--invalid', type=Path, help='packed bits of voxels to hide (.invalid of SemanticKITTI)')
    add('--hide', nargs='+', default=[], metavar='CLASS', help='names of classes to hide')
    add('--grid-shape', nargs=3, type=int, metavar=('X', 'Y', 'Z'), help='voxels per axis')
    add('--grid-origin', nargs=3, type=float, metavar=('X', 'Y', 'Z'), help='lower corner, metres')
    add('--voxel-size', type=float, metavar='METRES', help='voxel size')
    add_overwrite_option(parser)
    arguments = parser.parse_args()
    if arguments.truth is not None and len(arguments.truth) != len(arguments.files):
        parser.error(f'--truth needs one file per FILE, {len(arguments.files)} in all')
    if arguments.image is not None and len(arguments.image) not in (1, len(arguments.files)):
        parser.error(f'--image needs one file, or one per FILE, {len(arguments.files)} in all')
    if arguments.calib is not None and arguments.image is None:
        parser.error('--calib is for the camera of --image')
    if arguments.page is not None and arguments.page.suffix != '.html':
        parser.error('--page needs a name that ends in .html')
    return arguments


if __name__ == '__main__':
    parse_early(parse_args)

import numpy as np
from mmengine.dataset import BaseDataset

from mmssc.datasets import NYUDataset, SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.label_files import read_label_file
from mmssc.formats.images import read_rgb
from mmssc.formats.kitti import read_calib, read_voxel_bits
from mmssc.formats.matrices import to_homogeneous
from mmssc.structures import Camera, VoxelGrid
from mmssc.visualization.scene import (
    PREDICTION,
    TRUTH,
    Scene,
    class_colors,
    scene_paths,
    write_scenes,
)
from mmssc.visualization.voxel_faces import visible_labels

# The maker of the pictures.
MAKER = 'render_voxels.py'
WRONG_CLASSES = 'Is --dataset the right one?'
DATASETS: dict[str, type[BaseDataset]] = {
    'semantickitti': SemanticKITTIDataset,
    'sscbench-kitti360': SSCBenchKITTI360Dataset,
    'nyu': NYUDataset,
}


def make_grid(arguments: argparse.Namespace, meta: dict[str, Any]) -> VoxelGrid:
    """The grid of the data set, changed as the command line says."""
    grid = dict(meta['voxel_grid'])
    for name, value in (
        ('shape', arguments.grid_shape),
        ('origin', arguments.grid_origin),
        ('voxel_size', arguments.voxel_size),
    ):
        if value is not None:
            grid[name] = value
    return VoxelGrid.build(grid)


def read_camera(path: Path, image: np.ndarray) -> Camera:
    """The colour camera of a ``calib.txt``, for an image (H, W, 3)."""
    calib = read_calib(path)
    height, width = image.shape[:2]
    return Camera(calib['P2'][:, :3], to_homogeneous(calib['Tr']), (height, width))


def output_stem(path: Path, arguments: argparse.Namespace) -> Path:
    """Path of the pictures of a file, without suffix."""
    return (arguments.out_dir or path.parent) / path.stem


def check_written_files(arguments: argparse.Namespace) -> None:
    """Refuse to write over inputs and other files.

    Raises:
        DataError: A file to write exists, or two have the same name.
    """
    volumes = (PREDICTION,) if arguments.truth is None else (PREDICTION, TRUTH)
    outputs: dict[Path, Path] = {}
    for source in arguments.files:
        stem = output_stem(source, arguments)
        for path in scene_paths(stem, arguments.formats, volumes).values():
            if outputs.setdefault(path, source) != source:
                hint = 'Draw them in two calls, with two folders for --out-dir'
                raise DataError(
                    path, 'pictures', f'one of {outputs[path]}', f'two, of {source}, too', hint
                )
    if arguments.page is not None:
        page = arguments.page.absolute()
        source = next((outputs[path] for path in outputs if path.absolute() == page), None)
        if source is not None:
            hint = 'Give another name for --page'
            raise DataError(arguments.page, 'page', 'a page of its own', f'one of {source}', hint)
        outputs[arguments.page] = arguments.files[0]
    extra = [arguments.calib, arguments.invalid, *(arguments.image or ()), *(arguments.truth or ())]
    inputs = [*arguments.files, *filter(None, extra)]
    check_outputs(outputs, inputs, arguments.overwrite, MAKER)


def read_labels(path: Path, name: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Labels (X, Y, Z) of a file; an error names the data set that has the shape of the file."""
    try:
        return read_label_file(path, DATASETS[name], shape, WRONG_CLASSES)
    except DataError as error:
        fits = [
            f'--dataset {other}'
            for other, dataset in DATASETS.items()
            if VoxelGrid.build(dataset.METAINFO['voxel_grid']).shape == error.found
        ]
        if error.field != 'shape' or not isinstance(error.found, tuple) or len(error.found) != 3:
            raise
        own = f'--grid-shape {" ".join(map(str, error.found))} and --voxel-size of the file'
        hint = f'Give {" or ".join([*fits, own])}'
        raise DataError(path, 'shape', error.expected, error.found, hint) from error


def render(arguments: argparse.Namespace) -> None:
    """Draw every file.

    Raises:
        DataError: A file is missing, has a wrong size, or has ids unknown to the data set.
    """
    check_written_files(arguments)
    meta = DATASETS[arguments.dataset].METAINFO
    grid = make_grid(arguments, meta)
    classes, colors = class_colors(meta)
    unknown = set(arguments.hide) - set(classes)
    if unknown:
        raise DataError('--hide', 'class', f'some of {", ".join(classes)}', ', '.join(unknown))
    hidden = [classes.index(name) for name in arguments.hide]
    shown = None
    if arguments.invalid is not None:
        shown = ~read_voxel_bits(arguments.invalid, grid.shape)
    images = [read_rgb(image) for image in arguments.image or ()]
    scenes = []
    for number, path in enumerate(arguments.files):
        labels, mask = read_labels(path, arguments.dataset, grid.shape), shown
        volumes = {}
        if arguments.truth is not None:
            truth = read_labels(arguments.truth[number], arguments.dataset, grid.shape)
            mask = truth != 255 if mask is None else mask & (truth != 255)
            volumes[TRUTH] = visible_labels(truth, mask, hidden)
        name = 'labels' if arguments.truth is None else PREDICTION
        volumes = {name: visible_labels(labels, mask, hidden), **volumes}
        image = None if not images else images[number % len(images)]
        camera = None
        if image is not None and arguments.calib is not None:
            camera = read_camera(arguments.calib, image)
        scene = Scene(path.stem, volumes, grid, classes, colors, image, camera)
        scenes.append(scene)
        if scene.is_empty:
            print(f'{path}: nothing to draw, every voxel is empty or hidden', file=sys.stderr)
        stem = output_stem(path, arguments)
        note_outputs(scene_paths(stem, arguments.formats, [*volumes]).values(), MAKER)
        for written in scene.save(stem, arguments.formats):
            print(written)
    if arguments.page is not None:
        note_outputs([arguments.page], MAKER)
        write_scenes(arguments.page, scenes)
        print(arguments.page)


@command
def main() -> None:
    """Draw as the command line says."""
    render(parse_args())


if __name__ == '__main__':
    sys.exit(main())
