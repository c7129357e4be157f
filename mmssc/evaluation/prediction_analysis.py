"""Scores of saved predictions: of each frame, over distance and over height."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from mmssc.errors import DataError
from mmssc.structures import SSCDataSample, VoxelGrid

from .functional import SSCCounts, count_groups, local_scores, sum_counts
from .protocols import FULL, count_protocol, protocol_masks
from .voxel_places import default_steps, distance_steps, height_steps, sensor_position

__all__ = ['PredictionAnalysis']


@dataclass
class PredictionAnalysis:
    """Collects the counts of one set of predictions, a frame at a time.

    Args:
        num_classes: K, with the empty class.
        protocol: Which voxels count, see :class:`~mmssc.evaluation.SSCMetric`.
        distance_step: Metres; None: chosen by the grid of the first frame.
        height_step: Metres; None: chosen by the grid of the first frame.

    Attributes:
        frames: ``SEQUENCE/FRAME`` -> counts.
        by_distance: Step number -> counts of the voxels at this horizontal distance from the
            sensor; frames whose sensor has no known position are left out.
        by_height: Step number -> counts of the voxels at this height.
        height_start: z where step 0 of the height begins: the bottom of the grid of the first
            frame, so that steps do not divide its voxels.
    """

    num_classes: int
    protocol: str = FULL
    distance_step: float | None = None
    height_step: float | None = None
    frames: dict[str, SSCCounts] = field(default_factory=dict)
    by_distance: dict[int, SSCCounts] = field(default_factory=dict)
    by_height: dict[int, SSCCounts] = field(default_factory=dict)
    height_start: float | None = None

    def add(self, sample: SSCDataSample, prediction: Tensor, by_place: bool = True) -> str:
        """Count a frame.

        Args:
            sample: Its data sample, with ``gt_voxels`` and ``voxel_grid``.
            prediction: (X, Y, Z) class ids.
            by_place: Count over distance and height, too.

        Returns:
            ``SEQUENCE/FRAME``, its key in :attr:`frames`.

        Raises:
            DataError: The sample lacks a mask of the protocol or its grid, a step is smaller than a
                voxel, or there is a frame of this name already.
        """
        name = f'{sample.get("sequence", "")}/{sample.get("frame_id", "")}'
        target = sample.gt_voxels
        masks = protocol_masks(sample, self.protocol, f'sample {name}')
        if name in self.frames:
            raise DataError(f'sample {name}', 'name', 'a name of its own', 'two of this name')
        self.frames[name] = count_protocol(prediction, target, self.num_classes, masks)
        if by_place:
            self._add_places(sample, prediction, name)
        return name

    def _add_places(self, sample: SSCDataSample, prediction: Tensor, name: str) -> None:
        if sample.get('voxel_grid') is None:
            raise DataError(f'sample {name}', 'voxel_grid', 'the grid of the volumes', 'none')
        grid = VoxelGrid.build(sample.voxel_grid)
        distance, height = default_steps(grid)
        self.distance_step = distance if self.distance_step is None else self.distance_step
        self.height_step = height if self.height_step is None else self.height_step
        if self.height_start is None:
            self.height_start = grid.origin[grid.axes.index('z')]
        heights = _heights(grid, self.height_start, self.height_step)
        groups = [(self.by_height, heights)]
        sensor = sensor_position(sample)
        if sensor is not None:
            distances = _distances(grid, tuple(sensor.tolist()), self.distance_step)
            groups.append((self.by_distance, distances))
        masks = protocol_masks(sample, self.protocol, f'sample {name}')
        for totals, numbers in groups:
            self._add_groups(totals, prediction, sample.gt_voxels, numbers, masks)

    def _add_groups(
        self,
        totals: dict[int, SSCCounts],
        prediction: Tensor,
        target: Tensor,
        numbers: Tensor,
        masks: tuple[Tensor | None, Tensor | None],
    ) -> None:
        semantic, completion = masks
        found = count_groups(prediction, target, numbers, self.num_classes, semantic)
        if completion is not semantic:
            nothing = sum_counts([], self.num_classes)
            other = count_groups(prediction, target, numbers, self.num_classes, completion)
            found = {
                number: SSCCounts(
                    found.get(number, nothing).confusion,
                    own_completion=other.get(number, nothing).completion,
                )
                for number in {*found, *other}
            }
        for number, counts in found.items():
            totals[number] = totals[number] + counts if number in totals else counts

    @property
    def total(self) -> SSCCounts:
        """Counts of all frames."""
        return sum_counts(self.frames.values(), self.num_classes)

    def worst_frames(self) -> list[str]:
        """Names of the frames by their mIoU, lowest first; frames without any score at the end."""
        scores = {name: local_scores(counts)[1] for name, counts in self.frames.items()}
        # NaN is not equal to itself.
        return sorted(scores, key=lambda name: (scores[name] != scores[name], scores[name]))


# All frames of a drive have one calibration.
@lru_cache(maxsize=2)
def _distances(grid: VoxelGrid, sensor: tuple[float, ...], step: float) -> Tensor:
    return distance_steps(grid, torch.tensor(sensor, dtype=torch.float64), step)


@lru_cache(maxsize=2)
def _heights(grid: VoxelGrid, start: float, step: float) -> Tensor:
    return height_steps(grid, start, step)
