"""Voxel targets of one frame, from its scan and those before and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.datasets.label_rules import raw_to_train_labels
from mmssc.datasets.semantic_kitti import SemanticKITTIDataset
from mmssc.formats.kitti import read_voxel_bits, write_raw_labels, write_voxel_bits
from mmssc.formats.point_labels import read_point_labels
from mmssc.formats.scans import read_scan_file
from mmssc.formats.volumes import unlabelled_remark
from mmssc.geometry.label_pooling import pool_labels_class_first
from mmssc.geometry.line_of_sight import seen_empty_voxels
from mmssc.geometry.scan_voxels import VoxelVotes, flat_voxel_index, points_in_grid
from mmssc.structures import VoxelGrid

__all__ = [
    'COARSE_FACTORS', 'SUFFIXES', 'LabelledScan', 'TargetRule', 'TargetTask',
    'masks_of_empty_space',
]  # fmt: skip

_FULL = ('.bin', '.label', '.invalid', '.occluded')
#: Lengths of the coarser voxels that LMSCNet learns from, in voxels.
COARSE_FACTORS = (2, 4, 8)
#: Endings of all files that a target can have.
SUFFIXES = (
    *_FULL, *(f'{kind}_1_{factor}' for factor in COARSE_FACTORS for kind in ('.label', '.invalid'))
)  # fmt: skip


@dataclass(frozen=True)
class TargetRule:
    """How scans become a target.

    Args:
        grid: In the frame of the target's lidar.
        past: Number of earlier scans.
        future: Number of later scans.
        moving: Points of moving objects: ``'own'``, only those of the target's scan; ``'all'``;
            ``'none'``.
        moving_ids: Raw ids of moving objects.
        drop_ids: Raw ids whose points are left out.
        view_step: Empty space is seen from the target's scan and every n-th of the others.
        coarse_labels: Of :data:`COARSE_FACTORS`, the scales at which labels are written, too, by
            the rule of LMSCNet, in train ids of SemanticKITTI.
    """

    grid: VoxelGrid
    past: int = 0
    future: int = 70
    moving: str = 'own'
    moving_ids: Sequence[int] = tuple(range(252, 260))
    drop_ids: Sequence[int] = (0, 1)
    view_step: int = 5
    coarse_labels: Sequence[int] = ()

    def recipe(self) -> dict[str, Any]:
        """The settings as plain values."""
        settings = {**asdict(self), 'voxel_grid': self.grid.to_dict()}
        del settings['grid']
        if not self.coarse_labels:  # Folders from before this setting stay as they are.
            del settings['coarse_labels']
        return settings

    def file_sizes(self) -> dict[str, int]:
        """Ending of each file of a target -> its bytes."""
        sizes = {}
        for factor in (1, *self.coarse_labels):
            voxels, scale = self.grid.num_voxels // factor**3, f'_1_{factor}' if factor > 1 else ''
            kinds = ('.label', '.invalid') if scale else _FULL
            for kind in kinds:
                sizes[kind + scale] = 2 * voxels if kind == '.label' else (voxels + 7) // 8
        return sizes

    def keeps(self, labels: np.ndarray, is_own: bool) -> np.ndarray:
        """Points that count, by their raw ids (N,); ``is_own``: of the target's scan."""
        left_out = list(self.drop_ids)
        if self.moving == 'none' or (self.moving == 'own' and not is_own):
            left_out += self.moving_ids
        return ~np.isin(labels, left_out)


@dataclass(frozen=True)
class LabelledScan:
    """A scan, its point labels, and ``motion`` (4, 4): its lidar to that of the target."""

    points: Path
    labels: Path
    motion: np.ndarray


def masks_of_empty_space(
    occupied: np.ndarray, seen_now: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``invalid`` and ``occluded`` from occupied voxels and those that were seen to be empty.

    Args:
        occupied: (X, Y, Z) bool.
        seen_now: (X, Y, Z) bool, seen to be empty from the target's own scan.
        seen: (X, Y, Z) bool, seen to be empty from any scan.

    Returns:
        ``invalid``, neither occupied nor seen to be empty; ``occluded``, not seen to be empty by
        the own scan. Both (X, Y, Z) bool.
    """
    return ~(occupied | seen), ~seen_now | occupied


@dataclass(frozen=True)
class TargetTask:
    """The voxel files of one frame.

    Args:
        sequence: Name of the drive.
        frame_id: Number of the frame.
        scans: The frame's own scan first, then the others.
        output: Files to write, without their ending.
        rule: How to make them.
        empty_from: Path like ``output`` of other ``.invalid`` and ``.occluded`` files that say
            which space is empty; None: rays.
    """

    sequence: str
    frame_id: str
    scans: Sequence[LabelledScan]
    output: Path
    rule: TargetRule
    empty_from: Path | None = None

    def _path(self, suffix: str) -> Path:
        return self.output.with_name(self.output.name + suffix)

    def is_finished(self) -> bool:
        """Whether all files are there with the right size."""
        return all(
            self._path(suffix).is_file() and self._path(suffix).stat().st_size == size
            for suffix, size in self.rule.file_sizes().items()
        )

    def make(self) -> Mapping[str, int]:
        """Write the files; return what is odd about the labels."""
        shape = self.rule.grid.shape
        scan, labels, sees_grid = self._label_voxels()
        labels, scan = labels.reshape(shape), scan.reshape(shape)
        invalid, occluded = self._masks(labels > 0)
        write_voxel_bits(self._path('.bin'), scan)
        write_voxel_bits(self._path('.invalid'), invalid)
        write_voxel_bits(self._path('.occluded'), occluded)
        write_raw_labels(self._path('.label'), labels)
        if self.rule.coarse_labels:
            self._write_coarse(labels, invalid)
        remark = unlabelled_remark(labels, ignore=-1)
        if remark and not sees_grid:
            folder = self.scans[0].points.parent
            remark = f'{folder}: no point is in the grid: are they metres, x forward, z up?'
        return Counter() if remark is None else Counter({remark: labels.size})

    def _write_coarse(self, labels: np.ndarray, invalid: np.ndarray) -> None:
        """The files that the official code of LMSCNet makes and reads."""
        meta = SemanticKITTIDataset.METAINFO
        train = raw_to_train_labels(
            labels, invalid, meta['learning_map'], source=self._path('.label')
        )
        for factor in self.rule.coarse_labels:
            coarse = pool_labels_class_first(
                torch.from_numpy(train), factor, len(meta['classes']), meta['ignore_index']
            ).numpy()
            write_raw_labels(self._path(f'.label_1_{factor}'), coarse)
            write_voxel_bits(self._path(f'.invalid_1_{factor}'), coarse == meta['ignore_index'])

    def _label_voxels(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """Voxels of the own scan, bool, and the majority of all scans, uint16; both flat.

        Also whether a point of a scan is in the grid, whatever its label is.
        """
        rule = self.rule
        votes = VoxelVotes(rule.grid.num_voxels)
        own = np.zeros(rule.grid.num_voxels, bool)
        sees_grid = False
        for number, scan in enumerate(self.scans):
            points, _, returned = read_scan_file(scan.points)
            labels = read_point_labels(scan.labels, len(returned))[returned]
            kept = rule.keeps(labels, is_own=number == 0)
            moved = points.astype(np.float64)
            if number > 0:
                moved = moved @ scan.motion[:3, :3].T + scan.motion[:3, 3]
            voxels = flat_voxel_index(moved, rule.grid)
            sees_grid |= bool((voxels >= 0).any())
            voxels = voxels[kept]
            votes.add(voxels, labels[kept])
            if number == 0:
                own[voxels[voxels >= 0]] = True
        return own, votes.majority(), sees_grid

    def _masks(self, occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``invalid`` and ``occluded``."""
        grid = self.rule.grid
        if self.empty_from is not None:
            path = self.empty_from
            invalid = read_voxel_bits(path.with_name(f'{path.name}.invalid'), grid.shape)
            occluded = read_voxel_bits(path.with_name(f'{path.name}.occluded'), grid.shape)
            return masks_of_empty_space(occupied, ~occluded, ~invalid & ~occluded)
        seen_now = seen_empty_voxels(occupied, grid, np.zeros(3))
        seen = seen_now.copy()
        for scan in self.scans[self.rule.view_step :: self.rule.view_step]:
            sensor = scan.motion[:3, 3]
            place = points_in_grid(sensor[None], grid)
            # What lies between the box and a sensor outside of it is unknown.
            if ((place >= 0) & (place <= grid.shape)).all():
                seen |= seen_empty_voxels(occupied, grid, sensor)
        return masks_of_empty_space(occupied, seen_now, seen)
