"""Predict scenes from raw images of a depth camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmssc.datasets.transforms import reading_transforms
from mmssc.errors import DataError
from mmssc.formats.depth_units import (
    DepthView,
    check_ground,
    check_room_depth,
    fits_room,
    metre_units,
    read_metres,
    rotated_units,
    scale_units,
    unit_hint,
)
from mmssc.formats.file_warnings import one_finding_of_depth, warning_anew
from mmssc.formats.images import check_upright, read_png_uint8
from mmssc.formats.sscnet import DEPTH_READERS
from mmssc.geometry import (
    DepthVolumes,
    camera_tilt,
    depth_volumes,
    invert_mapping,
    measured_reach,
    place_grid,
)
from mmssc.registry import INFERENCERS
from mmssc.segmentation import Segmenter
from mmssc.structures import SSCDataSample, VoxelGrid
from mmssc.structures.camera_placement import share_remarks

from .base_inferencer import BaseInferencer, build_test_transforms, read_image, warn_about
from .model_loading import read_config
from .rgbd_camera import UprightView, as_arguments, turn_image, upright_view

__all__ = ['DEPTH_KINDS', 'RGBDInferencer', 'is_rgbd_config', 'read_depth_image']

#: Kind of a 16-bit PNG -> reader.
DEPTH_KINDS = DEPTH_READERS
# Name of a depth image that is not a file.
_ARRAY = 'depth image'
# Inputs that are computed from the depth image.
_COMPUTED = ('tsdf', 'tsdf_fine', 'voxel_to_pixel', 'pixel_to_voxel')


def is_rgbd_config(config: str | PathLike[str] | Config) -> bool:
    """Whether the config's model reads RGB-D frames, or inputs made from depth images (TSDF)."""
    transforms = build_test_transforms(read_config(config))
    return any(
        reading.data_kind == 'rgbd'
        or (not reading.data_kind and set(reading.inputs) & {*_COMPUTED})
        for step in transforms
        for reading in reading_transforms(step)
    )


def read_depth_image(
    path: str | PathLike[str], kind: str = 'mm', scale: float | None = None
) -> np.ndarray:
    """Read a depth image: ``.npy`` in metres, or a 16-bit PNG.

    Args:
        path: The file.
        kind: Of a PNG: ``'mm'``, millimetres as most depth cameras write them, or ``'nyu'``, bits
            rotated by 3 as in SSCNet's files of NYU.
        scale: Values of the file per metre, if it is of neither kind; for ``.npy``, too.

    Returns:
        (H, W) float32, metres along the optical axis, 0 = none.

    Raises:
        DataError: The file is missing or damaged, or of another kind; or the scale is not a
            positive number, or given with ``'nyu'``.
    """
    if scale is not None and not (0 < scale < math.inf and kind == 'mm'):
        expected = 'a positive number, and files of kind mm'
        raise DataError(path, 'depth scale', expected, f'{scale} and kind {kind}')
    if str(path).lower().endswith('.npy'):
        return read_metres(path, scale)
    return DEPTH_KINDS[kind](path) * np.float32(1000 / (scale or 1000))


@INFERENCERS.register_module()
class RGBDInferencer(BaseInferencer):
    """Predicts from frames of a depth camera: any image size, pinhole camera and pose.

    Computes TSDF and voxel-pixel mapping from the depth image. All inputs then pass through the
    transforms of the config's test pipeline and the data preprocessor, as samples of the data set
    do.

    Example::

        inferencer = RGBDInferencer('light_depth_nyu')  # by name: with its weights
        sample = inferencer('depth.png', (fx, fy, cx, cy))
        sample.pred_voxels  # (60, 36, 60) uint8 class ids over sample.voxel_grid, 0 = empty

    Args:
        config: File, name of a config, or loaded config.
        checkpoint: File with weights, or name of a model; None: see :func:`init_model`.
        device: Default: the GPU if there is one.
        cfg_options: Overrides of the config.
        voxel_grid: Predict this box instead of the config's, see :func:`init_model`; its origin
            does not matter.
        fuse: Fold batch normalisation into convolutions; False keeps a model that can be trained.
        amp: Predict in mixed precision, see :func:`predict_in_half_precision`.
        segmenter: Segments the images of scenes without segmentation, for models that read one:
            :func:`~mmssc.segmentation.load_segmenter`, or a function, see
            :class:`~mmssc.segmentation.Segmenter`.

    Raises:
        DataError: The config's model needs other inputs; see also :func:`init_model`.
    """

    #: How remedies name an option such as ``--depth-scale 5000``; ``str`` leaves it as it is.
    words: Callable[[str], str] = staticmethod(as_arguments)
    data_kind = 'rgbd'
    provided = ('img', 'segmentation', 'depth', *_COMPUTED)

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
        segmenter: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(config, checkpoint, device, voxel_grid, cfg_options, fuse=fuse, amp=amp)
        if segmenter is not None and 'segmentation' not in self.inputs:
            expected, hint = 'none: this model reads no segmentation', 'Leave it out'
            raise DataError('RGBDInferencer', 'segmenter', expected, 'one', hint)
        if segmenter is not None and not isinstance(segmenter, Segmenter):
            segmenter = Segmenter(segmenter)
        self.segmenter: Segmenter | None = segmenter
        source = getattr(self.model, 'tsdf_source', 'tsdf')
        if source not in _COMPUTED:
            raise DataError(
                str(self.model.cfg.filename or 'config'), 'model.tsdf_source',
                'a TSDF that can be computed from a depth image (tsdf)', source,
                'This model needs the noise-free depth of a data set, so tools/test.py runs it. '
                'Give the config and the weights of its student, e.g. configs/cleaners/cleaners_*',
            )  # fmt: skip

    @torch.no_grad()
    @warning_anew()
    @one_finding_of_depth()
    def __call__(
        self,
        depth: str | PathLike[str] | np.ndarray,
        cam2img: Any,
        cam2world: Any = None,
        img: str | PathLike[str] | np.ndarray | None = None,
        segmentation: str | PathLike[str] | np.ndarray | None = None,
        depth_kind: str = 'mm',
        origin: tuple[float, float, float] | None = None,
        hide_unknown: bool = True,
        height: float | None = None,
        tilt: float = 0.0,
        roll: float = 0.0,
        depth_scale: float | None = None,
        rotate: int | None = None,
        cropped_images: bool = False,
    ) -> SSCDataSample:
        """Predict one scene.

        Args:
            depth: File, see :func:`read_depth_image`, or (H, W) metres, 0 = none.
            cam2img: (3, 3) intrinsics in pixels, or ``fx, fy, cx, cy``.
            cam2world: (4, 4), camera (x right, y down, z forward) to a world with z up and the
                floor at z = 0, metres. None: from ``height``, or find the floor in the depth
                image; the camera is then at x = y = 0 and looks along y.
            img: (H, W, 3) uint8 RGB, registered with the depth; for models that read one. For the
                segmenter it may have another size.
            segmentation: (H, W) uint8 ids, registered with the depth; for models that read one.
                None: from the segmenter.
            depth_kind: See :func:`read_depth_image`.
            origin: Lower corner of the box, world x, y, z; None places it in front of the camera
                by SSCNet's rule.
            hide_unknown: Set voxels to empty that the camera sees as empty, or that are outside of
                its view: networks are not trained there and predict noise.
            height: Height of the camera above the floor, metres.
            tilt: With ``height``: angle of the optical axis below the horizon, radians.
            roll: With ``height``: clockwise turn of the camera, radians.
            depth_scale: See :func:`read_depth_image`.
            rotate: 0, 90, 180 or 270: turn all images clockwise by so many degrees, so that they
                are upright. ``cam2img`` and ``cam2world`` are those of the images as given; tilt
                and roll are those of the upright image. None: 0, but refuse images that look
                turned when the floor is searched.
            cropped_images: The images are cut out of larger ones and ``cam2img`` is that of the cut
                image, so its principal point can be anywhere.

        Returns:
            A data sample on the CPU with ``pred_voxels`` and the metainfo: the grid, the camera of
            the upright image, ``camera_height`` (metres), ``camera_tilt`` and ``camera_roll``
            (radians), and ``floor_confidence``, None if the floor was not searched
            (:func:`~mmssc.geometry.find_floor`). Also ``within_reach`` (X, Y, Z) bool: voxels that
            are visible or not behind the farthest measured surface
            (:func:`~mmssc.geometry.measured_reach`). Pictures show only these; ``pred_voxels``
            keeps the others.

        Raises:
            DataError: A file or an array is missing or wrong, the depth has another unit, the
                camera cannot be right (not a pinhole camera, of another image size, upside down,
                below the floor), the floor is not found, or no pixel lies in the box.
        """
        with self._naming_arguments():
            name = str(depth) if isinstance(depth, (str, PathLike)) else _ARRAY
            item = self._item(0, depth)
            if isinstance(depth, (str, PathLike)):
                depth = read_depth_image(depth, depth_kind, depth_scale)
            depth = _one_depth(depth)
            readings, remedy = _readings(name, depth, depth_kind, depth_scale)
            units = {self.words(key): value for key, value in readings.items()}
            remedy = self.words(remedy)
            check_room_depth(name, depth, units, remedy=remedy)
            images = self._images(name, depth.shape, img, segmentation, rotate or 0)
            angles, has_floor = (height, tilt, roll), origin is None
            view = upright_view(
                name, depth, cam2img, cam2world, angles, rotate, has_floor, units, cropped_images
            )
            grid = self._grid(view.cam2world, origin)
            ground = DepthView(view.cam2img, view.cam2world.numpy(), grid)
            # The warning about the pose is enough: such a depth has the right unit.
            if not (view.is_contradicted and fits_room(depth)):
                check_ground(name, view.depth, ground, units, remedy)
            warn_about(name, share_remarks(grid, view.world2cam, view.cam2img, view.size))
            item.update(voxel_grid=grid, img_paths=[name])
            return self._predict(item, view, images, units, hide_unknown)

    @contextmanager
    def _naming_arguments(self) -> Iterator[None]:
        """Let the remedies of errors name what the caller has: arguments, or options."""
        try:
            yield
        except DataError as error:
            hint = error.hint and self.words(error.hint)
            raise DataError(error.file, error.field, error.expected, error.found, hint) from error

    def _predict(
        self,
        item: dict[str, Any],
        view: UprightView,
        images: Mapping[str, Any],
        units: Mapping[str, float],
        hide_unknown: bool,
    ) -> SSCDataSample:
        """Predict a scene whose input is checked; results as :meth:`__call__`."""
        grid, depth, size = item['voxel_grid'], torch.from_numpy(view.depth), view.size
        camera = torch.from_numpy(view.cam2img).float()
        volumes = depth_volumes(depth, camera, view.cam2world, grid)
        visible = volumes.voxel_to_pixel >= 0
        if not bool(visible.any()):
            remedy = 'Check the unit of the depth, the pose (--cam2world) and --cam2img'
            hint, name = unit_hint(view.depth, units, remedy), item['img_paths'][0]
            raise DataError(name, 'depth', 'a pixel in the box of voxels', 'none', hint)
        plausible = visible | (volumes.tsdf < 0)
        results = dict(
            **item, image_size=size, img_shape=size, ori_shape=size, cam2img=view.cam2img,
            lidar2cam=view.world2cam[None],
            given={**images, 'depth': [view.depth], **self._volumes(volumes, size)},
        )  # fmt: skip
        sample = self.model.test_step(pseudo_collate([self.pipeline(results)]))[0].cpu()
        if hide_unknown:
            sample.pred_voxels[~plausible] = 0
        world2cam = torch.linalg.inv(view.cam2world.double())
        reach = measured_reach(depth, grid, world2cam, camera.double())
        sample.within_reach = visible | reach
        height, tilt, roll = camera_tilt(view.cam2world)
        sample.set_metainfo(
            dict(
                camera_height=height, camera_tilt=tilt, camera_roll=roll,
                floor_confidence=view.floor_confidence,
            )
        )  # fmt: skip
        return sample

    def _images(
        self, name: str, size: tuple[int, int], img: Any, segmentation: Any, rotate: int
    ) -> dict[str, Any]:
        """Image and segmentation, if the model reads them: turned, of the size of the depth."""
        images: dict[str, Any] = {}
        for key, value in (('img', img), ('segmentation', segmentation)):
            if key not in self.inputs:
                continue
            if value is None and key == 'segmentation' and self.segmenter is not None:
                images[key] = self._segmented(name, size, img, rotate)
                continue
            if value is None:
                hint = 'Give --image' if key == 'img' else 'Give --segmentation, or --segmenter'
                raise DataError(name, key, 'an image: this model reads one', 'none', hint)
            array = _read_colour(value, name) if key == 'img' else _read_ids(value, name)
            if array.shape[:2] != size:
                raise DataError(name, f'{key} size', size, array.shape[:2])
            array = turn_image(array, rotate)
            images[key] = [array] if key == 'img' else array
        return images

    def _segmented(self, name: str, size: tuple[int, int], img: Any, rotate: int) -> np.ndarray:
        """The segmentation of an image, upright: the segmenter has never seen turned ones."""
        if img is None:
            expected = 'an image: the segmenter reads it'
            raise DataError(name, 'img', expected, 'none', 'Give --image')
        size = size[::-1] if rotate in (90, 270) else size
        assert self.segmenter is not None
        return self.segmenter(turn_image(_read_colour(img, name), rotate), name, size)

    def _volumes(self, volumes: DepthVolumes, size: tuple[int, int]) -> dict[str, np.ndarray]:
        """The volumes as arrays; the inverse mapping only if the model reads it."""
        arrays = dict(
            tsdf=volumes.tsdf.numpy(),
            tsdf_fine=volumes.tsdf_fine.numpy(),
            voxel_to_pixel=volumes.voxel_to_pixel.long().numpy(),
        )
        if 'pixel_to_voxel' in self.inputs:
            mapping = torch.from_numpy(arrays['voxel_to_pixel'])
            arrays['pixel_to_voxel'] = invert_mapping(mapping, size).numpy()
        return arrays

    def _grid(self, pose: torch.Tensor, origin: tuple[float, float, float] | None) -> VoxelGrid:
        box = self.model.voxel_grid
        if origin is None:
            return place_grid(pose, box.voxel_size[0], box.shape, box.axes)
        return box.placed_at(origin)


def _one_depth(value: Any) -> np.ndarray:
    """The depth image of a caller as float32, 0 where it is masked.

    :func:`check_room_depth` checks its shape.
    """
    try:
        return np.ascontiguousarray(np.ma.filled(value, 0), np.float32)
    except (TypeError, ValueError) as error:
        expected, found = 'one file, or an array (H, W) in metres', type(value).__name__
        hint = None
        if isinstance(value, (list, tuple)):
            found = f'a {found} of {len(value)}'
            hint = 'Call the inferencer once for each depth image'
        raise DataError('depth', None, expected, found, hint) from error


def _readings(
    name: str, depth: np.ndarray, kind: str, scale: float | None
) -> tuple[dict[str, float], str]:
    """Other readings of a depth image for messages about its unit, and a further remedy."""
    if name == _ARRAY:
        return metre_units(), 'The array must hold metres'
    if name.lower().endswith('.npy'):
        return {**scale_units(scale or 1), '--depth-scale 100': (scale or 1) / 100}, ''
    if kind == 'mm':
        rotated = {} if scale else rotated_units(depth, '--depth-kind nyu')
        return {**rotated, **scale_units(scale or 1000)}, ''
    return {}, 'Leave out --depth-kind if the file holds plain millimetres'


def _read_colour(value: Any, name: str) -> np.ndarray:
    """An image of a caller; files must lie as the depth image does."""
    if isinstance(value, (str, PathLike)):
        check_upright(value, 'the depth image does not turn with it')
    return read_image(value, name)


def _read_ids(value: Any, name: str) -> np.ndarray:
    if isinstance(value, (str, PathLike)):
        return read_png_uint8(value)
    ids = np.asarray(value)
    if ids.dtype != np.uint8 or ids.ndim != 2:
        expected = 'a file or (H, W) uint8 ids'
        raise DataError(name, 'segmentation', expected, f'{ids.dtype} {ids.shape}')
    return ids
