"""Frames of one drive with poses: each is completed with the earlier ones that the model reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmssc.datasets.driving_dataset import DrivingDataset
from mmssc.errors import DataError, counted
from mmssc.geometry.stereo import MAX_DISPARITY
from mmssc.structures import SSCDataSample
from mmssc.structures.camera_checks import as_intrinsics, as_pose
from mmssc.structures.camera_placement import drive_remarks

from .base_inferencer import read_image, warn_about
from .driving_inferencer import DrivingInferencer
from .image_depth import StereoSettings

__all__ = ['Drive']

_Frame = Mapping[str, Any]


class Drive:
    """The frames of a drive, in order; each is read once and completed with earlier ones.

    Where the drive has no frame at an offset of the config's ``frame_offsets`` (at its start), the
    current frame replaces it, as in a data set.

    Example::

        drive = Drive(inferencer, [dict(img=path) for path in paths], cam2img, lidar2cam, poses)
        for sample in drive:
            sample.pred_voxels

    Args:
        inferencer: The model.
        frames: Per frame a dict with ``img``, and ``depth``, ``points`` or ``img_right`` if the
            model needs depth; as the arguments of :class:`DrivingInferencer`. Also ``name`` for
            images that are arrays. Can be a generator: frames are taken one by one.
        cam2img: (3, 3) or (3, 4), see :class:`DrivingInferencer`.
        lidar2cam: (4, 4) or (3, 4), see :class:`DrivingInferencer`.
        poses: (N, 4, 4) camera poses, camera of each frame to the world, metres. Models with
            ``frame_offsets`` need them.
        baseline: Distance of the two cameras of a pair, metres.
        max_disparity: Search range of the stereo matching, pixels.
        batch_size: Largest number of frames in a call of :meth:`predict`.
        cropped_images: See :class:`DrivingInferencer`.

    Raises:
        DataError: The model has ``frame_offsets`` and there are no poses; or a matrix is wrong.

    Warns of poses that look wrong once for the whole drive: the few frames of a scene show little.
    """

    def __init__(
        self,
        inferencer: DrivingInferencer,
        frames: Iterable[Mapping[str, Any]],
        cam2img: Any,
        lidar2cam: Any,
        poses: Any = None,
        *,
        baseline: float | None = None,
        max_disparity: int = MAX_DISPARITY,
        batch_size: int = 1,
        cropped_images: bool = False,
    ) -> None:
        self.inferencer = inferencer
        self.offsets = inferencer.frame_numbers[1:]
        to_camera = as_pose(lidar2cam, 'drive', 'lidar2cam')
        self.camera = as_intrinsics(cam2img, 'drive', 'cam2img'), to_camera
        self.stereo = StereoSettings(baseline, max_disparity)
        self.cropped_images = cropped_images
        self.lidar_poses = None
        if self.offsets:
            if poses is None:
                expected = 'a pose for each frame: this model reads earlier frames'
                raise DataError('drive', 'poses', expected, 'none')
            to_world = as_pose(poses, 'drive', 'poses')
            self.lidar_poses = DrivingDataset.lidar_poses(to_world, to_camera)
            warn_about('drive', drive_remarks(self.lidar_poses, np.arange(len(self.lidar_poses))))
        self.batch_size = batch_size
        # Frames that a later scene, or a second try of the current batch, may read.
        self._kept: dict[int, _Frame | DataError] = {}
        self._reach = max([0, *self.offsets]) - min([0, *self.offsets]) + batch_size
        self._source = iter(frames)
        self._taken, self._is_at_end = 0, False

    def __iter__(self) -> Iterator[SSCDataSample]:
        number = 0
        while self.has_frame(number):
            yield from self.predict([number])
            number += 1

    def has_frame(self, number: int) -> bool:
        """Whether the drive has a frame; takes the frames up to it."""
        while self._taken <= number and not self._is_at_end:
            self._take()
        return 0 <= number < self._taken

    def image(self, number: int) -> np.ndarray:
        """The image (H, W, 3) uint8 RGB of a frame of the last batch.

        Raises:
            DataError: As :meth:`predict`.
        """
        frame = self._frame(number)
        return read_image(frame['img'], frame.get('name') or f'frame {number}')

    def predict(self, numbers: Sequence[int]) -> list[SSCDataSample]:
        """Complete frames, counted from 0; those of a later call come after those of an earlier.

        Raises:
            DataError: There is no such frame or no pose of it, or an input of it or of an earlier
                frame that it needs is wrong; see :class:`DrivingInferencer`.
        """
        frames = [self._frame(number) for number in numbers]
        return self.inferencer(
            [frame['img'] for frame in frames],
            *self.camera,
            depth=[frame.get('depth') for frame in frames],
            points=[frame.get('points') for frame in frames],
            name=[frame.get('name') for frame in frames],
            earlier_frames=[self._earlier(number) for number in numbers],
            batch_size=self.batch_size,
            cropped_images=self.cropped_images,
        )

    def _earlier(self, number: int) -> list[_Frame | None]:
        """The other frames that a scene reads, in the order of the offsets; None: not there."""
        if self.lidar_poses is None:
            return []
        to_own = np.linalg.inv(self._pose(number))
        return [
            dict(self._frame(other), frame2ref=to_own @ self._pose(other), is_checked=True)
            if self.has_frame(other) else None
            for other in (number + offset for offset in self.offsets)
        ]  # fmt: skip

    def _pose(self, number: int) -> np.ndarray:
        assert self.lidar_poses is not None
        if number >= len(self.lidar_poses):
            expected = f'a pose for each frame (frame {number} is there)'
            raise DataError('drive', 'poses', expected, counted(len(self.lidar_poses), 'pose'))
        return self.lidar_poses[number]

    def _frame(self, number: int) -> _Frame:
        if not self.has_frame(number):
            raise DataError('drive', 'frames', f'a frame {number}', counted(self._taken, 'frame'))
        if number not in self._kept:
            hint = 'Ask for frames in rising order, up to batch_size in a call'
            raise DataError('drive', f'frame {number}', 'a frame that is kept', 'none', hint)
        frame = self._kept[number]
        if isinstance(frame, DataError):
            raise frame
        return frame

    def _take(self) -> None:
        """Take the next frame from the source and compute its depth, if it comes without."""
        number = self._taken
        found: _Frame | DataError
        try:
            frame = next(self._source, None)
            if frame is None:
                self._is_at_end = True
                return
            name = frame.get('name') or f'frame {number}'
            found = self.inferencer.with_depth(frame, self.camera[0], self.stereo, name)
        except DataError as error:
            found = error  # Scenes without this frame can still be completed.
        self._kept[number] = found
        self._kept.pop(number - self._reach, None)
        self._taken += 1
