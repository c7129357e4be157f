"""A tiny raw tree of NYU and NYUCAD: a floor and a wall seen by a level camera."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from mmssc.formats.sscnet import SSCNetVolume, write_nyu_depth, write_sscnet_bin
from mmssc.geometry.floor import tilted_camera
from mmssc.preparation.rgbd.nyu import prepare_nyu

HEIGHT, WIDTH = 24, 32
# Voxels of the network 0.4 m, fine ones 0.1 m.
COARSE, FINE = (6, 4, 6), (24, 16, 24)
CAMERA = (20.0, 20.0, 15.5, 11.5)
OPTIONS = [
    '--image-size', '24', '32', '--grid-shape', '6', '4', '6', '--voxel-size', '0.4',
    '--camera', ','.join(map(str, CAMERA)), '--cad-camera', '21,21,16,12', '--workers', '1',
]  # fmt: skip
FRAMES = dict(train=('0003', '0005'), test=('0001',))
ORIGIN = np.float32([-1.2, 0.4, -0.05])


def depth_of(frame_id: str, noise: float = 0.0) -> np.ndarray:
    """Depth of the floor and of a wall at 2 m or so."""
    random = np.random.default_rng(int(frame_id))
    down = (np.arange(HEIGHT) - 11.5) / 20
    with np.errstate(divide='ignore'):
        floor = np.where(down > 0, 1.2 / down, np.inf)
    depth = np.minimum(floor, 1.6 + 0.1 * int(frame_id))[:, None].repeat(WIDTH, 1)
    depth = depth + noise * random.standard_normal(depth.shape)
    return np.where(random.random(depth.shape) < 0.05 * bool(noise), 0, depth)


def volume_of(frame_id: str) -> SSCNetVolume:
    random = np.random.default_rng(int(frame_id))
    blocks = random.choice(np.uint8([0, 0, 0, 255, 2, 5, 7, 36]), (12, 8, 12))
    ids = blocks.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    # A block that is half empty and half unknown: --tie decides.
    ids[:4, :4, :2], ids[:4, :4, 2:4] = 0, 255
    return SSCNetVolume(ORIGIN, tilted_camera(1.2).numpy(), ids)


def nyu_tree(root: Path, sources: tuple[str, ...] = ('NYU', 'NYUCAD')) -> Path:
    """Raw files of three frames; colour images of two of them."""
    for split, frames in FRAMES.items():
        for frame_id in frames:
            for source in sources:
                stem = root / f'{source}{split}' / f'NYU{frame_id}_0000'
                write_nyu_depth(f'{stem}.png', depth_of(frame_id, 0.01 * (source == 'NYU')))
                write_sscnet_bin(f'{stem}.bin', volume_of(frame_id))
            if frame_id != '0005':
                path = root / 'RGB' / f'NYU{frame_id}_rgb.png'
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)
    return root


def convert(root: Path, *options: object) -> int:
    """Run the converter in this process."""
    return prepare_nyu('test', [str(root), *OPTIONS, *map(str, options)])


def file_states(root: Path) -> dict[str, tuple[str, int]]:
    """Checksum and time of every file below a folder."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }
