r"""Compare the camera poses that the floor gives with the annotated ones of NYU.

Few depth images of NYU are at hand, but every frame has a TSDF. So each depth image (120 x 160) is
ray-cast from the TSDF and gets the noise of a Kinect. `Right` is within 5 degrees and 10 cm,
`wrong` is more than 10 degrees or 30 cm, `inexact` is between. A frame shows floor if at least 2 %
of the pixels see it.

Example:
    python tools/analysis_tools/check_floor.py data/nyu/nyu_infos_test.json
"""

from __future__ import annotations

from mmssc.command_line import command, prepare_process

prepare_process()

import argparse
import contextlib
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.datasets import NYUDataset
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.formats.matrices import camera_matrix
from mmssc.geometry import depth_to_voxels, find_floor, turn_camera
from mmssc.preparation.command_line import positive_integer
from mmssc.preparation.rgbd.cache import place_camera
from mmssc.progress import track
from mmssc.structures import VoxelGrid

IMAGE_SIZE, SHRINK = (480, 640), 4
NEAREST, FARTHEST, STEP = 0.5, 7.0, 0.03
# Steps of a Kinect's inverse depth (1/metre), and the standard deviation before rounding.
QUANTUM, NOISE = 0.00287, 0.0015
RIGHT, WRONG = (5.0, 0.1), (10.0, 0.3)
# Labelled floor lies at this height above z = 0 on average, metres.
FLOOR = 0.01
FLOOR_CLASS, FLOOR_SHARE = 2, 0.02
RESULTS = ('right', 'inexact', 'wrong', 'refused')


class Frame(NamedTuple):
    """A ray-cast frame.

    Args:
        depth: (120, 160) metres, 0 = none.
        floor: Share of the pixels that see floor.
        cam2img: (3, 3) intrinsics, pixels.
        cam2world: (4, 4) annotated pose.
    """

    depth: Tensor
    floor: float
    cam2img: Tensor
    cam2world: Tensor


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('infos', type=Path, help='info list of NYU, in the data root')
    text = 'turn the images clockwise by so many degrees first: every pose found is then wrong'
    parser.add_argument('--rotate', type=int, choices=(0, 90, 180, 270), default=0, help=text)
    text = 'tell the search that the images are upright, as --rotate 0 of tools/infer.py does'
    parser.add_argument('--upright', action='store_true', help=text)
    parser.add_argument('--every', type=positive_integer, default=1, help='use each n-th frame')
    return parser.parse_args(arguments)


def cast_rays(tsdf: Tensor, grid: VoxelGrid, cam2img: Tensor, cam2world: Tensor) -> Tensor:
    """Depth (120, 160) at which each pixel's ray enters a surface, metres, 0 = none.

    Args:
        tsdf: (X, Z, Y) in the order of ``grid``.
        grid: Grid of the TSDF, placed in the world.
        cam2img: (3, 3) intrinsics of the small image.
        cam2world: (4, 4) pose.
    """
    row, column = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing='ij')
    rays = torch.stack([column, row, torch.ones_like(row)], -1).reshape(-1, 3)
    rays = rays @ torch.linalg.inv(cam2img).T @ cam2world[:3, :3].T
    order = ['xyz'.index(axis) for axis in grid.axes]
    low, high = torch.tensor(grid.origin), torch.tensor(grid.upper)
    depth, before = torch.zeros(len(rays)), torch.full((len(rays),), torch.nan)
    done = torch.zeros(len(rays), dtype=torch.bool)
    for z in torch.arange(NEAREST, FARTHEST, STEP):
        place = ((rays * z + cam2world[:3, 3])[:, order] - low) / (high - low) * 2 - 1
        # grid_sample wants the last axis first.
        here = F.grid_sample(
            tsdf[None, None], place.flip(1)[None, None, None], padding_mode='border',
            align_corners=False,
        ).reshape(-1)  # fmt: skip
        here = torch.where((place.abs() < 1).all(1), here, torch.nan)
        crossed = (before > 0.02) & (here <= 0.02) & ~done
        back = STEP * (1 - (before / (before - here).clamp_min(1e-3)).clamp(0, 1.5))
        depth[crossed] = (z - back)[crossed]
        done |= crossed
        before = here
    return depth.reshape(120, 160)


def read_frame(sample: dict[str, Any]) -> Frame:
    """Ray-cast a frame of the data set."""
    grid, matrix = sample['voxel_grid'], sample['cam2img']
    camera = (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    origin, pose = place_camera(sample['voxel_to_pixel'], IMAGE_SIZE, camera, grid)
    x, y, z = (origin[grid.axes.index(axis)] for axis in 'xyz')
    placed = grid.placed_at((x, y, z))
    fx, fy, cx, cy = (value / SHRINK for value in camera)
    shift = 0.5 / SHRINK - 0.5
    cam2img = torch.from_numpy(camera_matrix((fx, fy, cx + shift, cy + shift))).float()
    cam2world = torch.from_numpy(pose).float()
    depth = cast_rays(torch.from_numpy(sample['tsdf']).float(), placed, cam2img, cam2world)
    voxels = depth_to_voxels(depth, cam2img, cam2world, placed).long()
    # A TSDF of 0 is a surface, or a voxel that was not observed: keep what pixels have hit.
    hit = torch.from_numpy(sample['voxel_to_pixel'] >= 0).float()
    near = F.max_pool3d(hit[None, None], 3, 1, 1).reshape(-1) > 0
    seen = (voxels >= 0) & near[voxels.clamp_min(0)]
    labels = torch.from_numpy(sample['gt_voxels']).reshape(-1)[voxels.clamp_min(0)]
    floor = float((seen & (labels == FLOOR_CLASS)).float().mean())
    return Frame(torch.where(seen, depth, 0.0), floor, cam2img, cam2world)


def add_noise(depth: Tensor, seed: int) -> Tensor:
    """The depth as a Kinect measures it: noise and steps in inverse depth."""
    noise = torch.randn(depth.shape, generator=torch.Generator().manual_seed(seed)) * NOISE
    steps = torch.round((1 / depth.clamp_min(NEAREST) + noise) / QUANTUM)
    return torch.where(depth > 0, 1 / (steps * QUANTUM), 0.0)


def pose_errors(frame: Frame, degrees: int, upright: bool = False) -> tuple[float, float]:
    """Degrees between the two directions "up", and metres between the two heights.

    Raises:
        DataError: The floor is not found.
    """
    camera, turn = turn_camera(frame.cam2img, (120, 160), degrees)
    depth = torch.rot90(frame.depth, -degrees // 90)
    found = find_floor(depth, camera, upright=upright).cam2world.double()
    expected = frame.cam2world.double() @ turn.T
    cosine = float((found[2, :3] @ expected[2, :3]).clamp(-1, 1))
    return math.degrees(math.acos(cosine)), abs(float(found[2, 3] - expected[2, 3]) + FLOOR)


def report(counts: Counter[tuple[bool, str]]) -> None:
    """Print frames, and shares of answers, per kind of frame."""
    print(f'{"frames":<14}{"number":>8}{"right":>9}{"inexact":>9}{"wrong":>9}{"refused":>9}')
    for name, kinds in (('with floor', (True,)), ('without', (False,)), ('all', (True, False))):
        sums = {result: sum(counts[kind, result] for kind in kinds) for result in RESULTS}
        total = sum(sums.values())
        shares = ''.join(f'{sums[result] / max(total, 1):>9.1%}' for result in RESULTS)
        print(f'{name:<14}{total:>8}{shares}')


@command
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(arguments)
    dataset = NYUDataset(
        ann_file=args.infos.name, data_root=str(args.infos.parent), test_mode=True,
        pipeline=[LoadRGBDFrame(['tsdf', 'voxel_to_pixel', 'gt_voxels'])],
    )  # fmt: skip
    counts: Counter[tuple[bool, str]] = Counter()
    chosen = range(0, len(dataset), args.every)
    for index in track(chosen, len(chosen), 'searching floors'):
        frame = read_frame(dataset[index])
        frame = frame._replace(depth=add_noise(frame.depth, index))
        result = 'refused'
        with contextlib.suppress(DataError):
            angle, height = pose_errors(frame, args.rotate, args.upright)
            right = angle < RIGHT[0] and height < RIGHT[1]
            wrong = angle > WRONG[0] or height > WRONG[1]
            result = 'right' if right else 'wrong' if wrong else 'inexact'
        counts[frame.floor >= FLOOR_SHARE, result] += 1
    print()
    report(counts)


if __name__ == '__main__':
    sys.exit(main())
