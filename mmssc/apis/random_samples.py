"""Random samples of the size that a config describes, for measurements without a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mmengine.config import Config

from mmssc.datasets.transforms import CropDrivingImages, reading_transforms
from mmssc.errors import DataError
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid
from mmssc.testing.random_driving_sample import random_driving_sample
from mmssc.testing.random_lidar_sample import random_lidar_sample
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

from .model_loading import dataset_config_of, dataset_meta_of
from .rgbd_inferencer import is_rgbd_config

__all__ = ['random_samples']


def random_samples(
    cfg: Config,
    image_size: tuple[int, int] | None = None,
    points: int = 30000,
    remedy: str = 'Give it: --shape HEIGHT WIDTH',
) -> Callable[[int], dict[str, Any]]:
    """What makes random samples with the keys and sizes of a config's test data set.

    Args:
        cfg: The config.
        image_size: (height, width) in pixels; None: that of the config.
        points: Points per frame.
        remedy: What the user of the command can do where the config has no image size.

    Returns:
        Seed -> sample, as ``dataset[i]`` returns it.

    Raises:
        DataError: The model has no grid, or the config no image size.
    """
    dataset, meta = dataset_config_of(cfg), dataset_meta_of(cfg)
    grids = [*_find_values(cfg.model, 'voxel_grid')]
    if not grids:
        raise DataError('config', 'model.voxel_grid', 'a grid', 'none')
    grid, num_classes = VoxelGrid.build(grids[0]), len(meta['classes'])
    steps = [TRANSFORMS.build(step) for step in dataset.get('pipeline') or ()]
    readings = [reading for step in steps for reading in reading_transforms(step)]
    if any('occupancy' in reading.inputs for reading in readings):
        return partial(_lidar_sample, grid, num_classes, points)
    if image_size is None:
        sizes = [step.size for step in steps if isinstance(step, CropDrivingImages)]
        image_size = sizes[0] if sizes else meta.get('image_size')
        read = {key for reading in readings for key in reading.inputs}
        if read and not read & {'img', 'depth'}:
            image_size = 1, 1  # The model takes no image.
    if image_size is None:
        raise DataError('config', 'image size', 'one in the data set or a crop', 'none', remedy)
    height, width = image_size
    num_frames = 1 + len(dataset.get('frame_offsets') or ())
    is_rgbd = is_rgbd_config(cfg)

    def load(seed: int) -> dict[str, Any]:
        if is_rgbd:
            return random_rgbd_sample(grid, num_classes, (height, width), seed=seed)
        return random_driving_sample(
            grid, num_classes, (height, width), num_frames, points, seed=seed
        )

    return load


def _lidar_sample(grid: VoxelGrid, num_classes: int, points: int, seed: int) -> dict[str, Any]:
    return random_lidar_sample(grid, num_classes, points, seed)


def _find_values(node: Any, key: str) -> Iterator[Any]:
    """All values of ``key`` anywhere in a config."""
    if isinstance(node, dict):
        if key in node:
            yield node[key]
        for value in node.values():
            yield from _find_values(value, key)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _find_values(value, key)
