"""Read an RGB-D frame: image, segmentation, TSDF, mapping, labels, masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from mmssc.datasets.eval_masks import nyu_masks
from mmssc.errors import DataError
from mmssc.formats.file_warnings import warn_of_file
from mmssc.formats.rgbd_format import FINE_FACTOR, FrameSpec
from mmssc.formats.rgbd_frame import FORMATS, frame_keys, read_frame_file
from mmssc.geometry import invert_mapping
from mmssc.registry import TRANSFORMS
from mmssc.structures.sample_keys import keys_of_role

from .frame_errors import warn_unlabelled
from .reading import ReadingTransform, SampleFile

__all__ = ['LoadRGBDFrame', 'frame_spec_of', 'known_keys', 'read_camera_images']

# Key -> keys of the files that it is computed from.
_DERIVED = dict(pixel_to_voxel=('voxel_to_pixel',), eval_masks=('voxel_to_pixel', 'label_weight'))


def known_keys() -> list[str]:
    """Keys that :class:`LoadRGBDFrame` can load."""
    return [*frame_keys(), 'tsdf_clean', *_DERIVED]


def frame_spec_of(item: Mapping[str, Any]) -> FrameSpec:
    """Shapes and ranges that the arrays of an item's files must have.

    Args:
        item: ``voxel_grid``, ``image_size`` (height, width), ``num_classes`` and, if it is not 4,
            ``fine_factor``, as in :class:`~mmssc.datasets.NYUDataset`.
    """
    fine_factor = item.get('fine_factor', FINE_FACTOR)
    return FrameSpec(item['voxel_grid'], item['image_size'], item['num_classes'], fine_factor)


@TRANSFORMS.register_module()
class LoadRGBDFrame(ReadingTransform):
    """Read the keys that a method needs, from the files in the data set's info list.

    Required Keys: ``sequence``, ``frame_id``, ``files``, ``voxel_grid``, ``image_size``,
    ``num_classes``

    Added Keys, of ``keys``:

    - ``img``: [(H, W, 3) uint8 RGB], with ``img_paths``; ``ori_shape`` and ``img_shape``
      (height, width) are always added
    - ``depth``: [(H, W) float32, metres along the optical axis, 0 = none]
    - ``segmentation`` (H, W) uint8, ids of a 2D segmentation
    - ``tsdf``, ``tsdf_clean`` (X, Y, Z) float32 in [-1, 1]; ``tsdf_fine`` the same on a grid with a
      quarter of the voxel size (in general ``1 / fine_factor`` of the info list)
    - ``voxel_to_pixel`` (X, Y, Z) int64, flat pixel index, -1 = none; ``pixel_to_voxel`` (H, W)
      int64, flat voxel index, -1 = none; if several voxels share a pixel, the largest index
    - ``gt_voxels`` (X, Y, Z) uint8, 255 = ignore; ``label_weight`` (X, Y, Z) bool; ``gt_sketch``
      (X, Y, Z) uint8, 0 or 1
    - ``eval_masks``: see :func:`nyu_masks`

    Args:
        keys: What to load.
        optional: Keys that are loaded if the data set has them: ``('tsdf_clean',)`` depends on its
            ``clean_source``. For a split without labels: ``('gt_voxels', 'label_weight',
            'eval_masks')``.

    Raises:
        DataError: A key is unknown or not in the data set, or a file is missing, damaged or has
            another shape, type or range.
    """

    data_kind = 'rgbd'

    def __init__(self, keys: Sequence[str], optional: Sequence[str] = ()) -> None:
        unknown = sorted({*keys, *optional} - set(known_keys()))
        if unknown:
            raise DataError('config', 'LoadRGBDFrame.keys', ', '.join(known_keys()), unknown)
        self.keys, self.optional = tuple(keys), tuple(optional)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The entries of ``keys`` that are neither targets nor masks."""
        return tuple(name for name, _ in keys_of_role(self.keys, 'input'))

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read every file once."""
        arrays: dict[str, np.ndarray] = {}
        for _, content in self.read_files(results):
            arrays.update(content)
        results['ori_shape'] = results['img_shape'] = tuple(results['image_size'])
        for key in self._wanted(results):
            results[key] = self._value(key, arrays, results)
        return results

    def _wanted(self, results: Mapping[str, Any]) -> list[str]:
        offered = set(results['files']) - set(results.get('missing', ()))
        optional = [key for key in self.optional if set(_DERIVED.get(key, (key,))) <= offered]
        return [*self.keys, *optional]

    def _needed(self, results: Mapping[str, Any]) -> set[str]:
        """Keys of the files that are read for a frame of the data set."""
        return {part for key in self._wanted(results) for part in _DERIVED.get(key, (key,))}

    def files(self, results: Mapping[str, Any]) -> list[SampleFile]:
        """The files of the frame, each with the keys that it holds."""
        groups: dict[tuple[str, str], list[str]] = {}
        for key in sorted(self._needed(results)):
            if key not in results['files']:
                name = f'{results["sequence"]}/{results["frame_id"]}'
                hint = (
                    'tsdf_clean needs the clean_source of the data set'
                    if key == 'tsdf_clean'
                    else results.get('prepare_hint')
                )
                raise DataError(name, key, 'a file in the info list', 'none', hint)
            groups.setdefault(results['files'][key], []).append(key)
        spec = frame_spec_of(results)
        return [
            SampleFile(
                path,
                name,
                partial(_read, path, name, keys, spec),
                tuple(keys),
                prepared=name in FORMATS and FORMATS[name].made_by_converter,
            )
            for (path, name), keys in groups.items()
        ]

    @staticmethod
    def _value(key: str, arrays: Mapping[str, np.ndarray], results: dict[str, Any]) -> Any:
        if key == 'eval_masks':
            return nyu_masks(arrays['label_weight'], arrays['voxel_to_pixel'])
        if key == 'pixel_to_voxel':
            mapping = torch.from_numpy(arrays['voxel_to_pixel'].astype(np.int64))
            return invert_mapping(mapping, results['image_size']).numpy()
        if key == 'voxel_to_pixel':
            return arrays[key].astype(np.int64)
        if key == 'img':
            results['img_paths'] = [results['files']['img'][0]]
            return [arrays['img']]
        if key == 'depth':
            return [arrays['depth']]
        return arrays[key]


def _read(path: str, format_name: str, keys: Sequence[str], spec: FrameSpec) -> dict[str, Any]:
    """The arrays of one file; ``tsdf_clean`` is the ``tsdf`` of its file."""
    stored = ['tsdf' if key == 'tsdf_clean' else key for key in keys]
    arrays = read_frame_file(path, format_name, stored, spec)
    if 'gt_voxels' in arrays:
        warn_unlabelled(path, arrays['gt_voxels'])
    return {key: arrays[name] for key, name in zip(keys, stored)}


def read_camera_images(item: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Colour image and depth of an RGB-D frame for pictures, if the data set has files of them.

    Many pipelines do not read them: the network gets the volumes that were computed from them. So
    an image that cannot be read is a warning.

    Args:
        item: As ``get_data_info`` of a data set returns it; a drive has no such files.

    Returns:
        ``img`` (H, W, 3) uint8 RGB and ``depth`` (H, W) metres, 0 = none, those that there are.
    """
    files = set(item.get('files', ())) - set(item.get('missing', ()))
    images = {}
    for key in files.intersection(('img', 'depth')):
        try:
            images[key] = np.asarray(LoadRGBDFrame([key])(dict(item))[key][0])
        except DataError as error:
            warn_of_file(error.file, 'picture', f'not shown in pictures: {error}')
    return images
