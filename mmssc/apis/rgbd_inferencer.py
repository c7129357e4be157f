"""Predicting the scene in front of a depth camera, from raw depth images."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.formats.images import read_png_uint8, read_rgb
from mmssc.formats.matrices import camera_matrix, check_rigid
from mmssc.formats.numpy_arrays import read_npy
from mmssc.formats.sscnet import read_nyu_depth, read_plain_depth_mm
from mmssc.geometry import depth_volumes, invert_mapping, level_camera, place_grid
from mmssc.registry import INFERENCERS, TRANSFORMS
from mmssc.structures import Camera, SSCDataSample, VoxelGrid

from .model_loading import dataset_config_of, init_model, read_config

__all__ = ['DEPTH_KINDS', 'RGBDInferencer', 'is_rgbd_config', 'read_depth_image']

#: Kind of a 16-bit PNG -> reader.
DEPTH_KINDS = dict(mm=read_plain_depth_mm, nyu=read_nyu_depth)
# Names of a config's pipeline -> argument of the call.
_ARGUMENTS = dict(img='img', segmentation='segmentation')
_COMPUTED = ('tsdf', 'tsdf_fine', 'voxel_to_pixel', 'pixel_to_voxel')


def is_rgbd_config(config: str | PathLike[str] | Config) -> bool:
    """Whether the config's model reads what is made of a depth image (TSDF, mapping)."""
    return _loader_of(dataset_config_of(read_config(config)).get('pipeline') or []) is not None


def _kind(step: Mapping[str, Any]) -> Any:
    return TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']


def _loader_of(pipeline: Any) -> Mapping[str, Any] | None:
    steps = [step for step in pipeline if _kind(step) is LoadRGBDFrame]
    return steps[0] if steps else None


def read_depth_image(path: str | PathLike[str], kind: str = 'mm') -> np.ndarray:
    """A depth image: ``.npy`` in metres, or a 16-bit PNG.

    Args:
        path: The file.
        kind: Of a PNG: ``'mm'`` millimetres, as most depth cameras write, or ``'nyu'``, bits
            rotated by 3, as SSCNet wrote NYU.

    Returns:
        (H, W) float32, metres along the optical axis, 0 = none.

    Raises:
        DataError: The file is missing or damaged, or of another kind.
    """
    if str(path).lower().endswith('.npy'):
        return read_npy(path, kinds='f').astype(np.float32)
    return DEPTH_KINDS[kind](path)


@INFERENCERS.register_module()
class RGBDInferencer:
    """A model for depth cameras behind plain arrays: any image size, pinhole camera and pose.

    TSDF and voxel-pixel mapping are computed from the depth image, the rest takes the way of the
    data set's samples: the transforms of the config's test pipeline and the data preprocessor.

    Example::

        inferencer = RGBDInferencer('configs/light/light_depth_nyu.py', 'light_depth_nyu.pth')
        sample = inferencer('depth.png', (fx, fy, cx, cy))
        sample.pred_voxels  # (60, 36, 60) uint8 class ids over sample.voxel_grid, 0 = empty

    Args:
        config: File or loaded config.
        checkpoint: File with weights; None keeps random weights.
        device: Default: the GPU where there is one.
        cfg_options: Overrides of the config.
        voxel_grid: Predict this box instead of the config's, see :func:`init_model`; its origin
            does not matter.

    Raises:
        DataError: The config's model reads something else, or see :func:`init_model`.
    """

    def __init__(
        self,
        config: str | PathLike[str] | Config,
        checkpoint: str | PathLike[str] | None = None,
        device: str | torch.device | None = None,
        cfg_options: Mapping[str, Any] | None = None,
        voxel_grid: VoxelGrid | Mapping[str, Any] | None = None,
    ) -> None:
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = init_model(config, checkpoint, device, voxel_grid, cfg_options)
        pipeline = dataset_config_of(self.model.cfg).get('pipeline') or []
        loader = _loader_of(pipeline)
        if loader is None:
            raise DataError(
                self.model.cfg.filename or 'config', 'pipeline', 'LoadRGBDFrame', 'none',
                'For images with points or stereo depth: DrivingInferencer',
            )  # fmt: skip
        self.needed = set(loader['keys']) & {*_ARGUMENTS, *_COMPUTED, 'tsdf_clean'}
        self.pipeline = Compose(
            [TRANSFORMS.build(step) for step in pipeline if _kind(step) is not LoadRGBDFrame]
        )

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """Classes, palette and ids of the data set that the model was made for."""
        return self.model.dataset_meta

    @torch.no_grad()
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
    ) -> SSCDataSample:
        """Predict one scene.

        Args:
            depth: File, see :func:`read_depth_image`, or (H, W) metres, 0 = none.
            cam2img: (3, 3) intrinsics in pixels, or ``fx, fy, cx, cy``.
            cam2world: (4, 4), camera (x right, y down, z forward) to a world with z up and the
                floor at z = 0, metres. None searches the floor in the depth image; the camera is
                then at x = y = 0 and looks along y.
            img: (H, W, 3) uint8 RGB, registered with the depth; for models that read one.
            segmentation: (H, W) uint8 ids, registered with the depth; for models that read one.
            depth_kind: See :func:`read_depth_image`.
            origin: Lower corner of the box, world x, y, z; None places it in front of the camera
                by SSCNet's rule.
            hide_unknown: Make voxels empty that the camera sees to be empty, or that it does not
                see and nothing hides: networks are not trained there, so they predict noise.

        Returns:
            A data sample on the CPU with ``pred_voxels`` and the metainfo, the grid included.

        Raises:
            DataError: A file or an array is missing or wrong, no floor is seen, or no pixel lies
                in the box.
        """
        name = str(depth) if isinstance(depth, (str, PathLike)) else 'depth image'
        results = self._results(name, depth, cam2img, cam2world, depth_kind, origin)
        for key, value, read in (
            ('img', img, read_rgb),
            ('segmentation', segmentation, read_png_uint8),
        ):
            if key not in self.needed:
                continue
            if value is None:
                raise DataError(name, key, 'an image: this model reads one', 'none')
            array = read(value) if isinstance(value, (str, PathLike)) else np.asarray(value)
            if array.shape[:2] != results['image_size']:
                raise DataError(name, f'{key} size', results['image_size'], array.shape[:2])
            results[key] = [array] if key == 'img' else array
        hidden = (results['tsdf'] < 0) | (results['voxel_to_pixel'] >= 0)
        sample = self.model.test_step(pseudo_collate([self.pipeline(results)]))[0].cpu()
        if hide_unknown:
            sample.pred_voxels[~torch.from_numpy(hidden)] = 0
        return sample

    def _results(
        self,
        name: str,
        depth: Any,
        cam2img: Any,
        cam2world: Any,
        depth_kind: str,
        origin: tuple[float, float, float] | None,
    ) -> dict[str, Any]:
        """What the data set and LoadRGBDFrame would hand on."""
        if isinstance(depth, (str, PathLike)):
            depth = read_depth_image(depth, depth_kind)
        image = torch.from_numpy(np.ascontiguousarray(depth, np.float32))
        matrix = np.asarray(cam2img, np.float64)
        matrix = camera_matrix(matrix) if matrix.shape == (4,) else matrix
        camera = torch.from_numpy(matrix)
        if cam2world is None:
            pose = level_camera(image, camera.float())
        else:
            cam2world = np.asarray(cam2world, np.float64)
            if cam2world.shape != (4, 4):
                raise DataError(name, 'cam2world, shape', (4, 4), cam2world.shape)
            check_rigid(cam2world, name, 'cam2world')
            world2cam = Camera(matrix, np.linalg.inv(cam2world), (1, 1))
            pose = torch.from_numpy(np.linalg.inv(world2cam.ref2cam)).float()
            pose[3] = torch.tensor([0.0, 0, 0, 1])
        grid = self._grid(pose, origin)
        volumes = depth_volumes(image, camera.float(), pose, grid)
        if not bool((volumes.voxel_to_pixel >= 0).any()):
            hint = 'Wrong pose, unit of the depth (--depth-kind), or intrinsics?'
            raise DataError(name, 'depth', 'a pixel in the box of voxels', 'none', hint)
        size = tuple(image.shape)
        results = dict(
            sequence='', frame_id='000000', sample_idx=0, voxel_grid=grid,
            num_classes=len(self.dataset_meta['classes']),
            ignore_index=self.dataset_meta.get('ignore_index', 255),
            image_size=size, img_shape=size, ori_shape=size, cam2img=matrix,
            lidar2cam=np.linalg.inv(pose.double().numpy())[None],
            tsdf=volumes.tsdf.numpy(), voxel_to_pixel=volumes.voxel_to_pixel.long().numpy(),
        )  # fmt: skip
        if 'tsdf_clean' in self.needed:
            raise DataError(name, 'tsdf_clean', 'a model that reads the TSDF of a sensor',
                            'one that reads that of noise-free depth')  # fmt: skip
        if 'tsdf_fine' in self.needed:
            results['tsdf_fine'] = volumes.tsdf_fine.numpy()
        if 'pixel_to_voxel' in self.needed:
            mapping = torch.from_numpy(results['voxel_to_pixel'])
            results['pixel_to_voxel'] = invert_mapping(mapping, size).numpy()
        return results

    def _grid(self, pose: torch.Tensor, origin: tuple[float, float, float] | None) -> VoxelGrid:
        box = self.model.voxel_grid
        if origin is None:
            return place_grid(pose, box.voxel_size[0], box.shape, box.axes)
        corner = tuple(float(origin['xyz'.index(axis)]) for axis in box.axes)
        return VoxelGrid(corner, box.voxel_size, box.shape, box.axes, box.frame)  # type: ignore[arg-type]
