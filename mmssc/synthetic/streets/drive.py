"""Synthetic drives in the layout of raw SemanticKITTI: images, depth, lidar and voxel labels.

All files of a frame are rendered from the same geometry, so images, depth, poses, scans and voxel
labels agree. They replace the real data in tests and in the quick start; scores on them say nothing
about real streets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.kitti import (
    write_calib,
    write_depth,
    write_poses,
    write_raw_labels,
    write_velodyne,
    write_voxel_bits,
)
from mmssc.formats.point_labels import write_point_labels
from mmssc.structures import VoxelGrid
from mmssc.synthetic.panorama import SIGHT, Panorama, take_panorama
from mmssc.synthetic.ray_casting import (
    PanoramaRays,
    ParallelRays,
    PinholeRays,
    RayImage,
    cast_rays,
    intersect_ground,
)

from .appearance import cast_shadow, paint_image
from .layout import Street, build_street
from .lidar import LidarModel, returned
from .objects import RAW_IDS
from .voxels import VoxelAnnotation, annotate_voxels

__all__ = ['DriveSettings', 'SyntheticDrive', 'RenderedView', 'write_synthetic_drive']

LIDAR_HEIGHT = 1.73
BASELINE = 0.54
_SHIFT_P2 = 0.06
_VIEW = 120.0
_FRAME_SECONDS = 0.1
# The camera of KITTI's later sequences: focal length and centre of a 370 x 1226 image.
_FOCAL, _CENTER, _SIZE = 707.0912, (601.8873, 183.1104), (370, 1226)
_MOUNT_ANGLES = (-0.0065, -0.0019, 0.0081)
_MOUNT_SHIFT = (-0.0048, -0.0734, -0.3340)
_LIDAR_ELEVATIONS = (2.0, -24.8)
_REFLECTANCE = {
    'road': 0.25, 'traffic-sign': 0.95, 'car': 0.6, 'vegetation': 0.35, 'building': 0.45,
}  # fmt: skip


@dataclass(frozen=True)
class DriveSettings:
    """Settings of all drives of a tree.

    Args:
        frames: Number of frames of a drive.
        seed: Together with the sequence, it determines the drive.
        image_size: (height, width); the intrinsics are KITTI's, scaled to it.
        grid: Voxel grid in the lidar frame, axes x, y, z.
        frame_step: Metres between frames.
        label_step: Write voxel files every ``label_step`` frames.
        lidar_size: Rows and columns of the scan.
        lidar: How the lidar measures, with labels of its points; None: the exact first surface of
            every beam, without point labels.
    """

    frames: int = 25
    seed: int = 0
    image_size: tuple[int, int] = (96, 320)
    grid: VoxelGrid = VoxelGrid((0.0, -25.6, -2.0), (0.8, 0.8, 0.8), (64, 64, 8))
    frame_step: float = 1.0
    label_step: int = 5
    lidar_size: tuple[int, int] = (64, 600)
    lidar: LidarModel | None = None

    def __post_init__(self) -> None:
        checks = {
            'frames': self.frames,
            'image_size': min(self.image_size),
            'frame_step': self.frame_step,
            'label_step': self.label_step,
            'lidar_size': min(self.lidar_size),
        }
        for name, value in checks.items():
            if not value > 0:
                raise DataError('synthetic drive', name, 'a positive number', value)
        if self.seed < 0:
            raise DataError('synthetic drive', 'seed', '0 or more', self.seed)
        if self.grid.axes != ('x', 'y', 'z'):
            raise DataError('synthetic drive', 'grid axes', ('x', 'y', 'z'), self.grid.axes)


@dataclass(frozen=True)
class RenderedView:
    """The view of one camera.

    Args:
        image: (H, W, 3) uint8 RGB.
        depth: (H, W) float32 metres along the optical axis, 0 = nothing within 120 m.
        labels: (H, W) uint16 raw id, 0 = sky.
    """

    image: np.ndarray
    depth: np.ndarray
    labels: np.ndarray


def _rotation(angles: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x, then y, then z (roll, pitch, yaw), radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array(((1, 0, 0), (0, cx, -sx), (0, sx, cx)))
    about_y = np.array(((cy, 0, sy), (0, 1, 0), (-sy, 0, cy)))
    about_z = np.array(((cz, -sz, 0), (sz, cz, 0), (0, 0, 1)))
    return about_z @ about_y @ about_x


class SyntheticDrive:
    """One drive along one street, rendered frame by frame; this class writes no file.

    Args:
        sequence: Two digits, e.g. ``'08'``.
        settings: Sizes.
    """

    def __init__(self, sequence: str, settings: DriveSettings) -> None:
        if not (sequence.isascii() and sequence.isdigit()):
            raise DataError('synthetic drive', 'sequence', "digits, e.g. '08'", repr(sequence))
        self.sequence, self.settings = sequence, settings
        self.entropy = (settings.seed, int(sequence))
        length = (settings.frames - 1) * settings.frame_step
        self.street: Street = build_street(self.entropy, length)
        self.calib = self._calibrate(settings.image_size)
        self.lidar2world = np.stack([self._lidar_pose(f) for f in range(settings.frames)])

    @staticmethod
    def _calibrate(image_size: tuple[int, int]) -> dict[str, np.ndarray]:
        scale = [new / old for new, old in zip(image_size, _SIZE)]
        intrinsics = np.array((
            (_FOCAL * scale[1], 0, _CENTER[0] * scale[1]),
            (0, _FOCAL * scale[0], _CENTER[1] * scale[0]),
            (0, 0, 1),
        ))  # fmt: skip
        calib, places = {}, (0.0, BASELINE, -_SHIFT_P2, BASELINE - _SHIFT_P2)
        for name, x in zip(('P0', 'P1', 'P2', 'P3'), places):
            calib[name] = intrinsics @ np.column_stack((np.eye(3), (-x, 0, 0)))
        axes = np.array(((0.0, -1, 0), (0, 0, -1), (1, 0, 0)))
        calib['Tr'] = np.column_stack((axes @ _rotation(_MOUNT_ANGLES), _MOUNT_SHIFT))
        return calib

    def _lidar_pose(self, frame: int) -> np.ndarray:
        """Lidar to world: along the right lane, with small rotations."""
        s = frame * self.settings.frame_step
        pose, phase = np.eye(4), 2 * np.pi * np.random.default_rng((*self.entropy, 1)).random(3)
        nod = 0.004 * np.sin(np.array((s / 7.0, s / 5.0, s / 9.0)) + phase)
        heading = float(self.street.heading(np.float64(s)))
        pose[:3, :3] = _rotation((nod[0], nod[1], heading + nod[2]))
        lane = -self.street.road_half / 2
        pose[:2, 3] = self.street.to_world(np.float64(s), np.float64(lane))
        pose[2, 3] = LIDAR_HEIGHT
        return pose

    @property
    def lidar2cam(self) -> np.ndarray:
        """(4, 4) lidar to camera 0."""
        return np.vstack((self.calib['Tr'], (0, 0, 0, 1)))

    @property
    def poses(self) -> np.ndarray:
        """(F, 4, 4) camera 0 of every frame to camera 0 of the first."""
        cam2world = self.lidar2world @ np.linalg.inv(self.lidar2cam)
        return np.linalg.inv(cam2world[0]) @ cam2world

    def _shadow(self) -> tuple[ParallelRays, np.ndarray]:
        # Only images need the shadow: it is cast once, for the first image.
        if not hasattr(self, '_shadow_raster'):
            self._shadow_raster = cast_shadow(self.street)
        return self._shadow_raster

    def _cast(self, rays: RayImage, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ray parameter, solid and raw label of the first hit of every ray."""
        t, index = cast_rays(rays, self.street.solids, reach)
        ground = intersect_ground(rays, reach)
        t = np.where(t < reach, t, np.inf).astype(np.float32)
        index = np.where((ground < t) | ~np.isfinite(t), -1, index)
        t = np.minimum(t, ground)
        labels = np.zeros(t.shape, np.uint16)
        labels[index >= 0] = self.street.solids.label[index[index >= 0]]
        on_ground = np.isfinite(t) & (index < 0)
        points = rays.points(np.where(on_ground, t, 0))[on_ground]
        labels[on_ground] = self.street.ground_label(points[:, 0], points[:, 1])
        return t, index, labels

    def render(self, frame: int, camera: int = 2) -> RenderedView:
        """The view of camera 2 (left) or 3 (right)."""
        projection = self.calib[f'P{camera}']
        world2cam = self.lidar2cam @ np.linalg.inv(self.lidar2world[frame])
        shift = np.eye(4)
        shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
        cam2world = np.linalg.inv(shift @ world2cam)
        rays = PinholeRays(projection[:, :3], cam2world, self.settings.image_size)
        depth, index, labels = self._cast(rays, _VIEW)
        rng = np.random.default_rng((*self.entropy, 2, frame, camera))
        image = paint_image(self.street, rays, depth, index, self._shadow(), rng)
        return RenderedView(image, np.where(np.isfinite(depth), depth, 0), labels)

    def scan(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Lidar scan: (N, 4) float32 x, y, z (m, lidar frame), reflectance, and raw ids (N,)."""
        model = self.settings.lidar
        rows, columns = self.settings.lidar_size
        limits = _LIDAR_ELEVATIONS if model is None else model.elevations
        elevations = np.deg2rad(np.linspace(*limits, rows))
        rays = PanoramaRays(elevations, columns, self.lidar2world[frame])
        distance, index, labels = self._cast(rays, SIGHT)
        hit = np.isfinite(distance)
        points = rays.points(np.where(hit, distance, 0))[hit]
        labels, rng = labels[hit], np.random.default_rng((*self.entropy, 3, frame))
        if model is None:
            reflectance = self._simple_reflectance(labels, rng)
        else:
            points, reflectance, kept = returned(
                model, self.street.solids, points, rays.origin, index[hit], labels, rng
            )
            labels = labels[kept]
        world2lidar = rays.world2sensor
        points = points @ world2lidar[:3, :3].T + world2lidar[:3, 3]
        return np.column_stack((points, reflectance)).astype(np.float32), labels

    @staticmethod
    def _simple_reflectance(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Reflectance by class, without materials."""
        table = np.full(max(RAW_IDS.values()) + 1, 0.3)
        for name, value in _REFLECTANCE.items():
            table[RAW_IDS[name]] = value
        return np.clip(table[labels] + rng.normal(0, 0.05, len(labels)), 0, 0.99)

    def panorama(self, frame: int) -> Panorama:
        """Visibility from a position; the panoramas of all frames give the voxel labels."""
        size = min(self.settings.grid.voxel_size)
        return take_panorama(self.street.solids, self.lidar2world[frame], size)

    def annotate(self, frame: int, panoramas: dict[int, Panorama] | None = None) -> VoxelAnnotation:
        """Voxel labels of a frame.

        Args:
            frame: The frame.
            panoramas: Panoramas of all frames, to save time.
        """
        panoramas = panoramas or {f: self.panorama(f) for f in self.positions_in_sight(frame)}
        nearby = self.positions_in_sight(frame)
        lidar2world = self.lidar2world[frame]
        points, labels = self.scan(frame)
        world = points[:, :3].astype(np.float64) @ lidar2world[:3, :3].T + lidar2world[:3, 3]
        return annotate_voxels(
            self.street, self.settings.grid, lidar2world, nearby.index(frame),
            [panoramas[near] for near in nearby], (world, labels),
        )  # fmt: skip

    def positions_in_sight(self, frame: int) -> list[int]:
        """Frames that may see a part of this frame's grid from their position."""
        grid = self.settings.grid
        size = np.abs(np.array((grid.origin, grid.upper))[:, :2]).max(0)
        reach = float(np.linalg.norm(size)) + SIGHT
        gap = np.linalg.norm(self.lidar2world[:, :2, 3] - self.lidar2world[frame, :2, 3], axis=1)
        return np.flatnonzero(gap < reach).tolist()


def drive_folders(out: str | PathLike[str], sequence: str) -> tuple[Path, Path]:
    """Folder of a sequence's raw files, and of its depth maps."""
    dataset = Path(out) / 'dataset'
    return dataset / 'sequences' / sequence, dataset / 'depth' / sequence


@lru_cache(maxsize=2)
def open_drive(sequence: str, settings: DriveSettings) -> SyntheticDrive:
    """The drive, cached for the next frame."""
    return SyntheticDrive(sequence, settings)


def remove_other_frames(out: str | PathLike[str], sequence: str, settings: DriveSettings) -> None:
    """Remove files of frames that a drive with these settings does not have."""
    folder, depth_folder = drive_folders(out, sequence)
    frames = {f'{frame:06d}' for frame in range(settings.frames)}
    labelled = {f'{frame:06d}' for frame in range(0, settings.frames, settings.label_step)}
    kinds = dict.fromkeys(
        (folder / name for name in ('image_2', 'image_3', 'velodyne', 'labels')), frames
    )
    for place, names in {**kinds, depth_folder: frames, folder / 'voxels': labelled}.items():
        for path in place.glob('[0-9]' * 6 + '.*'):
            if path.stem not in names:
                path.unlink()


def write_drive_files(out: str | PathLike[str], sequence: str, settings: DriveSettings) -> None:
    """Write ``calib.txt``, ``poses.txt`` and ``times.txt``."""
    folder, drive = drive_folders(out, sequence)[0], open_drive(sequence, settings)
    write_calib(folder / 'calib.txt', drive.calib)
    write_poses(folder / 'poses.txt', drive.poses)
    with atomic_write(folder / 'times.txt', 'w') as file:
        file.writelines(f'{frame * _FRAME_SECONDS:e}\n' for frame in range(settings.frames))


def _write_image(path: Path, image: np.ndarray) -> None:
    with atomic_write(path) as file:
        Image.fromarray(image).save(file, format='PNG', compress_level=3)


def write_sensor_files(
    out: str | PathLike[str], sequence: str, settings: DriveSettings, frame: int
) -> Panorama:
    """Write both images, the depth and the scan of a frame; return its panorama."""
    (folder, depth_folder), drive = drive_folders(out, sequence), open_drive(sequence, settings)
    name, left = f'{frame:06d}', drive.render(frame, 2)
    _write_image(folder / 'image_2' / f'{name}.png', left.image)
    _write_image(folder / 'image_3' / f'{name}.png', drive.render(frame, 3).image)
    write_depth(depth_folder / f'{name}.npy', left.depth)
    points, labels = drive.scan(frame)
    write_velodyne(folder / 'velodyne' / f'{name}.bin', points)
    if settings.lidar is not None:
        write_point_labels(folder / 'labels' / f'{name}.label', labels)
    return drive.panorama(frame)


def write_voxel_files(
    out: str | PathLike[str], sequence: str, settings: DriveSettings, frame: int,
    panoramas: dict[int, Panorama],
) -> None:  # fmt: skip
    """Write ``.label``, ``.invalid``, ``.occluded`` and ``.bin`` of a frame."""
    path = drive_folders(out, sequence)[0] / 'voxels' / f'{frame:06d}'
    annotation = open_drive(sequence, settings).annotate(frame, panoramas)
    write_raw_labels(path.with_suffix('.label'), annotation.labels)
    write_voxel_bits(path.with_suffix('.invalid'), annotation.invalid)
    write_voxel_bits(path.with_suffix('.occluded'), annotation.occluded)
    write_voxel_bits(path.with_suffix('.bin'), annotation.scan)


def write_synthetic_drive(
    out: str | PathLike[str], sequence: str = '00', settings: DriveSettings | None = None
) -> SyntheticDrive:
    """Write one drive as raw SemanticKITTI, in this process.

    Args:
        out: Root folder; files go to ``out/dataset/sequences/SS`` and ``out/dataset/depth/SS``.
        sequence: Two digits.
        settings: Sizes; the default is that of the quick start.

    Returns:
        The drive, for comparison with the files.
    """
    settings = settings or DriveSettings()
    write_drive_files(out, sequence, settings)
    panoramas = {
        frame: write_sensor_files(out, sequence, settings, frame)
        for frame in range(settings.frames)
    }
    for frame in range(0, settings.frames, settings.label_step):
        write_voxel_files(out, sequence, settings, frame, panoramas)
    return open_drive(sequence, settings)
