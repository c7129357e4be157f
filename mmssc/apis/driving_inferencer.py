"""Predict scenes from images that are not part of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmssc.datasets.transforms import CropDrivingImages
from mmssc.errors import DataError
from mmssc.formats.depth_units import DepthView, check_road_depth
from mmssc.formats.file_warnings import warning_anew
from mmssc.formats.images import check_upright
from mmssc.geometry.stereo import MAX_DISPARITY
from mmssc.registry import INFERENCERS
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.structures.camera_checks import as_intrinsics, as_pose, check_image_size
from mmssc.structures.camera_placement import check_road_camera, drive_remarks

from .base_inferencer import CROP_OPTION, BaseInferencer, read_image, warn_about
from .driving_frame import (
    depth_of_frames,
    points_of_frames,
    read_frame_depth,
    read_frame_points,
    read_motion,
    read_right_image,
    source_of,
)
from .image_depth import DepthModel, EstimatedDepth, StereoSettings, model_depth, pair_depth
from .model_loading import dataset_config_of

__all__ = ['DrivingInferencer']

Image = Union[str, PathLike, np.ndarray]
NO_STEREO = StereoSettings()


@INFERENCERS.register_module()
class DrivingInferencer(BaseInferencer):
    """Predicts from arrays or files: any image size, any pinhole camera, any box of voxels.

    Inputs pass through the transforms of the config's test pipeline and the model's data
    preprocessor, as samples of the data set do.

    Example::

        inferencer = DrivingInferencer('configs/sgn/sgn-S.py', 'sgn-S.pth')
        sample, = inferencer('image.png', cam2img, lidar2cam, depth='depth.npy')
        sample.pred_voxels  # (X, Y, Z) uint8 class ids, 0 = empty

    Args:
        config: File, name of a config, or loaded config.
        checkpoint: File with weights, or name of a model; None: see :func:`init_model`.
        device: Default: the GPU if there is one.
        voxel_grid: Predict this box instead of the config's, see :func:`init_model`.
        crop: Crop images as the config crops those of its data set (keep the top left corner), as
            ``tools/test.py`` does. Default: use the whole image.
        cfg_options: Overrides of the config.
        depth_model: Gives the depth of images that come without depth, points and right image: any
            callable (H, W, 3) uint8 RGB -> (H, W) metres along the optical axis, 0 = none. If it
            has a parameter ``focal_length``, it gets that of the image, in pixels.
        fuse: Fold batch normalisation into convolutions; False keeps a model that can be trained.
        amp: Predict in mixed precision, see :func:`predict_in_half_precision`.

    Raises:
        DataError: The model needs other inputs; see also :func:`init_model`.
    """

    data_kind = 'driving'
    also_takes = ('lidar',)
    provided = ('img', 'depth', 'points', 'reflectance')

    def __init__(
        self,
        config: str | PathLike[str] | Config,
        checkpoint: str | PathLike[str] | None = None,
        device: str | torch.device | None = None,
        *,
        voxel_grid: VoxelGrid | Mapping[str, Any] | None = None,
        crop: bool = False,
        cfg_options: Mapping[str, Any] | None = None,
        depth_model: DepthModel | None = None,
        fuse: bool = True,
        amp: bool = False,
    ) -> None:
        # The transform keeps the top left corner, so the intrinsics are the same with and without
        # it.
        left_out = () if crop else (CropDrivingImages,)
        super().__init__(
            config, checkpoint, device, voxel_grid, cfg_options, left_out, fuse=fuse, amp=amp
        )
        offsets = dataset_config_of(self.model.cfg).get('frame_offsets') or ()
        self.frame_numbers = (0, *offsets)
        self.num_frames = len(self.frame_numbers)
        self.needs_points = bool({'depth', 'points'} & self.inputs)
        self.depth_model = depth_model
        if depth_model is not None and not self.needs_points:
            expected = 'none: this model takes images only'
            raise DataError('DrivingInferencer', 'depth_model', expected, 'one')

    @warning_anew()
    def __call__(
        self,
        img: Image | Sequence[Image],
        cam2img: Any,
        lidar2cam: Any,
        depth: Any = None,
        points: Any = None,
        earlier_frames: Sequence[Any] = (),
        batch_size: int = 1,
        cropped_images: bool = False,
        img_right: Any = None,
        baseline: float | None = None,
        max_disparity: int = MAX_DISPARITY,
        name: Any = None,
    ) -> list[SSCDataSample]:
        """Predict one or several scenes.

        For several scenes, pass lists of the same length; all scenes can share one ``cam2img`` or
        ``lidar2cam``.

        Args:
            img: File, or (H, W, 3) uint8 RGB.
            cam2img: (3, 3) intrinsics in pixels, or KITTI's (3, 4) projection, whose fourth column
                then shifts the points of the depth map.
            lidar2cam: (4, 4) or (3, 4), frame of the voxels (x forward, y left, z up) to the camera
                (x right, y down, z forward), metres.
            depth: File (``.npy`` or ``.png``) or (H, W) metres along the optical axis, 0 = none;
                instead of ``points``.
            points: File of a scan or (M, 3 or more) metres in the frame of the voxels. A model
                that reads depth needs ``LoadScanDepth`` in its config, which projects them.
            earlier_frames: For temporal models, in the order of the config's ``frame_offsets``:
                dicts with ``img``, ``depth``, ``points`` (in that frame's own frame) or
                ``img_right``, and ``frame2ref`` (4, 4), from that frame's voxel frame to the
                current one's. The current frame replaces missing ones and those that are None, as
                at the start of a drive.
            batch_size: Largest number of scenes per forward pass; a batch has images of one size.
            cropped_images: The images are cut out of larger ones and ``cam2img`` is that of the cut
                image, so its principal point can be anywhere.
            img_right: File or array: the right image of a rectified pair, instead of ``depth``.
            baseline: Distance of the two cameras of a pair, metres.
            max_disparity: Search range in pixels, a multiple of 16. Nothing is found nearer than
                ``baseline * focal length / max_disparity``.
            name: Name of a scene whose image is an array, for messages and pictures.

        Returns:
            Per scene a data sample on the CPU with ``pred_voxels`` and the metainfo.

        Raises:
            DataError: A file or an array is missing or wrong, or a camera cannot be right: not a
                pinhole camera, of another image size, upside down, or it sees nothing of the box.
        """
        several = isinstance(img, (list, tuple))
        columns = (img, cam2img, lidar2cam, depth, points, earlier_frames, img_right, name)
        stereo = StereoSettings(baseline, max_disparity)
        packed = [
            self.pipeline(self._results(number, scene, cropped_images, stereo))
            for number, scene in enumerate(_split(several, *columns))
        ]
        predictions: list[SSCDataSample] = []
        for group in _batches(packed, batch_size):
            with torch.no_grad():
                predictions += self.model.test_step(pseudo_collate(group))
        return [prediction.cpu() for prediction in predictions]

    def _results(
        self,
        number: int,
        scene: Mapping[str, Any],
        cropped_images: bool = False,
        stereo: StereoSettings = NO_STEREO,
    ) -> dict[str, Any]:
        """The results that the transforms that read files would return."""
        name = source_of(scene['img']) or scene.get('name') or f'scene {number}'
        current = self._frame(scene, name)
        size = current['img'].shape[:2]
        projection, lidar2cam = self._camera(scene, size, name, cropped_images)
        frames, motions = self._all_frames(scene['earlier_frames'], current, name)
        view = DepthView(projection, np.linalg.inv(lidar2cam), self.model.voxel_grid)
        for frame in {id(frame): frame for frame in frames}.values():
            self._find_depth(frame, view, stereo)
        return dict(
            **self._item(number, scene['img'], scene.get('name')),
            voxel_grid=self.model.voxel_grid,
            cam2img=projection[:, :3].copy(),
            P2=projection,
            lidar2cam=np.stack([lidar2cam @ np.linalg.inv(motion) for motion in motions]),
            frame2ref=np.stack(motions),
            frames=frames,
            img_paths=[frame['name'] for frame in frames],
            ori_shape=size,
            img_shape=size,
            given=self._given(frames, motions, projection, lidar2cam),
        )

    def _all_frames(
        self, earlier: Sequence[Any], current: dict[str, Any], name: str
    ) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """The frames that the model reads, the current one first, and their ``frame2ref``."""
        if len(earlier) >= self.num_frames:
            expected = f'at most {self.num_frames - 1} (frame_offsets of the config)'
            raise DataError(name, 'earlier_frames', expected, len(earlier))
        frames, motions = [current] * self.num_frames, [np.eye(4)] * self.num_frames
        given = [0]
        for place, frame in enumerate(earlier, 1):
            if frame is None:
                continue
            label = f'{name}, earlier frame {place - 1}'
            frames[place] = self._frame(frame, label, current['img'].shape[:2])
            motions[place] = read_motion(frame.get('frame2ref'), 'frame2ref', label)
            given.append(place)
        # The poses of a whole drive are checked already.
        if not any(frame and frame.get('is_checked') for frame in earlier):
            given.sort(key=self.frame_numbers.__getitem__)
            poses = np.stack([motions[place] for place in given])
            numbers = np.array([self.frame_numbers[place] for place in given])
            warn_about(name, drive_remarks(poses, numbers))
        return frames, motions

    def _find_depth(self, frame: dict[str, Any], view: DepthView, stereo: StereoSettings) -> None:
        """Compute the depth of a frame that has none, if the model needs it; check its unit."""
        name = frame['name']
        depth = self._estimate(frame, float(view.cam2img[0, 0]), stereo) or frame['depth']
        if isinstance(depth, EstimatedDepth):
            frame['depth'], remedy = depth.values, depth.remedy
            check_road_depth(name, depth.values, view, remedy, depth.is_stereo, remedy)
        elif depth is not None and frame['depth_file'] is not None:
            check_road_depth(frame['depth_file'], depth, view)
        elif depth is not None:
            check_road_depth(name, depth, view, remedy='The array must hold metres')

    def _estimate(
        self, frame: Mapping[str, Any], focal_length: float, stereo: StereoSettings
    ) -> EstimatedDepth | None:
        """Depth of a frame that has none: from its right image or the depth model."""
        if frame['img_right'] is not None:
            images = frame['img'], frame['img_right']
            return pair_depth(*images, focal_length, stereo, frame['name'])
        is_given = frame['depth'] is not None or frame['points'] is not None
        if is_given or self.depth_model is None:
            return None
        return model_depth(self.depth_model, frame['img'], focal_length, frame['name'])

    def with_depth(
        self, frame: Mapping[str, Any], cam2img: Any, stereo: StereoSettings, name: str
    ) -> Mapping[str, Any]:
        """Compute the depth of a frame once, for several scenes that read it.

        Args:
            frame: ``img``, and ``depth``, ``points`` or ``img_right``, as of :meth:`__call__`.
            cam2img: (3, 3) or (3, 4), pixels.
            stereo: How to compute depth from a pair.
            name: The frame, for errors.

        Returns:
            The frame with ``depth``; the same frame if it comes with depth or points.

        Raises:
            DataError: As :meth:`__call__`.
        """
        is_given = frame.get('depth') is not None or frame.get('points') is not None
        if frame.get('img_right') is None and (is_given or self.depth_model is None):
            return frame
        read = self._frame(frame, name)
        focal_length = float(as_intrinsics(cam2img, name, 'cam2img')[0, 0])
        depth = self._estimate(read, focal_length, stereo)
        return {**frame, 'img_right': None, 'depth': depth}

    def _camera(
        self,
        scene: Mapping[str, Any],
        size: tuple[int, int],
        name: str,
        cropped_images: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Projection (3, 4) and ``lidar2cam`` (4, 4), both float64 and checked."""
        projection = as_intrinsics(scene['cam2img'], name, 'cam2img')
        lidar2cam = as_pose(scene['lidar2cam'], name, 'lidar2cam')
        # A model that reads only points needs no camera.
        if {'img', 'depth'} & self.inputs:
            if not cropped_images:
                remarks = check_image_size(projection, size, name, 'cam2img', CROP_OPTION)
                warn_about(name, remarks)
            fields, grid = ('lidar2cam', 'cam2img'), self.model.voxel_grid
            warn_about(name, check_road_camera(lidar2cam, projection, grid, name, fields, size))
        if projection.shape == (3, 3):
            projection = np.pad(projection, ((0, 0), (0, 1)))
        return projection, lidar2cam

    def _given(
        self,
        frames: Sequence[dict[str, Any]],
        motions: Sequence[np.ndarray],
        projection: np.ndarray,
        lidar2cam: np.ndarray,
    ) -> dict[str, Any]:
        """The inputs of the model."""
        given: dict[str, Any] = dict(img=[frame['img'] for frame in frames])
        if 'depth' in self.inputs:
            given['depth'] = depth_of_frames(
                frames, projection, lidar2cam, self.readings, self.model.cfg
            )
        if 'points' in self.inputs:
            clouds = points_of_frames(frames, motions, projection, lidar2cam)
            given['points'], given['reflectance'] = clouds
        return given

    def _frame(
        self, frame: Mapping[str, Any], name: str, size: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        """Read and check one frame's image and its depth or points."""
        img, right = frame.get('img'), frame.get('img_right')
        depth, points = frame.get('depth'), frame.get('points')
        source = source_of(img)
        if depth is not None and source is not None:
            check_upright(source, 'the depth map does not turn with it')
        image = read_image(img, name)
        given = [key for key in ('depth', 'points', 'img_right') if frame.get(key) is not None]
        if size is not None and image.shape[:2] != size:
            raise DataError(name, 'image size', f'{size} as the current frame', image.shape[:2])
        if not self.needs_points and given:
            raise DataError(name, 'depth or points', 'none: this model takes images only', 'some')
        if len(given) > 1:
            hint = 'Leave out the others'
            raise DataError(name, 'depth or points', 'one of them', ' and '.join(given), hint)
        if self.needs_points and not given and self.depth_model is None:
            raise DataError(
                name, 'depth or points', 'one of them', 'neither',
                'The model needs depth: give depth (--depth; metres, size of the image), points '
                '(--points; metres, frame of the voxels), the right image of a stereo pair '
                '(img_right=, --image-right), or a depth model (depth_model=, --depth-model)',
            )  # fmt: skip
        size = (image.shape[0], image.shape[1])
        cloud: tuple[Any, Any] = (None, None)
        if points is not None:
            cloud = read_frame_points(points, name, 'reflectance' in self.inputs)
        return dict(
            frame_id=name,
            name=source or name,
            depth_file=source_of(depth),
            img=image,
            depth=None if depth is None else read_frame_depth(depth, size, name),
            img_right=None if right is None else read_right_image(right, source, name),
            points=cloud[0],
            reflectance=cloud[1],
        )


def _split(several: bool, *arguments: Any) -> Iterator[dict[str, Any]]:
    """Split the arguments of a call into one dict per scene."""
    names = (
        'img', 'cam2img', 'lidar2cam', 'depth', 'points', 'earlier_frames', 'img_right', 'name',
    )  # fmt: skip
    if not several:
        yield dict(zip(names, arguments))
        return
    count = len(arguments[0])
    columns = []
    for name, value in zip(names, arguments):
        if value is None or name == 'earlier_frames' and len(value) == 0:
            value = [() if name == 'earlier_frames' else None] * count
        elif name in ('cam2img', 'lidar2cam') and _is_shared(value):
            value = [value] * count
        if len(value) != count:
            raise DataError('DrivingInferencer', name, f'{count}, one per image', len(value))
        columns.append(value)
    for row in zip(*columns):
        yield dict(zip(names, row))


def _is_shared(matrix: Any) -> bool:
    """Whether this is one matrix, or something else that the check of each scene refuses."""
    is_list = isinstance(matrix, (list, tuple)) or getattr(matrix, 'ndim', 0) > 0
    return not is_list or (len(matrix) > 0 and np.ndim(matrix[0]) == 1)


def _batches(packed: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Group consecutive samples whose images have the same shape, at most ``size`` each."""
    group: list[dict[str, Any]] = []
    for item in packed:
        # A model that reads only points gets no image.
        shapes = [np.shape(other['inputs'].get('img', ())) for other in (*group[:1], item)]
        if len(group) == size or len(set(shapes)) > 1:
            yield group
            group = []
        group.append(item)
    if group:
        yield group
