"""Load a model that is ready to predict from a config and a checkpoint."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmssc.checkpoints import (
    check_classes,
    check_no_empty_weights,
    check_num_classes,
    check_weights,
    weights_of,
)
from mmssc.compat import read_checkpoint
from mmssc.config_file import (
    config_errors,
    config_files_of,
    data_roots_of,
    datasets_of,
    merge_options,
    read_config_file,
)
from mmssc.config_values import check_values
from mmssc.errors import DataError
from mmssc.kept_memory import keep_memory
from mmssc.model_index import find_checkpoint
from mmssc.models.completors import BaseCompletor
from mmssc.registry import DATASETS, MODELS
from mmssc.structures import VoxelGrid

__all__ = [
    'dataset_config_of', 'dataset_meta_of', 'info_files_of', 'init_model', 'inputs_of',
    'read_config',
]  # fmt: skip


def read_config(
    config: str | PathLike[str] | Config, cfg_options: Mapping[str, Any] | None = None
) -> Config:
    """Read or copy a config, apply overrides and activate its default scope.

    Raises:
        DataError: The config cannot be read, or an override does not fit.
    """
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)
        switches = merge_options(cfg, cfg_options)
        check_values(cfg, cfg_options, cfg.filename or 'config', switches)
    else:
        cfg = read_config_file(config, cfg_options)
    init_default_scope(cfg.get('default_scope') or 'mmssc')
    return cfg


def info_files_of(cfg: Config) -> list[Path]:
    """The info files that the data sets of a config read."""
    return [
        Path(one.get('data_root') or '', one['ann_file'])
        for one in datasets_of(cfg)
        if one.get('ann_file')
    ]


def inputs_of(cfg: Config) -> list[Path]:
    """What a command with this config reads: the config and its bases, info files, data roots."""
    return [*config_files_of(cfg), *info_files_of(cfg), *data_roots_of(cfg)]


def dataset_config_of(cfg: Config) -> dict[str, Any]:
    """The config of the test data set, without wrappers.

    Raises:
        DataError: The config has no data set.
    """
    for dataset in datasets_of(cfg):
        return dataset
    raise DataError(
        cfg.filename or 'config', 'test_dataloader', 'a data set, for its classes', 'none'
    )


def dataset_meta_of(cfg: Config) -> dict[str, Any]:
    """Classes, palette and ids of the config's data set, from its class; no file is read.

    Raises:
        DataError: The config has no data set, or its class is not registered.
    """
    dataset = dataset_config_of(cfg)
    kind = DATASETS.get(dataset['type'])
    if kind is None:
        raise DataError(
            cfg.filename or 'config', 'dataset.type', 'a registered data set', dataset['type'],
            'Is the package that registers it named in custom_imports?',
        )  # fmt: skip
    return {**copy.deepcopy(kind.METAINFO), **(dataset.get('metainfo') or {})}


def init_model(
    config: str | PathLike[str] | Config,
    checkpoint: str | PathLike[str] | None = None,
    device: str | torch.device = 'cpu',
    voxel_grid: VoxelGrid | Mapping[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
) -> BaseCompletor:
    """Build a model, load its weights, move it and switch it to evaluation.

    Does not download the pretrained weights that the config names for training. On the CPU, the
    process keeps the memory of large volumes (:func:`mmssc.kept_memory.keep_memory`).

    Args:
        config: File, name of a config (``'sgn-T'``), or loaded config.
        checkpoint: File with weights, or the name of a model; only weights and plain values are
            read from it. None takes the weights of a config that is given by name; for other
            configs it keeps random weights, as ``'untrained'`` always does: the same in every
            process.
        device: Where the model goes.
        voxel_grid: Predict this box instead of the one the config names. Networks are
            convolutional, so they can predict another box with voxels of the same size; some
            networks fix the number of voxels along z.
        cfg_options: Overrides, ``{'model.test_cfg.keep_logits': True}``.

    Returns:
        The model, with ``cfg`` and ``dataset_meta`` (classes, palette, ...) set.

    Raises:
        DataError: The config is wrong; or the checkpoint is of another model, or was trained on
            other classes or, unless ``voxel_grid`` is given, on another grid.
    """
    checkpoint = find_checkpoint(checkpoint, config)
    cfg = read_config(config, cfg_options)
    _check_device(device)
    if torch.device(device).type == 'cpu':
        keep_memory()
    with config_errors(cfg.filename):
        trained_grid = VoxelGrid.build(cfg.model.voxel_grid)
        if voxel_grid is not None:
            cfg.model.voxel_grid = VoxelGrid.build(voxel_grid).to_dict()
        with _fixed_seed() if checkpoint is None else nullcontext():
            model = MODELS.build(cfg.model)
        model.cfg = cfg
        model.dataset_meta = dataset_meta_of(cfg)
        check_num_classes(model, model.dataset_meta)
        check_no_empty_weights(model)
    if checkpoint is not None:
        content = read_checkpoint(checkpoint)
        state = weights_of(content, checkpoint)
        check_weights(state, model, str(checkpoint))
        # The Runner stores the metainfo of the training data.
        meta = (content.get('meta') or {}).get('dataset_meta') or {}
        check_classes(meta, model.dataset_meta, str(checkpoint))
        if voxel_grid is None:
            _check_grid(meta, trained_grid, str(checkpoint))
        else:
            _warn_of_voxel_size(
                _grid_of(meta, str(checkpoint)) or VoxelGrid.build(trained_grid), model.voxel_grid
            )
        model.load_state_dict(state, strict=False)
    return model.to(device).eval()


@contextmanager
def _fixed_seed() -> Iterator[None]:
    """Let two runs with random weights agree; random numbers of the caller stay as they are."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(0)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise DataError('device', None, 'a device of this torch', f'{device}: {reason}') from error


def _warn_of_voxel_size(trained: VoxelGrid, grid: VoxelGrid) -> None:
    sizes = [one.voxel_size for one in (trained, grid)]
    if sizes[0] != sizes[1]:
        before, now = (' x '.join(f'{one:g}' for one in dict.fromkeys(size)) for size in sizes)
        warnings.warn(
            f'voxel_grid (--voxel-size): voxels of {now} m, but the model was trained with voxels '
            f'of {before} m: it takes things for larger or smaller than they are',
            stacklevel=3,
        )


def _grid_of(trained: Mapping[str, Any], checkpoint: str) -> VoxelGrid | None:
    """The grid that a checkpoint names, None if it names none.

    Raises:
        DataError: It is no grid; the message names the checkpoint.
    """
    found = trained.get('voxel_grid')
    try:
        return None if found is None else VoxelGrid.build(found)
    except (DataError, TypeError, ValueError) as error:
        is_ours = isinstance(error, DataError)
        reason = f'{error.field}: {error.found}' if is_ours else f'{error}'  # type: ignore
        hint = 'The checkpoint is damaged: copy or download it again'
        raise DataError(
            checkpoint, 'meta, dataset_meta, voxel_grid', 'a grid', f'{reason:.200}', hint
        ) from error


def _check_grid(trained: Mapping[str, Any], expected: VoxelGrid, checkpoint: str) -> None:
    found = _grid_of(trained, checkpoint)
    if found is not None and found != expected:
        raise DataError(
            checkpoint, 'voxel_grid', f'{expected} of the config', found,
            'Give the config that the checkpoint was trained with. To predict another box on '
            'purpose: infer.py with --grid-shape, --grid-origin and --voxel-size (in Python: '
            'voxel_grid)',
        )  # fmt: skip
