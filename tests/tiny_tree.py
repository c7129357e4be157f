"""Parts of a tiny SemanticKITTI tree, written by the house's own writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmssc.datasets.driving_list import write_driving_list
from mmssc.formats import kitti as kf
from mmssc.geometry import depth_to_points, invert_rigid
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, -25.6, -2), (3.2, 3.2, 0.8), (16, 16, 8))
P2 = np.array([[30.0, 0, 24, 2], [0, 30, 16, 0.1], [0, 0, 1, 0.005]])
TR = np.array([[0.0, -1, 0, 0.02], [0, 0, -1, -0.07], [1, 0, 0, -0.3]])
IMAGE_SIZE = (32, 48)
NUM_POSES = 8


def camera_poses(count: int = NUM_POSES) -> np.ndarray:
    """A gentle curve: (count, 4, 4)."""
    poses = []
    for n in range(count):
        a = 0.02 * n
        rotation = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
        poses.append(np.c_[rotation, [0.03 * n, -0.01 * n, 0.85 * n]])
    return kf.to_homogeneous(np.stack(poses))


def write_frame(root: Path, sequence: str, frame: int, rng: np.random.Generator) -> None:
    """Image, depth and cloud of one frame; the cloud is the depth map's."""
    image = root / f'dataset/sequences/{sequence}/image_2/{frame:06d}.png'
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*IMAGE_SIZE, 3), np.uint8)).save(image)
    depth = rng.uniform(3, 60, IMAGE_SIZE).astype(np.float32)
    depth[:4] = 0
    kf.write_depth(root / f'dataset/depth/{sequence}/{frame:06d}.npy', depth)
    cam2lidar = invert_rigid(torch.from_numpy(kf.to_homogeneous(TR)))
    points = depth_to_points(torch.from_numpy(depth), torch.from_numpy(P2), cam2lidar)
    kf.write_velodyne(root / f'dataset/pseudo_lidar/{sequence}/{frame:06d}.bin', points.numpy())


def make_info() -> dict:
    """Content of an info file: frames 5, 0 and 7 of 08 and 0 of 00, in a bad order."""
    sequence = {'P2': P2, 'lidar2cam': kf.to_homogeneous(TR), 'poses': camera_poses()}
    samples = [('08', 5), ('08', 0), ('00', 0), ('08', 7)]
    return {
        'metainfo': {
            'dataset': 'SemanticKITTI', 'split': 'val', 'format_version': 1, 'voxel_grid': GRID,
        },
        'sequences': {'00': sequence, '08': sequence},
        'data_list': [
            {'sequence': s, 'frame_id': f'{f:06d}', 'labelled': f != 7} for s, f in samples
        ],
    }  # fmt: skip


def write_tree(root: Path) -> None:
    """Images, depth, clouds, labels and the info file."""
    rng = np.random.default_rng(0)
    info = make_info()
    for sequence, frames in (('08', range(NUM_POSES)), ('00', range(2))):
        for frame in frames:
            write_frame(root, sequence, frame, rng)
    for sample in info['data_list']:
        if sample['labelled']:
            stem = root / f'dataset/labels/{sample["sequence"]}/{sample["frame_id"]}'
            for scale, shape in (('1_1', (16, 16, 8)), ('1_2', (8, 8, 4))):
                labels = rng.choice(np.uint8([0, 0, 0, 255, 1, 9, 19]), shape)
                kf.write_voxel_labels(f'{stem}_{scale}.npy', labels)
    write_driving_list(root / 'semantickitti_infos_val.json', info)
