"""Read the command line, and predict for the kind of model that the config has."""

from __future__ import annotations

import sys

from mmengine.config import Config

from mmssc.apis import is_lidar_config, is_rgbd_config, read_config
from mmssc.command_line import command
from mmssc.config_file import config_errors
from mmssc.engine.launch import require_checkpoint
from mmssc.fileio import check_writable
from mmssc.formats.file_warnings import warning_anew
from mmssc.model_index import UNTRAINED

from .driving_scenes import infer_driving
from .lidar_scenes import infer_lidar
from .parser import build_parser, check_options
from .rgbd_scenes import infer_rgbd

__all__ = ['infer']

# Kind of a model -> what predicts its scenes.
_SCENES = {'driving': infer_driving, 'lidar': infer_lidar, 'rgbd': infer_rgbd}


@command
@warning_anew()  # Once per folder for all scenes, not per call of the inferencer.
def infer(description: str) -> int:
    """Predict the scenes that the command line names; return the exit status.

    Args:
        description: What ``--help`` says about the command.
    """
    parser = build_parser(description)
    args = parser.parse_intermixed_args()  # CONFIG --out DIR CHECKPOINT works, too.
    with config_errors(args.config):
        cfg = read_config(args.config, args.cfg_options)
        kind = _kind_of(cfg)
        check_options(parser, args, kind)
        if args.checkpoint == UNTRAINED:
            print('untrained: random weights, so the predicted classes mean nothing',
                  file=sys.stderr)  # fmt: skip
        else:
            args.checkpoint = require_checkpoint(args.checkpoint, args.config)
        check_writable(args.out, 'Give another folder for --out')
        return _SCENES[kind](cfg, args)


def _kind_of(cfg: Config) -> str:
    """What a model reads: ``'driving'`` images, ``'lidar'`` scans or ``'rgbd'`` frames."""
    if is_rgbd_config(cfg):
        return 'rgbd'
    return 'lidar' if is_lidar_config(cfg) else 'driving'
