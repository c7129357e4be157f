r"""Export the network of a model to a file that runs without mmssc.

    python tools/deployment/export.py light_depth_nyu --out light.onnx

The file takes the tensors that the network takes after the data preprocessor, a batch of any size,
and gives ``logits`` (B, K, X, Y, Z) and ``labels`` (B, X, Y, Z). It is written only if it agrees
with the model on a batch of 1 and of 2. The samples are random, or those of the config's test data
set (``--index``), or a frame of your depth camera (``--depth``, ``--cam2img``).
"""

from __future__ import annotations

from mmssc.command_line import add_overwrite_option, command, parse_early, prepare_process

prepare_process()

import argparse
import math
import sys
from typing import Any

from mmssc.config_options import CONFIG_HELP, add_cfg_options
from mmssc.errors import DataError
from mmssc.fileio import atomic_write, check_outputs, note_outputs
from mmssc.model_index import UNTRAINED
from mmssc.option_choices import DEPTH_KINDS, EXPORT_FORMATS
from mmssc.shared_options import positive_integer, positive_number, spaced_number


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('config', help=CONFIG_HELP)
    text = 'checkpoint file, or name of a model (default: the weights of a config given by name)'
    add('checkpoint', nargs='?', help=f'{text}; {UNTRAINED!r}: random weights')
    suffixes = ', '.join(f'{name}: {suffix}' for name, suffix in EXPORT_FORMATS.items())
    add('--format', choices=tuple(EXPORT_FORMATS), default='onnx', help='default: onnx')
    add('--out', required=True, metavar='FILE', help=f'the file ({suffixes})')
    add('--index', type=int, metavar='N', help="compare on this sample of the config's test data "
        'set, and the next one')  # fmt: skip
    add('--depth', metavar='FILE', help='compare on this depth image, see tools/infer.py')
    add('--cam2img', nargs='+', type=spaced_number, metavar='N', help='with --depth: fx fy cx cy')
    add('--image', metavar='FILE', help='with --depth: image, for models that read one')
    add('--segmentation', metavar='FILE', help='with --depth: 8-bit id image')
    add('--depth-kind', choices=DEPTH_KINDS, help='with --depth (default: mm)')
    add('--depth-scale', type=positive_number, metavar='N', help='with --depth: values per metre')
    text = 'with --depth: camera above the floor (default: search the floor)'
    add('--height', type=positive_number, metavar='METRES', help=text)
    text = 'with --height: angle below the horizon, and clockwise turn'
    add('--tilt', type=float, metavar='DEGREES', help=text)
    add('--roll', type=float, metavar='DEGREES', help=text)
    add('--cam2world', metavar='FILE', help='with --depth: 4x4 pose, instead of --height')
    text = 'with --depth: turn the images clockwise, so that they are upright'
    add('--rotate', type=int, choices=(0, 90, 180, 270), help=text)
    text = 'with --depth: the images are cut out of larger ones'
    add('--cropped-images', action='store_true', default=None, help=text)
    text = 'also write the inputs of the first sample, a batch of 1'
    add('--sample', metavar='FILE.npz', help=text)
    text = 'also measure the time of the model and of the file, so many times'
    add('--repeats', type=positive_integer, metavar='N', help=text)
    add_overwrite_option(parser)
    add_cfg_options(parser)
    return parser.parse_intermixed_args()


if __name__ == '__main__':
    parse_early(parse_args)

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from mmssc.apis import RGBDInferencer, init_model, is_rgbd_config, read_config
from mmssc.apis.model_loading import dataset_config_of, inputs_of
from mmssc.config_file import config_errors
from mmssc.deployment import (
    FORMATS,
    capture_inputs,
    check_agreement,
    check_exportable,
    config_inputs,
    describe_network,
    measure_seconds,
    open_network,
    serialize,
    trace_network,
)
from mmssc.engine.launch import require_checkpoint
from mmssc.formats.matrices import read_matrix
from mmssc.geometry import check_placement
from mmssc.models.completors import BaseCompletor
from mmssc.registry import DATASETS, MODELS

MAKER = 'export.py'
# They need --depth.
FRAME_OPTIONS = (
    'cam2img', 'image', 'segmentation', 'depth_kind', 'depth_scale', 'cam2world', 'height', 'tilt',
    'roll', 'rotate', 'cropped_images',
)  # fmt: skip


def check_options(args: argparse.Namespace, cfg: Config) -> None:
    """Refuse what cannot be right before the model is built.

    Raises:
        DataError: An option does not fit, or a file to write exists.
    """
    for name, path, suffix in (
        ('--out', args.out, FORMATS[args.format]), ('--sample', args.sample, '.npz'),
    ):  # fmt: skip
        if path is not None and not path.endswith((suffix, '/dev/null')):
            raise DataError(name, None, f'a name that ends with {suffix}', path)
    given = [name for name in FRAME_OPTIONS if getattr(args, name) is not None]
    if given and args.depth is None:
        option = f'--{given[0].replace("_", "-")}'
        raise DataError(option, None, '--depth with it', 'none')
    if args.depth is not None:
        if args.index is not None:
            raise DataError('command line', None, 'either --index or --depth', 'both')
        if not is_rgbd_config(cfg):
            hint = 'Leave it out, or give --index'
            raise DataError('--depth', None, 'a model for depth cameras', args.config, hint)
        if args.cam2img is None or len(args.cam2img) != 4:
            found = 'none' if args.cam2img is None else f'{len(args.cam2img)} numbers'
            raise DataError('--cam2img', None, 'fx fy cx cy', found)
        if args.height is not None:
            check_placement(args.height, *angles_of(args), in_command=True)
    frame = [args.checkpoint, args.depth, args.image, args.segmentation, args.cam2world]
    inputs = [*inputs_of(cfg), *filter(None, frame)]
    check_outputs(outputs_of(args), inputs, args.overwrite, MAKER)


def angles_of(args: argparse.Namespace) -> tuple[float, float]:
    """Tilt and roll in radians."""
    return math.radians(args.tilt or 0), math.radians(args.roll or 0)


def outputs_of(args: argparse.Namespace) -> list[str]:
    """The files to write."""
    return [path for path in (args.out, args.sample) if path is not None]


def example_inputs(
    model: BaseCompletor, cfg: Config, args: argparse.Namespace
) -> dict[str, Tensor]:
    """A batch of 2 that the command line asks for, its first sample first.

    Raises:
        DataError: A sample cannot be read, or its frame has another size than the network.
    """
    if args.index is not None:
        dataset = DATASETS.build(dataset_config_of(cfg))
        if not 0 <= args.index < len(dataset):
            raise DataError('--index', None, f'0..{len(dataset) - 1}', args.index)
        samples = [dataset[args.index], dataset[(args.index + 1) % len(dataset)]]
        return config_inputs(model, cfg, samples)
    inputs = config_inputs(model, cfg)
    if args.depth is None:
        return inputs
    inferencer = RGBDInferencer(cfg, args.checkpoint, 'cpu')
    inferencer.words = str  # Remedies name options.
    tilt, roll = angles_of(args)
    pose = None if args.cam2world is None else read_matrix(args.cam2world, (4, 4))
    frame = capture_inputs(
        inferencer, args.depth, args.cam2img, pose, img=args.image,
        segmentation=args.segmentation, depth_kind=args.depth_kind or 'mm',
        depth_scale=args.depth_scale, height=args.height, tilt=tilt, roll=roll,
        rotate=args.rotate, cropped_images=bool(args.cropped_images),
    )  # fmt: skip
    for key, value in inputs.items():
        if frame[key].shape[1:] != value.shape[1:]:
            hint = 'The network takes images of the size that the config names'
            sizes = tuple(value.shape[1:]), tuple(frame[key].shape[1:])
            raise DataError(args.depth, key, *sizes, hint)
    return {key: torch.cat([frame[key], value[1:]]) for key, value in inputs.items()}


def export(model: BaseCompletor, inputs: dict[str, Tensor], args: argparse.Namespace) -> bytes:
    """The content of a file that agrees with the model.

    Raises:
        DataError: The network cannot be exported, or the file gives other results.
    """
    program = trace_network(model, inputs)
    content = serialize(program, args.format, describe_network(model, inputs))
    network = open_network(content, args.format)
    for size in (1, 2):
        batch = {key: value[:size] for key, value in inputs.items()}
        difference = check_agreement(network, model, batch)
        print(f'batch of {size}: largest difference {difference:.1e} of the scale of the logits')
    if args.repeats:
        one = {key: value[:1] for key, value in inputs.items()}
        seconds = measure_seconds(network, model, one, args.repeats)
        figures = 'model {:.3f} s, file {:.3f} s'.format(*seconds)
        print(f'one sample, threads: {torch.get_num_threads()}, fastest run: {figures}')
    return content


@command
def main() -> None:
    """Export as the command line says."""
    args = parse_args()
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        kind = MODELS.get(cfg.model.type)
        if isinstance(kind, type) and issubclass(kind, BaseCompletor):
            check_exportable(kind)  # Nobody has to get weights first.
        if args.checkpoint != UNTRAINED:
            args.checkpoint = require_checkpoint(args.checkpoint, args.config)
        check_options(args, cfg)
        model = init_model(cfg, args.checkpoint)
        check_exportable(model)
        inputs = example_inputs(model, cfg, args)
        content = export(model, inputs, args)
    note_outputs(outputs_of(args), MAKER)
    with atomic_write(args.out) as file:
        file.write(content)
    for key, value in inputs.items():
        print(f'input {key}: {(*("batch", *value.shape[1:]),)} {value.dtype}')
    print(f'written: {args.out} ({len(content) / 2**20:.1f} MiB)')
    if args.sample:
        arrays: dict[str, Any] = {key: value[:1].numpy() for key, value in inputs.items()}
        with atomic_write(args.sample) as file:
            np.savez_compressed(file, **arrays)
        print(f'written: {args.sample}')


if __name__ == '__main__':
    sys.exit(main())
