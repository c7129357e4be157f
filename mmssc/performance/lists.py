"""How long a data set takes to start, and its memory, with lists of many frames."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, DefaultSampler
from mmengine.logging import MMLogger

from mmssc.datasets import NYUDataset, SemanticKITTIDataset
from mmssc.temporary_files import temporary_folder

__all__ = ['LIST_KINDS', 'measure_list', 'write_list']

# Frames of a drive; the longest of SemanticKITTI has 4661.
_DRIVE = 5000
# Earlier images of a sample, as of SGN-T.
_OFFSETS = (-12, -9, -6, -3)
# Items that are made to measure one.
_ITEMS = 1000
_STATUS = Path('/proc/self/status')


def _driving_list(frames: int) -> dict[str, Any]:
    """Drives on winding roads, half a metre a frame."""
    sequences, data_list = {}, []
    for first in range(0, frames, _DRIVE):
        count, name = min(_DRIVE, frames - first), f'{first // _DRIVE:02d}'
        turn = np.cumsum(np.random.default_rng(first).normal(0, 2e-3, count))
        poses = np.zeros((count, 3, 4))
        poses[:, 0, 0] = poses[:, 2, 2] = np.cos(turn)
        poses[:, 0, 2], poses[:, 2, 0] = np.sin(turn), -np.sin(turn)
        poses[:, 1, 1] = 1
        poses[:, 0, 3], poses[:, 2, 3] = (
            np.cumsum(0.5 * np.sin(turn)),
            np.cumsum(0.5 * np.cos(turn)),
        )
        sequences[name] = dict(
            P2=[[707.0, 0, 601, 0], [0, 707, 183, 0], [0, 0, 1, 0]],
            lidar2cam=[[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
            poses=poses.reshape(count, 12).round(9).tolist(),
        )
        data_list += [
            dict(sequence=name, frame_id=f'{frame:06d}', labelled=True) for frame in range(count)
        ]
    grid = SemanticKITTIDataset.METAINFO['voxel_grid']
    meta = dict(dataset='SemanticKITTI', split='train', format_version=1, voxel_grid=grid)
    return dict(metainfo=meta, sequences=sequences, data_list=data_list)


def _rgbd_list(frames: int) -> dict[str, Any]:
    """Level cameras that look in all directions, each with a grid in front of it."""
    turn = np.random.default_rng(0).uniform(-np.pi, np.pi, frames)
    poses = np.zeros((frames, 4, 4))
    poses[:, 0, 0] = poses[:, 1, 2] = np.cos(turn)
    poses[:, 0, 2], poses[:, 1, 0] = -np.sin(turn), np.sin(turn)
    poses[:, 2, 1], poses[:, 3, 3] = -1, 1
    poses[:, :3, 3] = 2, 2, 1.5
    origins = np.zeros((frames, 3))
    origins[:, 0] = 2 - 2.4 - 2.4 * np.sin(turn)
    origins[:, 2] = 2 - 2.4 + 2.4 * np.cos(turn)
    data_list = [
        dict(frame_id=f'{number:07d}', origin=origin, cam2world=pose)
        for number, (origin, pose) in enumerate(
            zip(origins.round(9).tolist(), poses.round(9).tolist())
        )
    ]
    # The order of the grid's axes is x, z, y.
    files = dict(
        tsdf=dict(path='TSDF/{frame_id}.npz', format='torchssc_tsdf'),
        gt_voxels=dict(path='Label/{frame_id}.npz', format='torchssc_label'),
    )
    meta = dict(
        dataset='NYU', split='train', format_version=1,
        voxel_grid=NYUDataset.METAINFO['voxel_grid'], image_size=[480, 640],
        cameras=dict(nyu=[518.8, 519.5, 325.6, 253.7]), files=dict(nyu=files),
    )  # fmt: skip
    return dict(metainfo=meta, data_list=data_list)


def _open_driving(path: str) -> BaseDataset:
    return SemanticKITTIDataset(path, frame_offsets=_OFFSETS)


#: Kind of list -> what makes its content for a number of frames, and what opens its data set.
LIST_KINDS: dict[str, tuple[Callable[[int], dict], Callable[[str], BaseDataset]]] = {
    'driving': (_driving_list, _open_driving),
    'rgbd': (_rgbd_list, NYUDataset),
}


def write_list(kind: str, frames: int, path: Path) -> None:
    """Write a list of made-up frames; their files do not exist.

    Args:
        kind: A key of :data:`LIST_KINDS`.
        frames: How many.
        path: The file.
    """
    path.write_text(json.dumps(LIST_KINDS[kind][0](frames)), 'utf-8')


def measure_list(kind: str, frames: int) -> dict[str, Any]:
    """Write a list and open its data set, in processes of their own.

    Args:
        kind: A key of :data:`LIST_KINDS`.
        frames: How many.

    Returns:
        ``kind``, ``frames``, ``file_mib``; CPU seconds ``start_seconds`` from the file to the data
        set, ``sampler_seconds`` to shuffle an epoch, ``item_seconds`` for the paths and matrices of
        a frame; ``memory_mib`` that the data set keeps and ``peak_mib`` while it starts, beyond
        Python and torch (None if the system does not say).
    """
    with temporary_folder() as scratch:
        path = scratch / 'list.json'
        _in_new_process(write_list, kind, frames, path)
        size = path.stat().st_size / 2**20
        found = _in_new_process(_measure, kind, str(path))
    return dict(kind=kind, frames=frames, file_mib=size, **found)


def _in_new_process(function: Callable, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(function, *arguments).result()


def _measure(kind: str, path: str) -> dict[str, Any]:
    # The cameras of made-up lists need no remarks.
    MMLogger.get_instance('lists', log_level=logging.ERROR)
    before = _memory('VmRSS:')
    start = time.process_time()
    dataset = LIST_KINDS[kind][1](path)
    started = time.process_time()
    memory, peak = _memory('VmRSS:'), _memory('VmHWM:')
    shuffling = time.process_time()
    sum(1 for _ in DefaultSampler(dataset, shuffle=True, seed=0))
    shuffled = time.process_time()
    for index in np.random.default_rng(0).integers(0, len(dataset), _ITEMS).tolist():
        dataset.get_data_info(index)
    return dict(
        start_seconds=started - start,
        sampler_seconds=shuffled - shuffling,
        item_seconds=(time.process_time() - shuffled) / _ITEMS,
        memory_mib=None if before is None or memory is None else memory - before,
        peak_mib=None if before is None or peak is None else peak - before,
    )


def _memory(name: str) -> float | None:
    """An entry of the state of this process in MiB (Linux)."""
    if not _STATUS.exists():
        return None
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
