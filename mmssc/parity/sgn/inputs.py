"""Inputs of SGN's parity cases: calibration, motion, clouds, images and labels from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.driving_list import write_driving_list
from mmssc.errors import DataError
from mmssc.fileio import atomic_write
from mmssc.formats.kitti import read_calib, read_poses, write_velodyne, write_voxel_labels
from mmssc.geometry import pool_labels, voxel_to_pixel
from mmssc.parity import reference_fill as fill
from mmssc.parity.report import ParityCase, ParityReport, crc32
from mmssc.structures import SSCDataSample, VoxelGrid

__all__ = ['CALIB', 'SGNCaseInputs', 'build_inputs', 'check_inputs', 'read_calib_text']

FRAME = 15
NUM_POSES = 16
NUM_CLASSES = 20
SEQUENCE = '08'
CALIB = (
    'P2: 707.0912 0 601.8873 46.88783 0 707.0912 183.1104 0.1178601 0 0 1 0.006203223\n'
    'Tr: -1.857739385241e-03 -9.999659513510e-01 -8.039975204516e-03 -4.784029760483e-03 '
    '-6.481465826011e-03 8.051860151134e-03 -9.999466081774e-01 -7.337429464231e-02 '
    '9.999773098287e-01 -1.805528627661e-03 -6.496203536139e-03 -3.339968064433e-01\n'
)
# The small images of the tiny case have other intrinsics.
_TINY_P2 = np.array([[185.0, 0, 160, 0], [0, 185, 48, 0], [0, 0, 1, 0]])
_OFFSETS: dict[int, tuple[int, ...]] = {5: (-12, -9, -6, -3), 3: (-6, -3), 1: ()}
_GRIDS = {'full': (0.2, (256, 256, 32)), 'tiny': (0.8, (64, 64, 8))}
_IMAGES = {'full': ('img', (370, 1220)), 'tiny': ('tiny_img', (96, 320))}
# Prefix of the names, coarse shape, repeats along each axis.
_LABELS = {
    'full': ('label', (64, 64, 8), (4, 4, 4)),
    'tiny': ('tiny_label', (16, 16, 4), (4, 4, 2)),
}
# A float32 coordinate below 64 m is within 4e-6 m of the float64 one.
_FLOAT32_METRES = 4e-6


@dataclass(frozen=True)
class SGNCaseInputs:
    """One case, ready for the model.

    Args:
        inputs: ``img`` (1, N, 3, H, W) float32 normalised, ``points`` one (M, 3) float32 cloud,
            ``cam2img`` (1, 3, 3) and ``lidar2cam`` (1, N, 4, 4) float64.
        sample: Sample with the targets.
        current_cloud: (M, 4) float32, the point file of the current frame.
    """

    inputs: dict[str, Any]
    sample: SSCDataSample
    current_cloud: np.ndarray

    def to(self, device: str) -> SGNCaseInputs:
        """The same on another device."""
        moved = {
            key: [item.to(device) for item in value]
            if isinstance(value, list)
            else value.to(device)
            for key, value in self.inputs.items()
        }
        return SGNCaseInputs(moved, self.sample.to(device), self.current_cloud)


def build_inputs(size: str, seed: int, num_frames: int, folder: Path) -> SGNCaseInputs:
    """Write a small SemanticKITTI tree and read frame 15 of it through our data set.

    Args:
        size: ``'full'`` or ``'tiny'``.
        seed: Seed of the case.
        num_frames: Number of frames, including the current one.
        folder: Empty folder for the tree.

    Raises:
        DataError: There is no recipe for this number of frames.
    """
    if num_frames not in _OFFSETS:
        known = sorted(_OFFSETS)
        raise DataError(f'{size} SGN case', 'n_frames', f'one of {known}', num_frames)
    offsets = _OFFSETS[num_frames]
    clouds = {frame: make_cloud(frame, seed) for frame in (FRAME, *(FRAME + o for o in offsets))}
    dataset = _write_tree(folder, size, seed, clouds, offsets)
    item = dataset[0]
    sample = item['data_samples']
    name, (height, width) = _IMAGES[size]
    image = fill.normal(name, (1, 1, num_frames, 3, height, width), seed)[0]
    inputs = dict(
        img=torch.from_numpy(image),
        points=[item['inputs']['points']],
        cam2img=torch.as_tensor(sample.cam2img)[None],
        lidar2cam=torch.as_tensor(sample.lidar2cam)[None],
    )
    return SGNCaseInputs(inputs, sample, clouds[FRAME])


def read_calib_text(folder: Path) -> dict[str, np.ndarray]:
    """The calibration of the cases, read back from a ``calib.txt`` in ``folder``."""
    with atomic_write(folder / 'calib.txt', 'w') as file:
        file.write(CALIB)
    return read_calib(folder / 'calib.txt')


def make_cloud(frame: int, seed: int) -> np.ndarray:
    """Pseudo-lidar of a frame: ground, boxes, walls, clutter; (89200, 4) float32."""

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        return fill.uniform(f'cloud{frame}/{name}', shape, seed).astype(np.float64)

    u = draw('ground', (40000, 3))
    blocks = [np.stack([2 + 48 * u[:, 0], -24 + 48 * u[:, 1], -1.73 + 0.06 * (u[:, 2] - 0.5)], 1)]
    b, q = draw('box', (24, 5)), draw('box_points', (24, 800, 3))
    corner = np.stack([5 + 42 * b[:, 0], -20 + 40 * b[:, 1], np.full(24, -1.73)], 1)
    extent = np.stack([0.5 + 4 * b[:, 2], 0.5 + 2.5 * b[:, 3], 0.5 + 2.5 * b[:, 4]], 1)
    blocks.append((corner[:, None] + extent[:, None] * q).reshape(-1, 3))
    for name, side in (('right', -1), ('left', 1)):
        u = draw(f'wall_{name}', (10000, 3))
        x, y = 3 + 47 * u[:, 0], side * (11 + 0.6 * u[:, 1])
        blocks.append(np.stack([x, y, -1.73 + 5.5 * u[:, 2]], 1))
    u = draw('clutter', (10000, 3))
    blocks.append(np.stack([-3 + 58 * u[:, 0], -28 + 56 * u[:, 1], -3.5 + 9 * u[:, 2]], 1))
    points = np.concatenate(blocks)
    return np.concatenate([points, np.ones((len(points), 1))], 1).astype(np.float32)


def make_labels(size: str, seed: int) -> np.ndarray:
    """Label volume ``1_1``, uint8: blocks of one class, noise, and unknown voxels."""
    name, coarse, repeats = _LABELS[size]
    coarse_name = 'label_coarse' if size == 'full' else name
    draw = fill.integers(coarse_name, coarse, seed, 0, 60)
    labels = np.where(draw < 36, 0, np.where(draw < 55, draw - 35, 255))
    for axis, count in enumerate(repeats):
        labels = labels.repeat(count, axis)
    noise = fill.uniform(f'{name}_noise', labels.shape, seed)
    other = fill.integers(f'{name}_noise_class', labels.shape, seed, 0, NUM_CLASSES)
    labels = np.where(noise < 0.02, other, labels)
    return np.where(noise > 0.97, 255, labels).astype(np.uint8)


def _write_poses(folder: Path) -> np.ndarray:
    rows = []
    for frame in range(NUM_POSES):
        a = 0.004 * frame
        rows.append([
            np.cos(a), 0, np.sin(a), 0.03 * frame, 0, 1, 0, -0.01 * frame,
            -np.sin(a), 0, np.cos(a), 0.85 * frame,
        ])  # fmt: skip
    with atomic_write(folder / 'poses.txt', 'w') as file:
        file.writelines(' '.join(f'{value:.12e}' for value in row) + '\n' for row in rows)
    return read_poses(folder / 'poses.txt')


def _write_tree(
    folder: Path, size: str, seed: int, clouds: dict[int, np.ndarray], offsets: tuple[int, ...]
) -> SemanticKITTIDataset:
    calib = read_calib_text(folder)
    voxel_size, shape = _GRIDS[size]
    grid = VoxelGrid((0.0, -25.6, -2.0), voxel_size, shape)
    write_driving_list(
        folder / 'infos.json',
        dict(
            metainfo=dict(dataset='SemanticKITTI', split='val', format_version=1, voxel_grid=grid),
            sequences={
                SEQUENCE: dict(
                    P2=calib['P2'] if size == 'full' else _TINY_P2,
                    lidar2cam=np.vstack([calib['Tr'], [0, 0, 0, 1]]),
                    poses=_write_poses(folder),
                )
            },
            data_list=[dict(sequence=SEQUENCE, frame_id=f'{FRAME:06d}', labelled=True)],
        ),
    )
    for frame, cloud in clouds.items():
        write_velodyne(folder / f'dataset/pseudo_lidar/{SEQUENCE}/{frame:06d}.bin', cloud)
    labels = make_labels(size, seed)
    coarse = pool_labels(torch.from_numpy(labels), 2, NUM_CLASSES).numpy()
    stem = folder / f'dataset/labels/{SEQUENCE}'
    write_voxel_labels(stem / f'{FRAME:06d}_1_1.npy', labels)
    write_voxel_labels(stem / f'{FRAME:06d}_1_2.npy', coarse)
    pipeline = [
        dict(type='LoadDrivingPoints'),
        dict(type='LoadDrivingLabels'),
        dict(type='PackSSCInputs'),
    ]
    return SemanticKITTIDataset(
        ann_file='infos.json',
        data_root=str(folder),
        frame_offsets=offsets,
        pipeline=[{**step, 'type': f'mmssc.{step["type"]}'} for step in pipeline],
        test_mode=True,
    )


def check_inputs(
    case: ParityCase, made: SGNCaseInputs, grid: VoxelGrid, report: ParityReport
) -> None:
    """Compare the inputs with the case file.

    Args:
        case: The case file.
        made: Our inputs.
        grid: Grid of the projection.
        report: Collects the rows.
    """
    points = made.inputs['points'][0].double().cpu().numpy()
    index = case['input_lidar/idx'].astype(np.int64)
    report.equal('input_lidar/shape', points.shape, case['input_lidar/shape'])
    expected = case['input_lidar/val']
    report.close('input_lidar', points.reshape(-1)[index], expected, absolute=_FLOAT32_METRES)
    image = made.inputs['img']
    pixels, visible = voxel_to_pixel(
        grid,
        made.inputs['lidar2cam'][0].cpu(),
        made.inputs['cam2img'].cpu(),
        tuple(image.shape[-2:]),
    )
    report.equal('input/fov_count', visible.sum(1), case['input/fov_count'])
    labels, coarse = made.sample.gt_voxels, made.sample.gt_voxels_1_2
    if 'input/label_1_1' in case:
        shown = torch.where(visible[..., None], pixels, -1)
        report.equal('input/projected_pix', shown, case['input/projected_pix'])
        report.equal(
            'input/fov_mask_packed', np.packbits(visible, 1), case['input/fov_mask_packed']
        )
        report.equal('input/label_1_1', labels, case['input/label_1_1'])
        report.equal('input/label_1_2', coarse, case['input/label_1_2'])
        return
    _check_full_inputs(case, made, points, report)
    masks = [crc32(np.packbits(mask)) for mask in visible.numpy()]
    report.equal('input/fov_crc32', masks, case['input/fov_crc32'])
    seen = [crc32(pix[mask], '<i4') for pix, mask in zip(pixels.numpy(), visible.numpy())]
    report.equal('input/pix_crc32', seen, case['input/pix_crc32'])


def _check_full_inputs(
    case: ParityCase, made: SGNCaseInputs, points: np.ndarray, report: ParityReport
) -> None:
    report.equal('input/lidar_shape', points.shape, case['input/lidar_shape'])
    # The sums are those of the cloud before its cast to float32.
    absolute = _FLOAT32_METRES * len(points) ** 0.5
    report.close('input/lidar_colsum', points.sum(0), case['input/lidar_colsum'], absolute=absolute)
    same = crc32(points, '<f4') == case.integer('input/lidar_crc32_f4')
    report.tell('input/lidar_crc32_f4', same)
    report.equal(
        'input/cloud15_crc32', crc32(made.current_cloud, '<f4'), case['input/cloud15_crc32']
    )
    poses = made.inputs['lidar2cam'][0]
    report.close('input/ref2cam', poses, case['input/ref2cam'], absolute=1e-12)
    report.equal('input/img_crc32', crc32(made.inputs['img'], '<f4'), case['input/img_crc32'])
    for name, labels in (('1_1', made.sample.gt_voxels), ('1_2', made.sample.gt_voxels_1_2)):
        found = labels.cpu().numpy()
        report.equal(
            f'input/label_{name}_crc32_u1', crc32(found, 'u1'), case[f'input/label_{name}_crc32_u1']
        )
        histogram = np.bincount(found.reshape(-1), minlength=256)
        report.equal(f'input/label_{name}_hist', histogram, case[f'input/label_{name}_hist'])
