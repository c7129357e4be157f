r"""Compare the camera poses that the floor gives with the annotated ones of NYU.

Few depth images of NYU are at hand, but every frame has a TSDF. So each depth image (120 x 160) is
ray-cast from the TSDF and gets the noise of a Kinect. `Right` is within 5 degrees and 10 cm,
`wrong` is more than 10 degrees or 30 cm, `inexact` is between. A frame shows floor if at least 2 %
of the pixels see it.

Example:
    python tools/analysis_tools/check_floor.py data/nyu/nyu_infos_test.json

With `--fit`, the weights of the evidence (`mmssc/geometry/floor_evidence.py`) are fitted to
training frames, whole and cut to portrait images, each in its four turns. Then the shares of
answers are printed per threshold of the confidence (`mmssc/geometry/floor.py`).
"""

from __future__ import annotations

from mmssc.command_line import command, parse_early, prepare_process

prepare_process()

import argparse
import contextlib
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmssc.errors import DataError
from mmssc.shared_options import positive_integer


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('infos', type=Path, help='info list of NYU, in the data root')
    text = 'turn the images clockwise by so many degrees first: every pose found is then wrong'
    parser.add_argument('--rotate', type=int, choices=(0, 90, 180, 270), default=0, help=text)
    text = 'tell the search that the images are upright, as --rotate 0 of tools/infer.py does'
    parser.add_argument('--upright', action='store_true', help=text)
    text = 'cut the middle of the images to portrait ones first, as of a phone held upright'
    parser.add_argument('--portrait', action='store_true', help=text)
    text = 'fit the weights of the evidence and print them; training frames only'
    parser.add_argument('--fit', action='store_true', help=text)
    parser.add_argument('--every', type=positive_integer, default=1, help='use each n-th frame')
    args = parser.parse_args(arguments)
    if args.fit and (args.rotate or args.upright or args.portrait):
        parser.error('--fit uses all turns and shapes: leave out --rotate, --upright, --portrait')
    return args


if __name__ == '__main__':
    parse_early(parse_args)

import torch
import torch.nn.functional as F
from torch import Tensor

from mmssc.datasets import NYUDataset
from mmssc.datasets.rgbd_list import read_rgbd_list
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.formats.matrices import camera_matrix
from mmssc.geometry import depth_to_voxels, find_floor, turn_camera
from mmssc.geometry.floor import FEWEST_PATCHES, TURNED, candidate_floors
from mmssc.geometry.floor_evidence import WEIGHTS, floor_probability
from mmssc.geometry.floor_fit import FloorCase, fit_floor_weights
from mmssc.geometry.gravity import surface_patches
from mmssc.preparation.rgbd.cache import place_camera
from mmssc.progress import track
from mmssc.structures import VoxelGrid

ROWS = 120
NEAREST, FARTHEST, STEP = 0.5, 7.0, 0.03
# Steps of a Kinect's inverse depth (1/metre), and the standard deviation before rounding.
QUANTUM, NOISE = 0.00287, 0.0015
RIGHT, WRONG = (5.0, 0.1), (10.0, 0.3)
# A surface so close to the annotated floor is it, for the fit.
SAME = (8.0, 0.16)
PORTRAIT_COLUMNS = slice(35, 125)
# Name, whether images are stored as portrait ones, and are known to be upright.
SHAPES = (
    ('landscape', False, False), ('portrait', True, False), ('landscape, upright', False, True),
)  # fmt: skip
THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
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


def read_frame(sample: dict[str, Any], image_size: tuple[int, int]) -> Frame:
    """Ray-cast a frame of the data set; its images are 3 : 4."""
    grid, matrix = sample['voxel_grid'], sample['cam2img']
    camera = (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    origin, pose = place_camera(sample['voxel_to_pixel'], image_size, camera, grid)
    x, y, z = (origin[grid.axes.index(axis)] for axis in 'xyz')
    placed = grid.placed_at((x, y, z))
    shrink = image_size[0] / ROWS
    fx, fy, cx, cy = (value / shrink for value in camera)
    shift = 0.5 / shrink - 0.5
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


def cut_to_portrait(frame: Frame) -> Frame:
    """The middle of the image, as high as it was and 3/4 as wide as high."""
    camera = frame.cam2img.clone()
    camera[0, 2] -= PORTRAIT_COLUMNS.start
    return frame._replace(depth=frame.depth[:, PORTRAIT_COLUMNS], cam2img=camera)


def errors_against(frame: Frame, up: Tensor, height: float) -> tuple[float, float]:
    """Degrees between the two directions "up", and metres between the two heights.

    Args:
        frame: With the annotated pose.
        up: (3,) float64 unit vector, in the frame of the camera.
        height: Metres of the camera above the floor.
    """
    cosine = float((up @ frame.cam2world[2, :3].double()).clamp(-1, 1))
    return math.degrees(math.acos(cosine)), abs(height - float(frame.cam2world[2, 3]) + FLOOR)


def judge(angle: float, height: float) -> str:
    """Right, inexact or wrong."""
    if angle < RIGHT[0] and height < RIGHT[1]:
        return 'right'
    return 'wrong' if angle > WRONG[0] or height > WRONG[1] else 'inexact'


def pose_errors(frame: Frame, degrees: int, upright: bool = False) -> tuple[float, float]:
    """Errors of the pose that is found, see :func:`errors_against`.

    Raises:
        DataError: The floor is not found.
    """
    size = frame.depth.shape[0], frame.depth.shape[1]
    camera, turn = turn_camera(frame.cam2img, size, degrees)
    depth = torch.rot90(frame.depth, -degrees // 90)
    found = find_floor(depth, camera, upright=upright).cam2world.double()
    return errors_against(frame, found[2, :3] @ turn[:3, :3], float(found[2, 3]))


def report(counts: Counter[tuple[bool, str]]) -> None:
    """Print frames, and shares of answers, per kind of frame."""
    print(f'{"frames":<14}{"number":>8}{"right":>9}{"inexact":>9}{"wrong":>9}{"refused":>9}')
    for name, kinds in (('with floor', (True,)), ('without', (False,)), ('all', (True, False))):
        sums = {result: sum(counts[kind, result] for kind in kinds) for result in RESULTS}
        total = sum(sums.values())
        shares = ''.join(f'{sums[result] / max(total, 1):>9.1%}' for result in RESULTS)
        print(f'{name:<14}{total:>8}{shares}')


class FitImage(NamedTuple):
    """A training image and its level surfaces.

    Args:
        case: For the fit.
        results: Of each surface as the answer of the upright image.
        shows_floor: Whether the frame shows floor.
        portrait: Whether it was cut to a portrait image.
    """

    case: FloorCase
    results: list[str]
    shows_floor: bool
    portrait: bool


def fit_image(frame: Frame, portrait: bool) -> FitImage | None:
    """The level surfaces of a frame in its four turns; None: it shows few flat surfaces."""
    frame = cut_to_portrait(frame) if portrait else frame
    patches = surface_patches(frame.depth, frame.cam2img)
    if len(patches.areas) < FEWEST_PATCHES:
        return None
    views = candidate_floors(patches)
    errors = [errors_against(frame, one.plane.up, one.plane.height) for one in views[0]]
    apart = [max(angle / SAME[0], height / SAME[1]) for angle, height in errors]
    floor = min(range(len(apart)), key=apart.__getitem__, default=None)
    if floor is not None and apart[floor] > 1:
        floor = None
    results = [judge(*error) for error in errors] + ['wrong'] * sum(map(len, views[1:]))
    measures = [list(one.measures.values()) for view in views for one in view]
    turns = [turn for turn, view in enumerate(views) for _ in view]
    table = torch.tensor(measures, dtype=torch.float64).reshape(-1, len(WEIGHTS))
    case = FloorCase(table, torch.tensor(turns, dtype=torch.int64), floor)
    return FitImage(case, results, frame.floor >= FLOOR_SHARE, portrait)


def answer(image: FitImage, scores: Tensor, turn: int, upright: bool) -> tuple[float, str]:
    """Confidence and result of an image that was turned before; see `find_floor`."""
    turns = image.case.turns
    own = torch.nonzero(turns == turn)[:, 0].tolist()
    if not own:
        return 0.0, 'refused'
    best = max(own, key=lambda index: float(scores[index]))
    rivals = [float(scores[index]) for index in own if index != best]
    if not upright:
        apart = torch.tensor(TURNED, dtype=torch.float64)[(turns - turn) % 4]
        rivals += (scores + apart)[turns != turn].tolist()
    result = image.results[best] if turn == 0 else 'wrong'
    return floor_probability(float(scores[best]), rivals), result


def share(answers: list[tuple[bool, float, str]], needed: float, result: str) -> str:
    """Share of the answers (floor shown, confidence, result) that are sure and have the result."""
    chosen = [sure >= needed and found == result for _, sure, found in answers]
    return f'{sum(chosen) / len(chosen):.1%}' if chosen else '-'


def report_thresholds(images: list[FitImage], start: float, weights: Tensor) -> None:
    """Print the shares of answers per threshold of the confidence."""
    scored = [(image, image.case.measures @ weights + start) for image in images]
    columns = ('floor: right', 'upright: wrong', 'on side: wrong', 'upside down: wrong')
    print(f'{"stored as":<20}{"confidence":>12}' + ''.join(f'{name:>20}' for name in columns))
    for name, portrait, upright in SHAPES:
        answers: list[list[tuple[bool, float, str]]] = [[], [], [], []]
        for image, scores in scored:
            for turn in range(1 if upright else 4):
                # An image on its side has the other shape.
                if (image.portrait == portrait) == (turn % 2 == 0):
                    found = answer(image, scores, turn, upright)
                    answers[turn].append((image.shows_floor, *found))
        for needed in THRESHOLDS:
            shares = [share([one for one in answers[0] if one[0]], needed, 'right')]
            for chosen in (answers[0], answers[1] + answers[3], answers[2]):
                shares.append(share(chosen, needed, 'wrong'))
            print(f'{name:<20}{needed:>12}' + ''.join(f'{value:>20}' for value in shares))


def fit(frames: Iterable[Frame]) -> None:
    """Fit the weights of the evidence, and print them and what thresholds of them give."""
    found = [fit_image(frame, portrait) for frame in frames for portrait in (False, True)]
    images = [image for image in found if image is not None]
    if not images:
        raise DataError('infos', None, 'frames with flat surfaces', 'none')
    start, weights = fit_floor_weights([image.case for image in images])
    print(f'\nSTART = {start:.2f}')
    print('WEIGHTS =', {name: round(float(w), 2) for name, w in zip(WEIGHTS, weights)}, '\n')
    report_thresholds(images, start, weights)


def check(frames: Iterable[Frame], degrees: int, upright: bool) -> None:
    """Search the floors, and print the shares of answers."""
    counts: Counter[tuple[bool, str]] = Counter()
    for frame in frames:
        result = 'refused'
        with contextlib.suppress(DataError):
            result = judge(*pose_errors(frame, degrees, upright))
        counts[frame.floor >= FLOOR_SHARE, result] += 1
    print()
    report(counts)


def read_frames(infos: Path, image_size: tuple[int, int], every: int) -> Iterator[Frame]:
    """Each n-th frame of an info list, ray-cast and with noise."""
    dataset = NYUDataset(
        ann_file=infos.name, data_root=str(infos.parent), test_mode=True,
        pipeline=[LoadRGBDFrame(['tsdf', 'voxel_to_pixel', 'gt_voxels'])],
    )  # fmt: skip
    chosen = range(0, len(dataset), every)
    for index in track(chosen, len(chosen), 'searching floors'):
        frame = read_frame(dataset[index], image_size)
        yield frame._replace(depth=add_noise(frame.depth, index))


@command
def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    args = parse_args(arguments)
    listed = read_rgbd_list(args.infos)
    frames = read_frames(args.infos, listed.image_size, args.every)
    if args.fit:
        if listed.split != 'train':
            hint = 'Give nyu_infos_train.json: weights that have seen test frames cannot be judged'
            raise DataError(args.infos, 'split', 'train', listed.split, hint)
        fit(frames)
        return
    if args.portrait:
        frames = map(cut_to_portrait, frames)
    check(frames, args.rotate, args.upright)


if __name__ == '__main__':
    sys.exit(main())
