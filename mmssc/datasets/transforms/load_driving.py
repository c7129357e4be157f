"""Read the files of a driving sample."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from os.path import exists
from typing import Any

import numpy as np
import torch

from mmssc.errors import DataError
from mmssc.formats.depth_units import DepthView, check_road_depth
from mmssc.formats.file_warnings import warn_of_file
from mmssc.formats.images import check_upright, read_rgb
from mmssc.formats.kitti import read_depth, read_scan, read_velodyne, read_voxel_labels
from mmssc.formats.volumes import check_class_ids
from mmssc.geometry import depth_to_points, invert_rigid, pool_labels, transform_points
from mmssc.registry import TRANSFORMS
from mmssc.structures.camera_checks import as_intrinsics, check_image_size

from .frame_errors import unlabelled_error, warn_unlabelled
from .reading import ReadingTransform, SampleFile

__all__ = [
    'LoadDrivingDepth',
    'LoadDrivingPoints',
    'LoadDrivingImages',
    'LoadDrivingLabels',
    'check_camera_size',
    'check_images_upright',
    'lift_depth',
    'merge_clouds',
]


_CROP_OPTION = (
    'write "cropped_images": true into metainfo of the info file (converters: --cropped-images)'
)


@TRANSFORMS.register_module()
class LoadDrivingImages(ReadingTransform):
    """Read the image of every frame.

    Required Keys: ``sequence``, ``frames``; ``cam2img`` where present is checked against the size,
    unless ``cropped_images`` is set

    Added Keys: ``img`` (N arrays (H, W, 3) uint8 RGB), ``img_paths``, ``ori_shape`` and
    ``img_shape`` (height, width)

    Raises:
        DataError: An image is missing or damaged, the frames differ in size, or the intrinsics
            cannot be those of an image of this size.
    """

    data_kind = 'driving'
    inputs = ('img',)

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The images, which are raw files that no converter makes."""
        return _frame_files(results, 'img_path', 'image', read_rgb, self.inputs, prepared=False)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the images; a repeated frame is read once."""
        if results.get('depth_is_read', False):
            check_images_upright(frame['img_path'] for frame in results['frames'])
        read = self.read_files(results)
        results['img_paths'] = [file.path for file, _ in read]
        self.add_arrays(results, dict(img=[image for _, image in read]))
        check_camera_size(results, results['img_shape'])
        return results

    def add_arrays(self, results: dict[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Add the images and their size, which must be the same for all frames."""
        results['img'] = arrays['img']
        results['ori_shape'] = results['img_shape'] = results['img'][0].shape[:2]
        for path, image in zip(results['img_paths'], results['img']):
            if image.shape[:2] != results['img_shape']:
                expected = f'{results["img_shape"]} as the current frame'
                raise DataError(path, 'image size', expected, image.shape[:2])
        return results


def check_images_upright(paths: Iterable[str]) -> None:
    """Refuse images that turn when they are read, for samples whose depth maps are read, too.

    Raises:
        DataError: An image has an orientation in its metadata.
    """
    for path in dict.fromkeys(paths):
        check_upright(path, 'the depth map does not turn with it')


def check_camera_size(results: Mapping[str, Any], image_size: tuple[int, int]) -> None:
    """Check the intrinsics of an item against its image, once per sequence.

    Args:
        results: An item of a data set; ``cam2img`` (3, 3) and ``cropped_images`` are optional.
        image_size: (height, width) of its whole image in pixels.

    Raises:
        DataError: The intrinsics cannot be those of an image of this size.
    """
    if 'cam2img' in results and not results.get('cropped_images', False):
        numbers = tuple(np.ravel(results['cam2img']).tolist())
        _check_once(str(results.get('sequence')), numbers, tuple(image_size))


@lru_cache(maxsize=1024)
def _check_once(sequence: str, cam2img: tuple[float, ...], image_size: tuple[int, int]) -> None:
    source, matrix = f'sequence {sequence}', np.reshape(cam2img, (3, 3))
    as_intrinsics(matrix, source, 'cam2img')
    for remark in check_image_size(matrix, image_size, source, 'cam2img', _CROP_OPTION):
        warnings.warn(f'{source}: {remark}', stacklevel=2)


@TRANSFORMS.register_module()
class LoadDrivingDepth(ReadingTransform):
    """Read the depth map of every frame: stereo, LiDAR or monocular, from ``.npy`` or ``.png``.

    The folder is ``data_prefix['depth']`` of the data set, and the kind of file its
    ``depth_suffix``; nothing else depends on the source of the depth.

    Required Keys: ``sequence``, ``frames``; ``ori_shape`` and ``img_paths`` if images were loaded

    Added Keys: ``depth`` (N arrays (H, W) float32, metres along the optical axis, 0 = none),
    ``depth_is_read``

    Raises:
        DataError: A depth map is missing or damaged, does not have the size of the image, or
            belongs to an image that turns when it is read.
    """

    data_kind = 'driving'
    inputs = ('depth',)

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The depth maps."""
        return _depth_files(results, self.inputs)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the maps; a repeated frame is read once."""
        _note_depth(results)
        depth = [depth for _, depth in self.read_files(results)]
        return self.add_arrays(results, dict(depth=depth))


def _frame_files(
    results: Mapping[str, Any],
    path_key: str,
    kind: str,
    read: Callable[[str], np.ndarray],
    keys: tuple[str, ...],
    **options: Any,
) -> list[SampleFile]:
    """One file per frame, see :class:`SampleFile`."""
    return [
        SampleFile(
            frame[path_key], kind, partial(read, frame[path_key]), keys,
            frame_id=frame['frame_id'], **options,
        )
        for frame in results['frames']
    ]  # fmt: skip


def _note_depth(results: dict[str, Any]) -> None:
    """Check images that were read before, and let images that are read later be checked."""
    check_images_upright(results.get('img_paths', ()))
    results['depth_is_read'] = True


def _depth_files(results: Mapping[str, Any], keys: tuple[str, ...]) -> list[SampleFile]:
    read = partial(_read_depth, size=results.get('ori_shape'), view=_depth_view(results))
    return _frame_files(results, 'depth_path', 'depth', read, keys)


def _depth_view(results: Mapping[str, Any]) -> DepthView | None:
    """Camera and grid of the sample; None if the sample lacks one."""
    if not {'P2', 'lidar2cam', 'voxel_grid'} <= set(results):
        return None
    # Entry 0 is the frame of the sample: the camera has the same place on the car in all frames.
    cam2lidar = np.linalg.inv(results['lidar2cam'][0])
    return DepthView(results['P2'], cam2lidar, results['voxel_grid'])


def _read_depth(path: str, size: tuple[int, int] | None, view: DepthView | None) -> np.ndarray:
    """Read a depth map and check its unit; its size must be that of the image (None: any)."""
    depth = read_depth(path)
    if size is not None and depth.shape != size:
        raise DataError(path, 'size', f'{size} as the image', depth.shape)
    check_road_depth(path, depth, view)
    return depth


def lift_depth(depth: np.ndarray, projection: np.ndarray, lidar2cam: np.ndarray) -> np.ndarray:
    """Lift a depth map to the points that a prepared point file contains.

    Args:
        depth: (H, W) float32 metres, 0 = none.
        projection: (3, 4) float64, camera frame to pixels.
        lidar2cam: (4, 4) float64.

    Returns:
        (M, 3) float32 metres in the lidar frame.
    """
    cam2lidar = invert_rigid(torch.from_numpy(lidar2cam))
    points = depth_to_points(torch.from_numpy(depth), torch.from_numpy(projection), cam2lidar)
    # Point files contain float32: round here as well, so that both sources agree.
    return points.numpy().astype(np.float32)


def merge_clouds(clouds: Sequence[np.ndarray], frame2ref: Sequence[np.ndarray]) -> np.ndarray:
    """Move the points of every frame to the current frame, in float64, and concatenate them.

    Args:
        clouds: N arrays (M, 3) float32, metres, each in its own frame.
        frame2ref: N matrices (4, 4) float64, frame n to the current frame.

    Returns:
        (M, 3) float32, metres, in the order of the clouds.
    """
    merged = []
    for points, motion in zip(clouds, frame2ref):
        if not np.array_equal(motion, np.eye(4)):
            # torch, not NumPy: in data loader workers torch uses one thread, NumPy's BLAS uses all.
            exact = torch.from_numpy(points).to(torch.float64)
            moved = transform_points(exact, torch.from_numpy(motion))
            points = moved.to(torch.float32).numpy()
        merged.append(points)
    return np.concatenate(merged)


@TRANSFORMS.register_module()
class LoadDrivingPoints(ReadingTransform):
    """Read or compute the points of every frame and move them to the current lidar frame.

    Points of frame n are moved by ``frame2ref[n]`` in float64; the clouds are concatenated, current
    frame first. The points of a repeated frame are repeated, as in the training of the published
    models.

    Required Keys: ``sequence``, ``frames``, ``frame2ref``, ``voxel_grid``; for ``'depth'`` also
    ``P2``, ``lidar2cam``; ``ori_shape`` and ``img_paths`` if images were loaded

    Added Keys: ``points`` ((M, 3) float32, metres, current lidar frame); for ``'depth'`` also
    ``depth_is_read``; for ``'velodyne'`` also ``reflectance`` ((M,) float32, 0..1)

    Args:
        source: ``'pseudo_lidar'`` reads the prepared point files; ``'depth'`` computes the same
            points from the depth maps, whose files have a quarter of the size; ``'velodyne'`` reads
            the scans of the lidar.
        crop_to_grid: After the motion, leave out points outside ``voxel_grid``, which no grid of
            the same box uses.

    Raises:
        DataError: A file is missing or damaged, a reflectance is not in 0..1, or a depth map does
            not have the size of the image or belongs to an image that turns when it is read.
    """

    data_kind = 'driving'
    inputs: tuple[str, ...] = ('points',)

    def __init__(self, source: str = 'pseudo_lidar', crop_to_grid: bool = False) -> None:
        if source not in ('pseudo_lidar', 'depth', 'velodyne'):
            expected = "'pseudo_lidar', 'depth' or 'velodyne'"
            raise DataError('config', 'LoadDrivingPoints.source', expected, repr(source))
        self.source = source
        if source == 'velodyne':
            self.inputs = ('points', 'reflectance')
            self.data_kind = 'lidar'
        self.crop_to_grid = crop_to_grid

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The point files, the depth maps, or the scans, which are raw files."""
        if self.source == 'depth':
            return _depth_files(results, self.inputs)
        if self.source == 'velodyne':
            options = 'scan_path', 'points', read_scan, self.inputs
            return _frame_files(results, *options, prepared=False)
        return _frame_files(results, 'pseudo_lidar_path', 'points', read_velodyne, self.inputs)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Load, move and merge the clouds."""
        if self.source == 'depth':
            _note_depth(results)
        read = self.read_files(results)
        clouds: dict[str, np.ndarray] = {}
        for file, content in read:
            if file.path not in clouds:
                clouds[file.path] = self._cloud(file.path, content, results)
        points = merge_clouds([clouds[file.path] for file, _ in read], results['frame2ref'])
        arrays = dict(points=points)
        if self.source == 'velodyne':
            arrays['reflectance'] = np.concatenate([content[:, 3] for _, content in read])
        return self.add_arrays(results, arrays)

    def _cloud(self, path: str, content: np.ndarray, results: Mapping[str, Any]) -> np.ndarray:
        """(M, 3) points of one frame, from the content of its file."""
        if self.source == 'depth':
            return lift_depth(content, results['P2'], results['lidar2cam'][0])
        if self.source == 'pseudo_lidar' and (content[:, 3] != 1).any():
            text = 'the fourth column is not 1 (lidar reflectance?); it is ignored'
            warn_of_file(path, 'fourth column', text)
        return content[:, :3]

    def add_arrays(self, results: dict[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Add the points, cropped to the grid if ``crop_to_grid`` is set."""
        points = arrays['points']
        results.update(arrays)
        if self.crop_to_grid:
            grid = results['voxel_grid']
            inside = np.ones(len(points), bool)
            for axis, low, high in zip(grid.axes, grid.origin, grid.upper):
                column = points[:, 'xyz'.index(axis)]
                inside &= (column > np.float32(low)) & (column < np.float32(high))
            results.update({name: array[inside] for name, array in arrays.items()})
        return results


@TRANSFORMS.register_module()
class LoadDrivingLabels(ReadingTransform):
    """Read the label volumes of a sample.

    Required Keys: ``sequence``, ``frame_id``, ``voxel_grid``, ``num_classes``, ``ignore_index``;
    ``label_paths`` unless ``optional``

    Added Keys: ``gt_voxels`` for scale ``'1_1'``, ``gt_voxels_1_2`` for ``'1_2'`` and so on:
    (X, Y, Z) uint8 train ids

    Args:
        scales: Scales to load.
        optional: Accept a sample that has no labels according to the info file; otherwise it is an
            error.
        pool_missing: If the file of a scale does not exist, pool it from ``'1_1'`` (the converters
            use the same rule) instead of raising an error.

    Raises:
        DataError: A file is missing or damaged, an id is not a class, or the sample has no labels.
    """

    data_kind = 'driving'
    inputs = ()

    def __init__(
        self,
        scales: Sequence[str] = ('1_1', '1_2'),
        optional: bool = False,
        pool_missing: bool = False,
    ) -> None:
        for scale in scales:
            if scale not in ('1_1', '1_2', '1_4', '1_8'):
                expected = "'1_1', '1_2', '1_4' or '1_8'"
                raise DataError('config', 'LoadDrivingLabels.scales', expected, repr(scale))
        self.scales = tuple(scales)
        self.optional = optional
        self.pool_missing = pool_missing

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The volumes; the full-resolution one for a scale that has to be pooled."""
        if 'label_paths' not in results:
            if self.optional:
                return []
            raise unlabelled_error(results, self)
        stored = dict.fromkeys(
            scale if self._is_stored(scale, results) else '1_1' for scale in self.scales
        )
        return [_label_file(scale, results) for scale in stored]

    def _is_stored(self, scale: str, results: Mapping[str, Any]) -> bool:
        return scale == '1_1' or not self.pool_missing or exists(results['label_paths'][scale])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read the volumes; an unlabelled sample does not change if ``optional`` is set."""
        volumes = {file.keys[0]: labels for file, labels in self.read_files(results)}
        if not volumes:
            return results
        for scale in self.scales:
            key = _label_key(scale)
            if key in volumes:
                results[key] = volumes[key]
                continue
            full = results.get('gt_voxels', volumes['gt_voxels'])
            results[key] = pool_labels(
                torch.from_numpy(full), int(scale[2:]), results['num_classes'],
                results['ignore_index'],
            ).numpy()  # fmt: skip
        return results


def _label_key(scale: str) -> str:
    return 'gt_voxels' if scale == '1_1' else f'gt_voxels_{scale}'


def _label_file(scale: str, results: Mapping[str, Any]) -> SampleFile:
    path = results['label_paths'][scale]
    shape = results['voxel_grid'].coarsen(int(scale[2:])).shape
    read = partial(_read_labels, path, shape, results['num_classes'], results['ignore_index'])
    return SampleFile(path, 'labels', read, (_label_key(scale),), shape)


def _read_labels(path: str, shape: tuple[int, ...], classes: int, ignore: int) -> np.ndarray:
    """Read a volume of class ids."""
    labels = read_voxel_labels(path, shape)
    check_class_ids(labels, classes, path, 'train ids', ignore)
    warn_unlabelled(path, labels, ignore)
    return labels
