"""Build the inferencer for a config."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from mmengine.config import Config

from mmssc.model_index import find_checkpoint

from .driving_inferencer import DrivingInferencer
from .lidar_inferencer import LidarInferencer, is_lidar_config
from .model_loading import read_config
from .rgbd_inferencer import RGBDInferencer, is_rgbd_config

__all__ = ['build_inferencer']


def build_inferencer(
    config: str | PathLike[str] | Config,
    checkpoint: str | PathLike[str] | None = None,
    device: str | torch.device | None = None,
    *,
    cfg_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> DrivingInferencer | LidarInferencer | RGBDInferencer:
    """Build the inferencer that provides the inputs of a config's test pipeline.

    Args:
        config: File, name of a config, or loaded config.
        checkpoint: File with weights, or name of a model; None: see :func:`init_model`.
        device: Default: the GPU if there is one.
        cfg_options: Overrides of the config.
        options: Further arguments of the class: ``voxel_grid``, ``fuse``, ``amp``; ``crop`` and
            ``depth_model`` of :class:`DrivingInferencer`, ``segmenter`` of
            :class:`RGBDInferencer`.

    Raises:
        DataError: The pipeline reads inputs that no inferencer provides; see also
            :func:`init_model`.
    """
    checkpoint = find_checkpoint(checkpoint, config)
    cfg = read_config(config, cfg_options)
    if is_rgbd_config(cfg):
        return RGBDInferencer(cfg, checkpoint, device, **options)
    kind = LidarInferencer if is_lidar_config(cfg) else DrivingInferencer
    return kind(cfg, checkpoint, device, **options)
