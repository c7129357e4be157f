"""Make the toy data set: ``python projects/example_project/make_toy_data.py data/toy``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from example_project import ToyScenesDataset
from PIL import Image

from mmssc.datasets.driving_list import write_driving_list
from mmssc.fileio import atomic_write
from mmssc.formats.kitti import write_depth, write_voxel_labels
from mmssc.geometry import field_of_view_mask
from mmssc.structures import VoxelGrid

GRID = VoxelGrid.build(ToyScenesDataset.METAINFO['voxel_grid'])
PALETTE = np.array(ToyScenesDataset.METAINFO['palette'], np.float64)
GROUND, BOX, PILLAR, WALL = 1, 2, 3, 4
IGNORE = 255
HEIGHT, WIDTH = 64, 96
CAM2IMG = np.array([[60.0, 0, 47.5], [0, 60, 31.5], [0, 0, 1]])
# The camera looks along x of the lidar: right = -y, down = -z, forward = x.
LIDAR2CAM = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0.1], [1, 0, 0, 0.3], [0, 0, 0, 1]])
STEP = 0.03  # of the ray marching, metres


def make_scene(rng: np.random.Generator) -> np.ndarray:
    """Class ids (32, 32, 8) along x, y, z: ground, boxes, pillars and maybe a wall."""
    volume = np.zeros((32, 32, 8), np.uint8)
    volume[:, :, 0] = GROUND
    if rng.random() < 0.7:
        side = rng.choice([rng.integers(0, 6), rng.integers(26, 32)])
        volume[:, side, 1 : rng.integers(4, 7)] = WALL
    for _ in range(rng.integers(2, 5)):
        x, y = rng.integers(6, 27), rng.integers(3, 25)
        length, width, height = rng.integers(3, 6), rng.integers(3, 6), rng.integers(2, 4)
        volume[x : x + length, y : y + width, 1 : 1 + height] = BOX
    for _ in range(rng.integers(2, 5)):
        volume[rng.integers(8, 32), rng.integers(2, 30), 1:8] = PILLAR
    return volume


def render(volume: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and depth (H, W) float32 of a scene along x, y, z."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(CAM2IMG).T
    cam2lidar = np.linalg.inv(LIDAR2CAM)
    directions = rays @ cam2lidar[:3, :3].T
    depths = np.arange(STEP, 7, STEP)
    points = cam2lidar[:3, 3] + depths[:, None, None, None] * directions
    low = np.array([GRID.origin[GRID.axes.index(axis)] for axis in 'xyz'])
    index = np.floor((points - low) / GRID.voxel_size[0]).astype(np.int64)
    inside = ((index >= 0) & (index < volume.shape)).all(-1)
    index[~inside] = 0
    classes = np.where(inside, volume[tuple(np.moveaxis(index, -1, 0))], 0)
    hit = classes.astype(bool)
    first = hit.argmax(0)
    seen = np.take_along_axis(classes, first[None], 0)[0]
    depth = np.where(seen > 0, depths[first], 0).astype(np.float32)
    shade = 1 / (1 + 0.08 * depth[..., None])
    image = np.where(seen[..., None] > 0, PALETTE[seen] * shade, (150, 190, 230))
    image += rng.normal(0, 6, image.shape)
    return image.clip(0, 255).astype(np.uint8), depth


def labels_of(volume: np.ndarray) -> np.ndarray:
    """Labels in the grid's axis order; what the camera cannot see is not labelled."""
    labels = volume.transpose(['xyz'.index(axis) for axis in GRID.axes]).copy()
    visible = field_of_view_mask(
        GRID, torch.from_numpy(LIDAR2CAM), torch.from_numpy(CAM2IMG), (HEIGHT, WIDTH)
    )
    labels[~visible.numpy()] = IGNORE
    return labels


def write_split(root: Path, split: str, num_scenes: int, seed: int) -> None:
    """Write all files of a split; one frame per scene."""
    rng = np.random.default_rng(seed)
    names = [f'{split}{number:03d}' for number in range(num_scenes)]
    for name in names:
        volume = make_scene(rng)
        image, depth = render(volume, rng)
        with atomic_write(root / 'images' / name / '000000.png') as file:
            Image.fromarray(image).save(file, format='PNG')
        write_depth(root / 'depth' / name / '000000.npy', depth)
        write_voxel_labels(root / 'labels' / name / '000000_1_1.npy', labels_of(volume))
    sequence = dict(
        P2=np.pad(CAM2IMG, ((0, 0), (0, 1))), lidar2cam=LIDAR2CAM, poses=np.eye(4)[None]
    )
    info = dict(
        metainfo=dict(dataset='ToyScenes', split=split, format_version=1, voxel_grid=GRID),
        sequences=dict.fromkeys(names, sequence),
        data_list=[dict(sequence=name, frame_id='000000', labelled=True) for name in names],
    )
    write_driving_list(root / f'toy_infos_{split}.json', info)


def main() -> None:
    """Make the data set that the command line asks for."""
    parser = argparse.ArgumentParser(description='Make the toy data set.')
    parser.add_argument('root', type=Path, help='folder to write, e.g. data/toy')
    parser.add_argument('--num-train', type=int, default=24, help='number of training scenes')
    parser.add_argument('--num-val', type=int, default=6, help='number of validation scenes')
    args = parser.parse_args()
    write_split(args.root, 'train', args.num_train, seed=0)
    write_split(args.root, 'val', args.num_val, seed=1)
    print(f'{args.num_train} + {args.num_val} scenes written to {args.root}')


if __name__ == '__main__':
    main()
