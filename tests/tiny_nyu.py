"""Parts of a tiny NYU tree: two frames of 6 x 4 x 6 voxels and 8 x 10 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.datasets.rgbd_list import Frame, FrameFile, RGBDList, write_rgbd_list
from mmssc.formats import torchssc as torchssc
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_prepared import write_prepared
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, 0, 0), 0.08, (6, 4, 6), ('x', 'z', 'y'), 'world')
IMAGE_SIZE = (8, 10)
SPEC = FrameSpec(GRID, IMAGE_SIZE, 12)
FRAMES = ('0003', '0004')
CAM2WORLD = np.array([[1.0, 0, 0, 0.5], [0, 0, 1, 0.25], [0, -1, 0, 1.5], [0, 0, 0, 1]])
PREPARED = {
    key: FrameFile('prepared/nyu/{frame_id}.npz', 'prepared')
    for key in ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'gt_sketch')
}
TORCHSSC = dict(
    tsdf=FrameFile('TSDF/{frame_id}.npz', 'torchssc_tsdf'),
    label_weight=FrameFile('TSDF/{frame_id}.npz', 'torchssc_tsdf'),
    voxel_to_pixel=FrameFile('Mapping/{frame_id}.npz', 'torchssc_mapping'),
    gt_voxels=FrameFile('Label/{frame_id}.npz', 'torchssc_label'),
    gt_sketch=FrameFile('Label/{frame_id}.npz', 'torchssc_label'),
)
SHARED_FILES = dict(
    img=FrameFile('RGB/{frame_id}.png', 'rgb'), segmentation=FrameFile('seg/{frame_id}.png', 'ids')
)


def frame_arrays(seed: int) -> dict[str, np.ndarray]:
    """Random arrays of a frame, by key."""
    random = np.random.default_rng(seed)
    labels = random.choice(np.uint8([0, 0, 0, 255, 1, 5, 11]), GRID.shape)
    mapping = np.full(GRID.num_voxels, -1, np.int32)
    mapping[random.permutation(GRID.num_voxels)[:20]] = random.permutation(80)[:20]
    return dict(
        tsdf=random.uniform(-1, 1, GRID.shape).astype(np.float32),
        voxel_to_pixel=mapping.reshape(GRID.shape),
        gt_voxels=labels,
        label_weight=random.random(GRID.shape) < 0.6,
        gt_sketch=random.integers(0, 2, GRID.shape).astype(np.uint8),
        img=random.integers(0, 256, (*IMAGE_SIZE, 3), np.uint8),
        segmentation=random.integers(0, 14, IMAGE_SIZE, np.uint8),
    )


def make_list(frames: Sequence[Frame] | None = None) -> RGBDList:
    """Prepared NYU, the same as TorchSSC's files under the name "torchssc", NYUCAD."""
    cad = {
        key: FrameFile(file.path.replace('nyu', 'nyucad'), file.format)
        for key, file in PREPARED.items()
    }
    return RGBDList(
        'NYU',
        'train',
        GRID,
        IMAGE_SIZE,
        dict(nyu=(5.0, 6.0, 4.5, 3.5), nyucad=(5.0, 5.0, 5.0, 4.0)),
        dict(nyu=PREPARED, nyucad=cad, torchssc=TORCHSSC, shared=SHARED_FILES),
        frames or [Frame('0003', origin=(1.0, 2.0, 3.0), cam2world=CAM2WORLD), Frame('0004')],
    )


def write_nyu_tree(root: Path) -> None:
    """Every file of two frames, and the info list."""
    for seed, frame_id in enumerate(FRAMES):
        arrays = frame_arrays(seed)
        for folder in ('RGB', 'seg'):
            (root / folder).mkdir(exist_ok=True, parents=True)
        Image.fromarray(arrays.pop('img')).save(root / f'RGB/{frame_id}.png')
        Image.fromarray(arrays.pop('segmentation')).save(root / f'seg/{frame_id}.png')
        write_prepared(root / f'prepared/nyu/{frame_id}.npz', arrays, SPEC)
        clean = dict(arrays, tsdf=-arrays['tsdf'], voxel_to_pixel=arrays['voxel_to_pixel'][::-1])
        write_prepared(root / f'prepared/nyucad/{frame_id}.npz', clean, SPEC)
        tsdf, weight = arrays['tsdf'], arrays['label_weight']
        torchssc.write_torchssc_tsdf(root / f'TSDF/{frame_id}.npz', tsdf, weight)
        mapping, labels = arrays['voxel_to_pixel'], arrays['gt_voxels']
        torchssc.write_torchssc_mapping(root / f'Mapping/{frame_id}.npz', mapping, IMAGE_SIZE)
        torchssc.write_torchssc_label(root / f'Label/{frame_id}.npz', labels, 12)
    write_rgbd_list(root / 'nyu_infos_train.json', make_list())
