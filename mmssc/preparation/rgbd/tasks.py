"""Results of one raw RGB-D frame: TSDF, mapping, labels, weight, sketch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.formats.depth_units import (
    DepthView,
    check_ground,
    check_measured,
    check_room_depth,
    rotated_units,
)
from mmssc.formats.file_warnings import one_finding_of_depth
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_prepared import has_prepared, write_prepared
from mmssc.formats.sscnet import (
    DEPTH_READERS,
    IGNORE,
    raw_to_class,
    read_sscnet_bin,
)
from mmssc.formats.torchssc import (
    write_torchssc_label,
    write_torchssc_mapping,
    write_torchssc_sketch,
    write_torchssc_tsdf,
)
from mmssc.formats.volumes import unlabelled_remark
from mmssc.geometry import depth_volumes, label_sketch, label_weight, pool_labels
from mmssc.structures.sample_keys import STORED_TARGETS

from .layouts import RawFrame
from .volume_checks import check_volume_axes

__all__ = [
    'LOW_IDS', 'FrameSettings', 'PreparedTask', 'TorchSSCTask', 'prepare_frame',
    'volumes_of_depth', 'write_volumes',
]  # fmt: skip

#: Remark on a frame: a room may lack furniture, but not every room of a data set.
LOW_IDS = 'no frame has a raw id above the last class: are these train ids?'


@dataclass(frozen=True)
class FrameSettings:
    """Settings for the frames of a source.

    Args:
        spec: Grid (its origin comes from the frame), image size, classes, fine factor.
        camera: fx, fy, cx, cy in pixels.
        depth_kind: Key of :data:`mmssc.formats.sscnet.DEPTH_READERS`.
        tie: Rule of :func:`~mmssc.geometry.pool_labels` for blocks half empty, half unknown.
        truncation: Truncation of the TSDF, metres.
        depth_limits: Smallest and largest depth that the TSDF uses, metres.
    """

    spec: FrameSpec
    camera: tuple[float, float, float, float]
    depth_kind: str = 'nyu'
    tie: str = 'empty'
    truncation: float = 0.24
    depth_limits: tuple[float, float] = (0.5, 8.0)

    def recipe(self) -> dict[str, Any]:
        """All settings that decide the content of the files, as plain JSON values."""
        grid = self.spec.grid.to_dict()
        del grid['origin']
        return dict(
            voxel_grid=grid,
            image_size=self.spec.image_size,
            fine_factor=self.spec.fine_factor,
            camera=self.camera,
            depth_kind=self.depth_kind,
            tie=self.tie,
            truncation=self.truncation,
            depth_limits=self.depth_limits,
        )


def _label_remarks(raw_ids: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[str, int]:
    """What is odd about the labels of a frame -> number of voxels."""
    remarks = {}
    unlabelled = unlabelled_remark(labels)
    if unlabelled is not None:
        remarks[unlabelled] = labels.size
    if unlabelled is None and raw_ids[raw_ids != IGNORE].max(initial=0) < num_classes:
        remarks[LOW_IDS] = int(((raw_ids > 0) & (raw_ids != IGNORE)).sum())
    return remarks


def prepare_frame(raw: RawFrame, settings: FrameSettings) -> dict[str, np.ndarray]:
    """Compute all arrays of a depth image and its ``.bin``.

    Args:
        raw: The files.
        settings: Their settings.

    Returns:
        By key, see :func:`mmssc.formats.rgbd_frame.read_frame_file`: ``tsdf``, ``tsdf_fine``,
        ``voxel_to_pixel``, ``gt_voxels``, ``label_weight``, ``gt_sketch``.

    Raises:
        DataError: A file is missing, damaged, or differs in size from the settings; the depth has
            another unit, or the volume another order of axes.
    """
    return _prepare_with_remarks(raw, settings)[0]


@one_finding_of_depth()
def _prepare_with_remarks(
    raw: RawFrame, settings: FrameSettings
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    spec, factor = settings.spec, settings.spec.fine_factor
    depth = DEPTH_READERS[settings.depth_kind](raw.depth, spec.image_size)
    volume = read_sscnet_bin(raw.volume, spec.fine_grid.shape)
    units, remedy = _readings(depth, settings.depth_kind)
    check_room_depth(raw.depth, depth, units, settings.depth_limits, remedy)
    view = DepthView(
        camera_matrix(settings.camera), volume.cam2world, spec.placed_grid(volume.origin)
    )
    check_ground(raw.depth, depth, view, units, remedy)
    check_volume_axes(raw.volume, volume, depth, settings.camera, view.grid.refine(factor))
    arrays = volumes_of_depth(raw.depth, depth, volume.cam2world, volume.origin, settings)
    classes = torch.from_numpy(raw_to_class(volume.raw_ids))
    labels = pool_labels(classes, factor, spec.num_classes, tie=settings.tie)
    weight = label_weight(labels, torch.from_numpy(arrays['tsdf']))
    targets = (labels, weight, label_sketch(labels))
    arrays.update({key: target.numpy() for key, target in zip(STORED_TARGETS, targets)})
    return arrays, _label_remarks(volume.raw_ids, arrays['gt_voxels'], spec.num_classes)


def _readings(depth: np.ndarray, kind: str) -> tuple[dict[str, float], str]:
    """Other readings of a depth image for messages about its unit, and a further remedy."""
    if kind == 'mm':
        return rotated_units(depth, '--depth-kind nyu'), ''
    return {}, 'Give --depth-kind mm if the files hold plain millimetres'


def volumes_of_depth(
    path: Path,
    depth: np.ndarray,
    cam2world: np.ndarray,
    origin: np.ndarray,
    settings: FrameSettings,
) -> dict[str, np.ndarray]:
    """``tsdf``, ``tsdf_fine`` and ``voxel_to_pixel`` of a depth map.

    Args:
        path: The depth image, for errors.
        depth: (H, W) float32 metres.
        cam2world: (4, 4).
        origin: (3,) world x, y, z of the grid's lower corner.
        settings: Settings of the source.
    """
    check_measured(path, depth)
    grid = settings.spec.placed_grid(origin)
    volumes = depth_volumes(
        torch.from_numpy(depth),
        torch.from_numpy(camera_matrix(settings.camera)),
        torch.from_numpy(np.ascontiguousarray(cam2world)),
        grid,
        settings.spec.fine_factor,
        settings.truncation,
        settings.depth_limits,
    )
    return dict(
        tsdf=volumes.tsdf.numpy(),
        tsdf_fine=volumes.tsdf_fine.numpy(),
        voxel_to_pixel=volumes.voxel_to_pixel.numpy(),
    )


@dataclass(frozen=True)
class _RawFrameTask:
    """A raw frame and its settings."""

    raw: RawFrame
    settings: FrameSettings

    @property
    def sequence(self) -> str:
        """Source and split."""
        return f'{self.raw.source} {self.raw.split}'

    @property
    def frame_id(self) -> str:
        """Name of the frame."""
        return self.raw.frame_id


@dataclass(frozen=True)
class PreparedTask(_RawFrameTask):
    """One frame in our layout; the optional fine TSDF is in a separate file."""

    output: Path
    fine_output: Path | None = None

    def is_finished(self) -> bool:
        """Whether the files exist with all their arrays."""
        fine = self.fine_output
        return has_prepared(self.output, ('tsdf', 'voxel_to_pixel', *STORED_TARGETS)) and (
            fine is None or has_prepared(fine, ('tsdf_fine',))
        )

    def make(self) -> dict[str, int]:
        """Write the files; return what is odd about the labels."""
        arrays, remarks = _prepare_with_remarks(self.raw, self.settings)
        write_volumes(arrays, self.settings.spec, self.output, self.fine_output)
        return remarks


def write_volumes(
    arrays: Mapping[str, np.ndarray],
    spec: FrameSpec,
    output: Path,
    fine_output: Path | None,
    extras: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a frame: first the fine TSDF, then the main file, which marks it as complete."""
    if fine_output is not None:
        write_prepared(fine_output, dict(tsdf_fine=arrays['tsdf_fine']), spec)
    coarse = {key: array for key, array in arrays.items() if key != 'tsdf_fine'}
    write_prepared(output, coarse, spec, extras)


@dataclass(frozen=True)
class TorchSSCTask(_RawFrameTask):
    """One frame in the folders that 3D-Sketch, CleanerS and AMMNet read."""

    folder: Path

    def _paths(self) -> list[Path]:
        """The files; the TSDF is last and marks the frame as complete."""
        name = self.raw.frame_id
        folders = ('Mapping', 'Label', 'sketch3D', 'TSDF')
        suffixes = ('npz', 'npz', 'npy', 'npz')
        return [
            self.folder / folder / f'{name}.{suffix}' for folder, suffix in zip(folders, suffixes)
        ]

    def is_finished(self) -> bool:
        """Whether every file exists (files are written atomically)."""
        return all(path.is_file() and path.stat().st_size for path in self._paths())

    def make(self) -> dict[str, int]:
        """Write the files; return what is odd about the labels."""
        arrays, remarks = _prepare_with_remarks(self.raw, self.settings)
        spec = self.settings.spec
        mapping, label, sketch, tsdf = self._paths()
        write_torchssc_mapping(mapping, arrays['voxel_to_pixel'], spec.image_size)
        write_torchssc_label(label, arrays['gt_voxels'], spec.num_classes)
        write_torchssc_sketch(sketch, arrays['gt_sketch'])
        write_torchssc_tsdf(tsdf, arrays['tsdf'], arrays['label_weight'])
        return remarks
