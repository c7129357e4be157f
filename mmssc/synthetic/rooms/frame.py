"""Synthetic rooms in the raw layout of NYU and NYUCAD: colour, depth, clean depth, voxel labels.

All files of a frame are rendered from the same geometry. They replace the real data in tests and in
the quick start; scores on them say nothing about real rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.sscnet import (
    IGNORE,
    NYU_CAMERAS,
    NYU_IMAGE_SIZE,
    SSCNET_AXES,
    SSCNET_SHAPE,
    SSCNET_VOXEL_SIZE,
    SSCNetVolume,
    write_nyu_depth,
    write_sscnet_bin,
)
from mmssc.geometry import place_grid
from mmssc.structures import VoxelGrid
from mmssc.synthetic.ray_casting import PinholeRays, cast_rays
from mmssc.synthetic.solids import surface_normals

from .appearance import paint_room
from .depth_sensor import sense_depth
from .layout import Room, build_room
from .objects import RAW_IDS, SCREEN, SHINY, WINDOW
from .segments import recognise_segments
from .voxels import voxelize_room

__all__ = ['RoomSettings', 'SyntheticRoom', 'frame_files',
           'write_room_files']  # fmt: skip

# Share of the pixels.
_CEILING_SEEN = 0.01
_REFLECTING = (SCREEN, SHINY, WINDOW)


@dataclass(frozen=True)
class RoomSettings:
    """Settings of all rooms of a tree.

    Args:
        seed: Together with the number of the frame, it determines the room.
        image_size: (height, width); the intrinsics are NYU's, scaled to it.
        shape: Voxels of the ``.bin`` along world x, z (up), y.
        voxel_size: Edge of a voxel, metres.
    """

    seed: int = 0
    image_size: tuple[int, int] = NYU_IMAGE_SIZE
    shape: tuple[int, int, int] = SSCNET_SHAPE
    voxel_size: float = SSCNET_VOXEL_SIZE

    def __post_init__(self) -> None:
        checks = {
            'image_size': min(self.image_size),
            'shape': min(self.shape),
            'voxel_size': self.voxel_size,
        }
        for name, value in checks.items():
            if not value > 0:
                raise DataError('synthetic room', name, 'a positive number', value)
        if self.seed < 0:
            raise DataError('synthetic room', 'seed', '0 or more', self.seed)

    def intrinsics(self, camera: str = 'nyu') -> np.ndarray:
        """(3, 3) intrinsics of an image of this size; ``camera`` is a key of ``NYU_CAMERAS``."""
        down, across = (new / old for new, old in zip(self.image_size, NYU_IMAGE_SIZE))
        fx, fy, cx, cy = NYU_CAMERAS[camera]
        return np.array(((fx * across, 0, cx * across), (0, fy * down, cy * down), (0, 0, 1)))


@dataclass(frozen=True)
class RoomView:
    """The view of a camera.

    Args:
        rays: The camera.
        depth: (H, W) float32 metres along the optical axis, without noise.
        index: (H, W) visible solid.
    """

    rays: PinholeRays
    depth: np.ndarray
    index: np.ndarray


class SyntheticRoom:
    """One rendered frame; this class writes no file.

    Args:
        frame: Number of the frame, 1..9999.
        settings: Sizes.
    """

    def __init__(self, frame: int, settings: RoomSettings) -> None:
        if not 0 < frame < 10000:
            raise DataError('synthetic room', 'frame', '1..9999', frame)
        self.frame, self.settings = frame, settings
        self.entropy = (settings.seed, frame)
        self.room: Room = build_room(self.entropy)

    def look(self, camera: str = 'nyu') -> RoomView:
        """Cast the rays of a camera."""
        cam2img = self.settings.intrinsics(camera)
        rays = PinholeRays(cam2img, self.room.cam2world, self.settings.image_size)
        return RoomView(rays, *cast_rays(rays, self.room.solids, np.inf))

    @cached_property
    def view(self) -> RoomView:
        """The view of the sensor's camera without noise."""
        return self.look()

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng((*self.entropy, stream))

    @cached_property
    def labels(self) -> np.ndarray:
        """(H, W) uint16, raw id of every pixel."""
        return self.room.solids.label[self.view.index]

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, registered with the sensor's depth."""
        view = self.view
        return paint_room(self.room, view.rays, view.depth, view.index, self._rng(1))

    def sensor_depth(self) -> np.ndarray:
        """(H, W) float32 metres with noise, steps and holes, 0 = none."""
        view = self.view
        solids = self.room.solids.take(view.index.reshape(-1))
        normal = surface_normals(solids, view.rays.points(view.depth).reshape(-1, 3))
        unit = view.rays.direction / np.linalg.norm(view.rays.direction, axis=-1, keepdims=True)
        facing = -(normal.reshape(unit.shape) * unit).sum(-1)
        reflecting = np.isin(self.room.solids.style, _REFLECTING)[view.index]
        focal = view.rays.cam2img[0, 0]
        return sense_depth(view.depth, focal, facing, reflecting, self._rng(2))

    def clean_depth(self) -> np.ndarray:
        """(H, W) float32 metres as in NYUCAD: the same pose, another camera, no noise."""
        return self.look('nyucad').depth

    def segments(self) -> np.ndarray:
        """(H, W) uint8, ids 0..13 of a 2D segmentation with errors."""
        return recognise_segments(self.room, self.view.index, self._rng(3))

    @cached_property
    def grid(self) -> VoxelGrid:
        """The grid of the labels, placed by SSCNet's rule."""
        pose = torch.from_numpy(self.room.cam2world)
        return place_grid(pose, self.settings.voxel_size, self.settings.shape, SSCNET_AXES)

    def volume(self) -> SSCNetVolume:
        """Voxel labels, pose and origin; the ceiling is labelled only if the image shows it."""
        x, z, y = self.grid.origin
        origin = np.array((x, y, z), np.float32)
        pose = self.room.cam2world.astype(np.float32)
        raw_ids = voxelize_room(self.room, self.grid)
        ceiling = RAW_IDS['ceiling']
        if (self.labels == ceiling).mean() < _CEILING_SEEN:
            raw_ids[raw_ids == ceiling] = IGNORE
        return SSCNetVolume(origin, pose, raw_ids)


def frame_files(out: str | PathLike[str], split: str, frame: int) -> dict[str, Path]:
    """Content -> path of a frame; ``split`` is ``'train'`` or ``'test'``."""
    out, name = Path(out), f'NYU{frame:04d}_0000'
    return dict(
        image=out / 'RGB' / f'NYU{frame:04d}_rgb.png',
        segments=out / 'seg13' / f'{frame:04d}.png',
        clean_depth=out / f'NYUCAD{split}' / f'{name}.png',
        clean_volume=out / f'NYUCAD{split}' / f'{name}.bin',
        depth=out / f'NYU{split}' / f'{name}.png',
        volume=out / f'NYU{split}' / f'{name}.bin',
    )


def write_room_files(
    out: str | PathLike[str], split: str, frame: int, settings: RoomSettings
) -> None:
    """Write one frame; the ``.bin`` of NYU is last and marks it as complete."""
    files, room = frame_files(out, split, frame), SyntheticRoom(frame, settings)
    for key, pixels in (('image', room.image()), ('segments', room.segments())):
        with atomic_write(files[key]) as file:
            Image.fromarray(pixels).save(file, format='PNG', compress_level=3)
    write_nyu_depth(files['clean_depth'], room.clean_depth())
    write_nyu_depth(files['depth'], room.sensor_depth())
    volume = room.volume()
    for key in ('clean_volume', 'volume'):
        write_sscnet_bin(files[key], volume)
