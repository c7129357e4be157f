"""The table of all sample keys, which packing, batching, flips and caches use.

Axes of a shape: ``N`` views or frames, ``H`` rows and ``W`` columns of the image, ``X, Y, Z`` array
axes of the voxel grid, ``M`` any number; 1 a channel that packing adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from mmssc.errors import DataError

__all__ = [
    'SAMPLE_KEYS', 'STORED_TARGETS', 'SampleKey', 'add_sample_key', 'find_sample_key',
    'keys_of_role',
]  # fmt: skip

_ROLES = ('input', 'target', 'mask', 'meta', 'calibration')
#: What is left of a shape without its numbers.
_AXES = ((), ('N',), ('M',), ('H', 'W'), ('N', 'H', 'W'), ('X', 'Y', 'Z'))
_COARSE = re.compile(r'gt_voxels_1_[1-9]\d*')
_FRAMES = ('grid', 'camera', 'pixels')


@dataclass(frozen=True)
class SampleKey:
    """What one key of a sample holds. Packing, batching and flips follow from it.

    Args:
        name: The key in the results of the transforms, and in ``inputs`` or the data sample.
        role: ``'input'`` of the model; ``'target'`` or ``'mask'`` (a dict of named volumes) of the
            data sample; ``'meta'``, metainfo of the data sample; ``'calibration'``, used by
            transforms only.
        shape: Axes of one packed sample; () if the value is not an array. An axis ``N`` is a list
            in the results of the transforms.
        dtype: Of the packed tensor; packing converts numbers of the same kind (float64 to
            float32).
        unit: Unit and meaning of a value.
        refers_to: ``'pixels'`` or ``'voxels'`` if values are indices of pixels or voxels. Such
            values become wrong when image or grid change.
        frames: Of a matrix: (source frame, target frame), each ``'grid'``, ``'camera'`` or
            ``'pixels'``. Of points: a tuple of their one frame.
        stored_as: Name in our own files of RGB-D frames; '' if these files do not contain it.

    Raises:
        DataError: A field has an unknown or impossible value.
    """

    name: str
    role: str
    shape: tuple[str | int, ...] = ()
    dtype: str = ''
    unit: str = ''
    refers_to: str = ''
    frames: tuple[str, ...] = ()
    stored_as: str = ''

    def __post_init__(self) -> None:
        for field, values, allowed in (
            ('role', [self.role], _ROLES),
            ('refers_to', [self.refers_to], ('', 'pixels', 'voxels')),
            ('frames', self.frames, _FRAMES),
        ):
            if not set(values) <= set(allowed):
                names = ', '.join(map(repr, allowed))
                self._refuse(field, f'values among {names}', list(values))
        if not self.name or (_COARSE.fullmatch(self.name) and self.name != 'gt_voxels_1_N'):
            self._refuse('name', 'a name other than gt_voxels_1_*', repr(self.name))
        self._check_shape()
        try:
            np.dtype(self.dtype or 'float32')
        except TypeError:
            self._refuse('dtype', 'a type of NumPy', repr(self.dtype))

    def _check_shape(self) -> None:
        if not isinstance(self.shape, tuple):
            self._refuse('shape', 'a tuple of axes', repr(self.shape))
        letters = tuple(axis for axis in self.shape if not isinstance(axis, int))
        # Channels come before the axes of image or grid.
        last = tuple(axis for axis in letters if axis not in ('N', 'M'))
        if letters not in _AXES or self.shape[len(self.shape) - len(last) :] != last:
            expected = 'axes such as (3, H, W), (N, H, W), (X, Y, Z), (M, 3)'
            self._refuse('shape', expected, self.shape)
        if self.role == 'mask' and not self.over_voxels:
            self._refuse('shape', 'the axes X, Y, Z of a mask', self.shape)
        if len(self.frames) == 1 and self.shape != ('M', 3):
            self._refuse('shape', "('M', 3) for points in a frame", self.shape)
        if len(self.frames) > 2:
            self._refuse('frames', 'at most two', self.frames)

    def _refuse(self, field: str, expected: str, found: object) -> None:
        raise DataError(f'SampleKey {self.name!r}', field, expected, found)

    @property
    def has_views(self) -> bool:
        """One array for each view or frame."""
        return 'N' in self.shape and 'H' in self.shape

    @property
    def over_pixels(self) -> bool:
        """A value for each pixel: changes with the image."""
        return 'H' in self.shape

    @property
    def over_voxels(self) -> bool:
        """A value for each voxel: changes with the grid."""
        return 'X' in self.shape

    @property
    def over_points(self) -> bool:
        """A value for each point of a scan."""
        return self.shape[:1] == ('M',)

    @property
    def has_channel(self) -> bool:
        """Packing puts a channel of length 1 in front."""
        return self.shape[:1] == (1,)

    @property
    def leading(self) -> int:
        """Axes of an array in the results before those of the grid, without the added channel."""
        return self.shape.index('X') - self.has_channel if self.over_voxels else 0

    def check_axes(self, name: str, shape: tuple[int, ...], source: str) -> None:
        """Refuse an array (of one view) that has another number of axes than the key.

        Args:
            name: Name of the array.
            shape: Its shape, as the transforms see it: without the channel that packing adds.
            source: The sample, for the message.

        Raises:
            DataError: The numbers of axes differ.
        """
        axes = self.shape[self.has_views + (self.has_channel and self.over_voxels) :]
        if self.over_pixels and len(axes) == 3:
            axes = (*axes[1:], axes[0])
        if (self.over_pixels or self.over_voxels) and len(shape) != len(axes):
            raise DataError(source, name, f'an array ({", ".join(map(str, axes))})', shape)

    @property
    def is_stacked(self) -> bool:
        """Whether a batch is one tensor; arrays of any length form a list instead."""
        return bool(self.shape) and 'M' not in self.shape

    @property
    def is_matrix(self) -> bool:
        """A matrix (or one for each view) from one frame to another."""
        return len(self.frames) == 2

    @property
    def pixel_fill(self) -> int:
        """Value of pixels that padding adds: -1 for an index, else 0. (``img`` gets a colour.)"""
        return -1 if self.refers_to else 0

    def voxel_fill(self, ignore_index: int) -> int:
        """Value of voxels without data: ``ignore_index`` in labels, "none" in an index, else 0."""
        if self.name.startswith('gt_voxels'):
            return ignore_index
        # "none" is -1, which is 255 in uint8.
        return int(np.array(-1).astype(self.dtype)) if self.refers_to else 0


_VOLUME = ('X', 'Y', 'Z')
_CHANNEL = (1, *_VOLUME)
_SIGNED = 'truncated signed distance, -1..1'
_CLASSES = 'class id, 0 = empty, 255 = ignore'

#: Name -> key. To add one, write a line here, or call :func:`add_sample_key` in a project.
SAMPLE_KEYS: dict[str, SampleKey] = {
    key.name: key
    for key in (
        # Inputs.
        SampleKey('img', 'input', ('N', 3, 'H', 'W'), 'uint8',
                  'RGB, 0..255; float32 after resizing or padding'),
        SampleKey('depth', 'input', ('N', 'H', 'W'), 'float32', 'metres, 0 = none'),
        SampleKey('points', 'input', ('M', 3), 'float32', 'metres', frames=('grid',)),
        SampleKey('occupancy', 'input', _VOLUME, 'bool', 'voxels that a scan hits'),
        SampleKey('reflectance', 'input', ('M',), 'float32', '0..1, of each point'),
        SampleKey('segmentation', 'input', ('H', 'W'), 'uint8', 'id of a 2D segmentation',
                  stored_as='segmentation'),
        SampleKey('tsdf', 'input', _CHANNEL, 'float32', _SIGNED, stored_as='tsdf'),
        SampleKey('tsdf_clean', 'input', _CHANNEL, 'float32', f'{_SIGNED}, of clean depth'),
        SampleKey('tsdf_fine', 'input', _CHANNEL, 'float32', f'{_SIGNED}, on a finer grid',
                  stored_as='tsdf_fine'),
        SampleKey('voxel_to_pixel', 'input', _VOLUME, 'int64', 'flat pixel index, -1 = none',
                  refers_to='pixels', stored_as='voxel_to_pixel'),
        SampleKey('pixel_to_voxel', 'input', ('H', 'W'), 'int64', 'flat voxel index, -1 = none',
                  refers_to='voxels'),
        SampleKey('surface_offset', 'input', _CHANNEL, 'float32',
                  'metres behind the visible surface, along the optical axis'),
        SampleKey('voxel_segments', 'input', _VOLUME, 'int64', '1 + id of the 2D segmentation'),
        # Targets.
        SampleKey('gt_voxels', 'target', _VOLUME, 'uint8', _CLASSES, stored_as='label'),
        SampleKey('gt_voxels_1_N', 'target', _VOLUME, 'uint8',
                  f'{_CLASSES}; voxels N times as long'),
        SampleKey('label_weight', 'target', _VOLUME, 'bool', 'voxels used in training',
                  stored_as='label_weight'),
        SampleKey('gt_sketch', 'target', _VOLUME, 'uint8', '1 = border between classes',
                  stored_as='sketch'),
        SampleKey('frustum_index', 'target', _VOLUME, 'uint8', 'cell of the image, 255 = none',
                  refers_to='pixels'),
        # Masks.
        SampleKey('eval_masks', 'mask', _VOLUME, 'bool', 'voxels that a protocol scores'),
        # Metainfo; the data preprocessor stacks the matrices.
        SampleKey('sample_idx', 'meta'),
        SampleKey('sequence', 'meta'),
        SampleKey('frame_id', 'meta'),
        SampleKey('voxel_grid', 'meta', unit='VoxelGrid'),
        SampleKey('img_paths', 'meta'),
        SampleKey('img_shape', 'meta', unit='(height, width)'),
        SampleKey('cam2img', 'meta', (3, 3), 'float64', 'pixels', frames=('camera', 'pixels')),
        SampleKey('lidar2cam', 'meta', ('N', 4, 4), 'float64', 'metres',
                  frames=('grid', 'camera')),
        # For transforms only.
        SampleKey('ori_shape', 'calibration', unit='(height, width) of the image file'),
        SampleKey('image_size', 'calibration', unit='(height, width) that mappings refer to'),
        SampleKey('num_classes', 'calibration', unit='number of classes with the empty one'),
        SampleKey('ignore_index', 'calibration', unit='label of voxels without a label'),
        SampleKey('fine_factor', 'calibration', unit='voxels of tsdf_fine along an edge'),
        SampleKey('flipped', 'calibration', unit='whether a flip was drawn'),
        SampleKey('P2', 'calibration', (3, 4), 'float64', 'pixels', frames=('camera', 'pixels')),
        SampleKey('frame2ref', 'calibration', ('N', 4, 4), 'float64', 'metres',
                  frames=('grid', 'grid')),
    )
}  # fmt: skip
#: Targets in our own files of RGB-D frames: the labels and what follows from them.
STORED_TARGETS = tuple(
    key.name for key in SAMPLE_KEYS.values() if key.role == 'target' and key.stored_as
)


def add_sample_key(key: SampleKey) -> None:
    """Register a key of a project, so that it is packed, batched and flipped.

    Raises:
        DataError: There is already a key with this name.
    """
    known = SAMPLE_KEYS.setdefault(key.name, key)
    if known != key:
        raise DataError('add_sample_key', key.name, 'a new name', f'there is {known}')


def find_sample_key(name: str) -> SampleKey | None:
    """The key of this name, e.g. ``'tsdf'`` or ``'gt_voxels_1_4'``; None if there is none."""
    if _COARSE.fullmatch(name):
        return SAMPLE_KEYS['gt_voxels_1_N']
    return SAMPLE_KEYS.get(name)


def keys_of_role(results: Iterable[str], role: str) -> Iterator[tuple[str, SampleKey]]:
    """Name and key of every entry of ``results`` (names, or a dict by name) of this role."""
    for name in list(results):
        key = find_sample_key(name)
        if key is not None and key.role == role:
            yield name, key
