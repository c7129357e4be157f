"""Complete the scan of a LiDAR: from memory or a file, of any sensor height and orientation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import Any, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmssc.datasets.transforms import reading_transforms
from mmssc.datasets.transforms.load_driving import merge_clouds
from mmssc.errors import DataError
from mmssc.formats.file_warnings import warning_anew
from mmssc.formats.scan_points import Scan, make_scan
from mmssc.formats.scans import read_scan_file
from mmssc.geometry import VISIBLE, scan_to_occupancy, scan_visibility
from mmssc.registry import INFERENCERS
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.structures.camera_checks import as_pose

from .base_inferencer import BaseInferencer, build_test_transforms, warn_about
from .model_loading import read_config
from .scan_placement import place_scan

__all__ = ['LidarInferencer', 'is_lidar_config']

Points = Union[str, PathLike, np.ndarray, Tensor]
_MOST_COLUMNS = 5
_NO_INTENSITY = 'no intensity: the model reads it, and gets 0 everywhere'


def is_lidar_config(config: str | PathLike[str] | Config) -> bool:
    """Whether the config's model reads scans of a LiDAR, and no images."""
    kinds = {
        reading.data_kind
        for step in build_test_transforms(read_config(config))
        for reading in reading_transforms(step)
        if reading.inputs
    }
    return 'lidar' in kinds and 'driving' not in kinds


@INFERENCERS.register_module()
class LidarInferencer(BaseInferencer):
    """Completes a scan: points in, labelled voxels out.

    Example::

        inferencer = LidarInferencer('configs/lmscnet/lmscnet-ss_carlasc.py', 'weights.pth')
        sample = inferencer(points)  # (N, 3 or 4): x forward, y left, z up, metres; intensity
        sample.pred_voxels  # (X, Y, Z) uint8 class ids, 0 = empty
        sample.visibility  # (X, Y, Z) uint8: 0 out of range, 1 seen, 2 hidden

    Args:
        config: File, name of a config, or loaded config.
        checkpoint: File with weights, or name of a model; None: see :func:`init_model`.
        device: Default: the GPU if there is one.
        voxel_grid: Predict this box instead of the config's, see :func:`init_model`.
        cfg_options: Overrides of the config.
        fuse: Fold batch normalisation into convolutions; False keeps a model that can be trained.
        amp: Predict in mixed precision, see :func:`predict_in_half_precision`.

    Raises:
        DataError: The model needs other inputs; see also :func:`init_model`.
    """

    data_kind = 'lidar'
    provided = ('points', 'reflectance', 'occupancy')

    def __init__(
        self,
        config: str | PathLike[str] | Config,
        checkpoint: str | PathLike[str] | None = None,
        device: str | torch.device | None = None,
        *,
        voxel_grid: VoxelGrid | Mapping[str, Any] | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        fuse: bool = True,
        amp: bool = False,
    ) -> None:
        super().__init__(config, checkpoint, device, voxel_grid, cfg_options, fuse=fuse, amp=amp)
        #: The box of the model, in the right-handed frame of a user's scan.
        self.voxel_grid = replace(self.model.voxel_grid, frame='lidar')
        #: Height of the sensor above the ground in the training data, metres; None: not known.
        self.trained_height: float | None = self.dataset_meta.get('sensor_height')

    @warning_anew()
    def __call__(
        self,
        points: Points,
        past_scans: Sequence[tuple[Points, Any]] = (),
        *,
        sensor_height: float | None = None,
        rotation: Any = None,
        largest_intensity: float | None = None,
        name: str | None = None,
    ) -> SSCDataSample:
        """Complete one scan.

        The scan is turned and lifted to where the sensor of the training data was, and completed
        in the box of the model. Points that are not finite, and those at (0, 0, 0), are left out.

        Args:
            points: File (see :func:`mmssc.formats.scans.read_scan_file`), or (N, 3) array or tensor
                with the sensor at the origin, metres; a fourth column is the intensity, a fifth is
                not read.
            past_scans: Earlier scans, each with the pose (4, 4) from its frame to that of
                ``points``. Networks learn from the number of scans that the config of their
                training reads, most from one.
            sensor_height: Height of the sensor above the ground, metres. None searches the ground
                in the scan; if the height found differs from the one of the training data by less
                than a voxel, or if no ground is clear, the scan stays at its height.
            rotation: (3, 3), from the axes of the scan to x forward, y left, z up. None takes the
                axes as they are, but levels a scan whose ground is tilted by more than 5 degrees.
            largest_intensity: Largest number that the sensor gives; None takes the first of 1, 255
                and 65535 that is not exceeded.
            name: Name of a scan from memory, for messages and pictures.

        Returns:
            A data sample on the CPU with ``pred_voxels`` (X, Y, Z) uint8; ``visibility`` (X, Y, Z)
            uint8: :data:`~mmssc.geometry.VISIBLE`, :data:`~mmssc.geometry.OCCLUDED` or
            :data:`~mmssc.geometry.UNOBSERVED` for rays of ``points``, and visible where a past
            scan hits; ``voxel_grid``; ``scan2grid`` (4, 4) float64, from the frame of ``points`` to
            that of the voxels; ``sensor_height``, metres, None if it is not known.

        Raises:
            DataError: A file or array is wrong, no point lies inside the box, or ``sensor_height``
                is given and the data set does not say how high its sensor was.
        """
        source = fspath(points) if isinstance(points, (str, PathLike)) else (name or 'scan')
        scan = _as_scan(points, source, largest_intensity)
        placement = place_scan(
            scan.points, self.voxel_grid, self.trained_height, sensor_height, rotation, source
        )
        warn_about(source, placement.remarks)
        scans, motions = [scan], [placement.scan2grid]
        for number, (past, pose) in enumerate(past_scans):
            label = f'{source}, past scan {number}'
            scans.append(_as_scan(past, label, largest_intensity))
            motions.append(placement.scan2grid @ as_pose(pose, label, 'pose'))
        moved = merge_clouds([one.points for one in scans], motions)
        cloud = torch.from_numpy(moved).to(self.model.data_preprocessor.device)
        occupancy = scan_to_occupancy(cloud, self.voxel_grid)
        self._check_inside(occupancy, source)
        results = dict(
            **self._item(0, points, name),
            voxel_grid=self.model.voxel_grid,
            given=self._given(moved, occupancy, scans, source),
        )
        with torch.no_grad():
            (sample,) = self.model.test_step(pseudo_collate([self.pipeline(results)]))
        # The rays of past scans start elsewhere: only their hits count.
        visibility = scan_visibility(cloud[: len(scan.points)], self.voxel_grid, placement.sensor)
        visibility[occupancy] = VISIBLE
        sample.set_data(dict(visibility=visibility))
        sample.set_metainfo(
            dict(
                voxel_grid=self.voxel_grid,
                scan2grid=placement.scan2grid,
                sensor_height=placement.height,
            )
        )
        return sample.cpu()

    def _given(
        self, points: np.ndarray, occupancy: Tensor, scans: Sequence[Scan], source: str
    ) -> dict[str, Any]:
        """The inputs of the model."""
        given: dict[str, Any] = dict(points=points)
        if 'occupancy' in self.inputs:
            given['occupancy'] = occupancy.cpu().numpy()
        if 'reflectance' in self.inputs:
            parts = [scan.reflectance for scan in scans]
            if any(part is None for part in parts):
                warn_about(source, [_NO_INTENSITY])
            given['reflectance'] = np.concatenate([
                np.zeros(len(scan.points), np.float32) if part is None else part
                for scan, part in zip(scans, parts)
            ])  # fmt: skip
        return given

    def _check_inside(self, occupancy: Tensor, source: str) -> None:
        if not occupancy.any():
            hint = 'Are these metres, with x forward, y left, z up, and the sensor at the origin?'
            expected = f'points inside the box: {self.voxel_grid}'
            raise DataError(source, 'points', expected, 'none', hint)


def _as_scan(value: Points, source: str, largest_intensity: float | None) -> Scan:
    """Read and check a scan that a caller gives."""
    if isinstance(value, (str, PathLike)):
        return read_scan_file(value, largest_intensity)
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    is_right = array.dtype.kind in 'fiu' and array.ndim == 2
    if not is_right or not 3 <= array.shape[1] <= _MOST_COLUMNS:
        expected = 'a file, or (N, 3 or 4) numbers: x, y, z, intensity'
        raise DataError(source, 'points', expected, f'{array.dtype} {array.shape}')
    intensity = array[:, 3] if array.shape[1] > 3 else None
    return make_scan(array[:, :3], intensity, source, largest_intensity)
