"""Results of one raw frame: label volumes, a depth map, a pseudo-lidar cloud."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmssc.datasets.driving_dataset import DrivingDataset
from mmssc.datasets.label_axes import check_against_scan
from mmssc.datasets.label_rules import raw_label_remarks
from mmssc.errors import DataError
from mmssc.formats.depth_units import check_road_depth
from mmssc.formats.ground_checks import DepthView, check_road_scale
from mmssc.formats.images import check_upright, read_image_shape, read_rgb
from mmssc.formats.kitti import (
    read_depth,
    read_raw_labels,
    read_voxel_bits,
    read_voxel_labels,
    write_depth,
    write_velodyne,
    write_voxel_labels,
)
from mmssc.formats.numpy_arrays import read_npy_shape
from mmssc.formats.volumes import check_class_ids, unlabelled_remark
from mmssc.geometry import depth_to_points, invert_rigid, pool_labels
from mmssc.geometry.stereo import depth_of_disparity, stereo_depth
from mmssc.structures import VoxelGrid

__all__ = [
    'FolderDepthTask', 'LabelTask', 'PseudoLidarTask', 'StereoDepthTask', 'find_depth',
]  # fmt: skip

# Largest depth of a 16-bit depth image, metres.
_MAX_PNG_DEPTH = 65535 / 256
_DEPTH_SUFFIXES = ('.npy', '.png')
_STEREO_REMEDY = 'Check --baseline, and P2 and P3 of the calibration'


def _has_array(path: Path, shape: tuple[int, ...]) -> bool:
    # Checks the header and the size, but does not read the content.
    try:
        return read_npy_shape(path) == shape
    except DataError:
        return False


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@dataclass(frozen=True)
class LabelTask:
    """Label volumes of one frame: ``1_1`` from the raw files, coarser ones from ``1_1``."""

    sequence: str
    frame_id: str
    raw_file: Path
    invalid_file: Path
    outputs: Mapping[int, Path]
    shape: tuple[int, int, int]
    dataset: type[DrivingDataset]

    def _is_written(self, factor: int) -> bool:
        x, y, z = (side // factor for side in self.shape)
        return _has_array(self.outputs[factor], (x, y, z))

    def is_finished(self) -> bool:
        """Whether every volume exists with the right shape."""
        return all(self._is_written(factor) for factor in self.outputs)

    def make(self) -> Counter[str]:
        """Write the volumes that are missing; return what is odd about the labels."""
        num_classes = len(self.dataset.METAINFO['classes'])
        remarks: Counter[str] = Counter()
        if self._is_written(1):
            labels = read_voxel_labels(self.outputs[1], self.shape)
            check_class_ids(labels, num_classes, self.outputs[1], 'train ids')
        else:
            labels, remarks = self._convert()
            write_voxel_labels(self.outputs[1], labels)
        unlabelled = unlabelled_remark(labels)
        if unlabelled is not None:
            remarks[unlabelled] = labels.size
        for factor, path in self.outputs.items():
            if not self._is_written(factor):
                pooled = pool_labels(torch.from_numpy(labels), factor, num_classes)
                write_voxel_labels(path, pooled.numpy())
        return remarks

    def _convert(self) -> tuple[np.ndarray, Counter[str]]:
        """Train ids of the raw file, and what is odd about it."""
        try:
            raw = read_raw_labels(self.raw_file, self.shape)
            invalid = read_voxel_bits(self.invalid_file, self.shape)
        except DataError as error:
            hint = error.hint
            if hint is None and error.field == 'size':
                hint = 'Does --grid-shape fit the files?'
            raise DataError(error.file, error.field, error.expected, error.found, hint) from error
        labels = self.dataset.train_labels(raw, invalid, self.raw_file)
        scan_file = self.raw_file.with_suffix('.bin')
        if _has_size(scan_file, (raw.size + 7) // 8):
            check_against_scan(self.raw_file, raw > 0, read_voxel_bits(scan_file, self.shape))
        return labels, raw_label_remarks(raw, self.dataset.METAINFO['learning_map'])


def find_depth(folder: Path, frame_id: str) -> Path | None:
    """The depth or disparity file of a frame; ``.npy`` is preferred to ``.png``."""
    paths = (folder / f'{frame_id}{suffix}' for suffix in _DEPTH_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _has_depth(path: Path, image: Path) -> bool:
    if not path.is_file():
        return False
    shape = read_image_shape(image)
    if path.suffix == '.npy':
        return _has_array(path, shape)
    try:
        return read_image_shape(path) == shape
    except DataError:
        return False


def _read_depth_of(path: Path, image: Path) -> np.ndarray:
    """Read a depth or disparity map; it must lie as its image does."""
    check_upright(image, 'the depth map does not turn with it')
    depth, shape = read_depth(path), read_image_shape(image)
    if depth.shape != shape:
        raise DataError(path, 'shape', f'{shape}, the size of {image}', depth.shape)
    return depth


def _store_depth(path: Path, depth: np.ndarray, source: Path) -> None:
    if not (depth > 0).any():
        raise DataError(source, 'depth', 'at least one pixel with depth', 'none')
    if path.suffix == '.png':
        depth = np.where(depth <= _MAX_PNG_DEPTH, depth, np.float32(0))
    write_depth(path, depth)


@dataclass(frozen=True)
class StereoDepthTask:
    """A depth map from the left and the right image."""

    sequence: str
    frame_id: str
    image: Path
    right_image: Path
    output: Path
    baseline_focal: float
    max_disparity: int
    view: DepthView

    def is_finished(self) -> bool:
        """Whether the depth map is there, of the image's size."""
        return _has_depth(self.output, self.image)

    def make(self) -> None:
        """Match the images and write the depth map."""
        for image in (self.image, self.right_image):
            check_upright(image, 'two rectified images lie side by side')
        left, right = read_rgb(self.image), read_rgb(self.right_image)
        if left.shape != right.shape:
            raise DataError(self.right_image, 'size', left.shape[:2], right.shape[:2])
        depth = stereo_depth(left, right, self.baseline_focal, self.max_disparity)
        check_road_scale(self.image, depth, self.view, {}, _STEREO_REMEDY)
        _store_depth(self.output, depth, self.image)


@dataclass(frozen=True)
class FolderDepthTask:
    """A depth map from a file of another estimator."""

    sequence: str
    frame_id: str
    image: Path
    source_folder: Path
    output: Path
    baseline_focal: float | None
    view: DepthView

    def is_finished(self) -> bool:
        """Whether the depth map is there, of the image's size."""
        return _has_depth(self.output, self.image)

    def make(self) -> None:
        """Check the file, convert a disparity to depth, and write the depth map."""
        source = find_depth(self.source_folder, self.frame_id)
        if source is None:
            path = self.source_folder / f'{self.frame_id}.npy'
            raise DataError(path, 'file', 'an existing .npy or .png', 'none')
        depth = _read_depth_of(source, self.image)
        is_disparity = self.baseline_focal is not None
        if self.baseline_focal is not None:
            depth = depth_of_disparity(depth, self.baseline_focal)
        hint = f'{"Leave out" if is_disparity else "Give"} --depth-kind disparity'
        check_road_depth(source, depth, self.view, hint, is_disparity)
        _store_depth(self.output, depth, source)


@dataclass(frozen=True)
class PseudoLidarTask:
    """A point cloud in the lidar frame from a depth map.

    ``motions`` is None, or (N, 4, 4) from this frame's lidar to the lidar of every sample that may
    read the frame. With motions, only points inside the grid of one of these samples are kept.
    """

    sequence: str
    frame_id: str
    image: Path
    depth_folder: Path
    output: Path
    projection: np.ndarray
    lidar2cam: np.ndarray
    max_height: float
    grid: VoxelGrid
    motions: np.ndarray | None

    def is_finished(self) -> bool:
        """Whether a cloud of complete points exists (their number is not known before)."""
        size = self.output.stat().st_size if self.output.is_file() else 0
        return size > 0 and size % 16 == 0

    def make(self) -> None:
        """Lift the depth map and write the points as x, y, z, 1."""
        source = find_depth(self.depth_folder, self.frame_id)
        if source is None:
            path = self.depth_folder / f'{self.frame_id}.npy'
            raise DataError(path, 'file', 'a depth map', 'none', 'Run the depth step first')
        depth = _read_depth_of(source, self.image)
        cam2lidar = invert_rigid(torch.from_numpy(self.lidar2cam))
        check_road_depth(source, depth, DepthView(self.projection, cam2lidar.numpy(), self.grid))
        points = depth_to_points(
            torch.from_numpy(depth),
            torch.from_numpy(self.projection),
            cam2lidar,
            max_z=self.max_height,
        )
        if self.motions is not None:
            points = points[self._can_matter(points)]
        if len(points) == 0:
            raise DataError(source, 'depth', 'a point in front of the car', 'none')
        write_velodyne(self.output, points.to(torch.float32).numpy())

    def _can_matter(self, points: torch.Tensor) -> torch.Tensor:
        order = [self.grid.axes.index(name) for name in ('x', 'y', 'z')]
        size = torch.tensor(self.grid.voxel_size, dtype=points.dtype)[order]
        # Add a voxel on every side: later rounding must not move points into the grid.
        lower = torch.tensor(self.grid.origin, dtype=points.dtype)[order] - size
        upper = torch.tensor(self.grid.upper, dtype=points.dtype)[order] + size
        inside = torch.zeros(len(points), dtype=torch.bool)
        for motion in torch.from_numpy(self.motions):
            moved = points @ motion[:3, :3].mT + motion[:3, 3]
            inside |= ((moved > lower) & (moved < upper)).all(1)
        return inside
