"""One frame of the user's depth camera: its pose, and the files that are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.formats.depth_units import (
    DepthView,
    check_ground,
    check_room_depth,
    fits_room,
    scale_units,
    unit_hint,
)
from mmssc.formats.file_warnings import one_finding_of_depth, warn_of_file
from mmssc.formats.matrices import camera_matrix, read_matrix
from mmssc.formats.rgbd_prepared import has_prepared
from mmssc.formats.sscnet import DEPTH_READERS
from mmssc.geometry import floor_contradiction, place_grid, pose_above_floor, turn_camera
from mmssc.structures.camera_checks import as_pose
from mmssc.structures.camera_placement import check_room_camera

from .tasks import FrameSettings, volumes_of_depth, write_volumes

__all__ = ['CONFIDENCE', 'EXTRAS', 'OWN_SOURCE', 'OwnFrameTask', 'PoseRule']

#: Source name of the frames in the info list.
OWN_SOURCE = 'own'
#: Names of the arrays that a prepared file has besides the volumes.
EXTRAS = ('cam2world', 'origin')
CONFIDENCE = 'floor_confidence'


@dataclass(frozen=True)
class PoseRule:
    """Pose of the camera and the grid of each frame.

    Args:
        poses: Template of text files with the 4 x 4 camera-to-world matrix of each frame; the
            world's z axis points up and its floor is z = 0.
        height: Without poses: height of the camera above the floor, metres.
        tilt: With ``height``: angle of the optical axis below the horizon, radians. Without poses
            and height, the floor is searched in the depth image.
        origin: World x, y, z of the grid's lower corner; None places it in front of the camera.
        roll: With ``height``: clockwise turn of the camera, radians.
        rotate: How far the images must be turned clockwise to be upright, degrees. Tilt and roll
            are those of the upright image. None: 0, but refuse images that look turned.
    """

    poses: str | None = None
    height: float | None = None
    tilt: float = 0.0
    origin: tuple[float, float, float] | None = None
    roll: float = 0.0
    rotate: int | None = None

    def pose(
        self,
        frame_id: str,
        path: Path,
        depth: np.ndarray,
        settings: FrameSettings,
        units: Mapping[str, float],
    ) -> tuple[np.ndarray, float | None]:
        """(4, 4) float32 of a frame, and the confidence of the floor if it was searched.

        Args:
            frame_id: The frame.
            path: The depth image, for messages.
            depth: (H, W) float32 metres, 0 = none.
            settings: With the camera.
            units: Other readings of the depth, see :func:`~mmssc.formats.depth_units.unit_hint`.
        """
        if self.poses is not None:
            file = Path(self.poses.replace('*', frame_id))
            pose = as_pose(read_matrix(file, (4, 4)), file, 'pose')
            check_room_camera(pose, file, 'pose', has_floor=self.origin is None)
            return pose.astype(np.float32), None
        turned, camera, turn = self._upright(depth, settings)
        try:
            found, confidence = pose_above_floor(
                turned, camera, self.height, self.tilt, self.roll, self.rotate is not None
            )
        except DataError as error:
            hint = error.hint
            if error.field == 'floor':
                hint = unit_hint(
                    depth, units,
                    'Check --depth-scale. Say how the image must be turned to be upright (--rotate '
                    '90, 180 or 270; --rotate 0 if it is); or give --poses, or --height and --tilt',
                )  # fmt: skip
            raise DataError(path, error.field, error.expected, error.found, hint) from error
        return (found.double() @ turn).float().numpy(), confidence

    def contradiction(
        self, depth: np.ndarray, cam2world: np.ndarray, settings: FrameSettings
    ) -> str | None:
        """What the floor says against a given pose; arguments as :meth:`pose`, and its result."""
        turned, camera, turn = self._upright(depth, settings)
        upright = torch.from_numpy(cam2world).double() @ turn.T
        return floor_contradiction(turned, camera, upright, has_floor=self.origin is None)

    def _upright(
        self, depth: np.ndarray, settings: FrameSettings
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The depth turned upright, its (3, 3) intrinsics, and the turn of :func:`turn_camera`."""
        camera = torch.from_numpy(camera_matrix(settings.camera)).float()
        rotate = self.rotate or 0
        camera, turn = turn_camera(camera, settings.spec.image_size, rotate)
        return torch.rot90(torch.from_numpy(depth), -rotate // 90), camera, turn

    def corner(self, cam2world: np.ndarray, settings: FrameSettings) -> np.ndarray:
        """World x, y, z of the grid's lower corner, float32."""
        if self.origin is not None:
            return np.array(self.origin, np.float32)
        grid = settings.spec.grid
        placed = place_grid(torch.from_numpy(cam2world), grid.voxel_size[0], grid.shape, grid.axes)
        return np.array([placed.origin[grid.axes.index(axis)] for axis in 'xyz'], np.float32)


@dataclass(frozen=True)
class OwnFrameTask:
    """One frame of the user's camera: TSDF, mapping and pose."""

    frame_id: str
    depth: Path
    settings: FrameSettings
    rule: PoseRule
    depth_scale: float
    output: Path
    fine_output: Path | None
    sequence: str = OWN_SOURCE

    def is_finished(self) -> bool:
        """Whether the files exist with all their arrays."""
        fine = self.fine_output
        return has_prepared(self.output, ('tsdf', 'voxel_to_pixel'), EXTRAS) and (
            fine is None or has_prepared(fine, ('tsdf_fine',))
        )

    @one_finding_of_depth()
    def make(self) -> None:
        """Write the files."""
        settings = self.settings
        depth = DEPTH_READERS[settings.depth_kind](self.depth, settings.spec.image_size)
        depth = depth * np.float32(self.depth_scale)
        units = scale_units(1000 / self.depth_scale)
        check_room_depth(self.depth, depth, units, settings.depth_limits)
        cam2world, confidence = self.rule.pose(self.frame_id, self.depth, depth, settings, units)
        origin = self.rule.corner(cam2world, settings)
        view = DepthView(
            camera_matrix(settings.camera), cam2world, settings.spec.placed_grid(origin)
        )
        remark = None
        if confidence is None:
            remark = self.rule.contradiction(depth, cam2world, settings)
        if remark:
            warn_of_file(self.depth, 'pose', remark)
        if not (remark and fits_room(depth)):
            check_ground(self.depth, depth, view, units)
        arrays = volumes_of_depth(self.depth, depth, cam2world, origin, settings)
        if not (arrays['voxel_to_pixel'] >= 0).any():
            raise DataError(self.depth, 'depth', 'a pixel in the voxel grid', 'none',
                            'Check the pose, --depth-scale and --camera')  # fmt: skip
        extras = dict(zip(EXTRAS, (cam2world, origin)))
        if confidence is not None:
            extras[CONFIDENCE] = np.array([confidence], np.float32)
        write_volumes(arrays, settings.spec, self.output, self.fine_output, extras)
