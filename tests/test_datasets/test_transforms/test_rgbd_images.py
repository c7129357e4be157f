"""The image moves, and every pixel keeps its voxel; volumes turn, and every voxel its pixel."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from mmssc.datasets.transforms import (
    CropRGBDImage,
    DistortRGBDColors,
    FlipRGBDImage,
    FlipRGBDVolumes,
    PackSSCInputs,
    PadRGBDImage,
    ResizeRGBDImage,
    TransposeRGBDVolumes,
)
from mmssc.errors import DataError
from mmssc.geometry import invert_mapping
from mmssc.geometry.floor import tilted_camera
from mmssc.parity.reference_fill import integers, uniform
from mmssc.registry import TRANSFORMS
from mmssc.structures import VoxelGrid

ROOT = Path(__file__).parents[3]
GRID = VoxelGrid((-1.2, -0.1, 0.5), 0.2, (10, 8, 10), ('x', 'z', 'y'), 'world')
CAM2IMG = np.array([[40.0, 0, 31.5], [0, 40, 23.5], [0, 0, 1]])


def make_results(seed: int = 0, size: tuple[int, int] = (48, 64)) -> dict:
    """Pixels carry their own number in the image, and every voxel its own number."""
    rng = np.random.default_rng(seed)
    number = np.arange(size[0] * size[1]).reshape(size)
    mapping = np.full(GRID.num_voxels, -1)
    voxels = rng.permutation(GRID.num_voxels)[:200]
    mapping[voxels] = rng.permutation(number.size)[:200]
    mapping = mapping.reshape(GRID.shape)
    volume = np.arange(GRID.num_voxels).reshape(GRID.shape)
    return dict(
        sequence='train',
        frame_id='0003',
        img=[np.stack([number // 256, number % 256, number % 7], -1).astype(np.uint8)],
        segmentation=(number % 14).astype(np.uint8),
        pixel_to_voxel=invert_mapping(torch.from_numpy(mapping), size).numpy(),
        img_shape=size,
        ori_shape=size,
        voxel_grid=GRID,
        cam2img=CAM2IMG,
        lidar2cam=np.linalg.inv(tilted_camera(1.2, 0.2).double().numpy())[None],
        gt_voxels=(volume % 12).astype(np.uint8),
        tsdf=volume / volume.size,
        label_weight=volume % 3 == 0,
        eval_masks=dict(nyu_ssc=volume % 3 == 0),
        mapping=mapping,
    )


# --- the image ------------------------------------------------------------------------------


def test_crop_and_flip_keep_the_voxel_of_every_pixel():
    results = make_results()
    before = dict(results, img=results['img'][0])
    results = CropRGBDImage((40, 50)).crop(results, 5, 9)
    results = FlipRGBDImage().flip(results)
    assert results['img_shape'] == (40, 50)
    row, column = np.mgrid[:40, :50]
    old = row + 5, 58 - column
    for key in ('segmentation', 'pixel_to_voxel'):
        assert np.array_equal(results[key], before[key][old]), key
    assert np.array_equal(results['img'][0], before['img'][old])


def test_padding_has_no_voxel_and_is_nothing_to_the_network():
    results = make_results(size=(40, 50))
    before = dict(results)
    results = PadRGBDImage((48, 64)).transform(results)
    assert results['img_shape'] == (48, 64) == results['pixel_to_voxel'].shape
    added = np.ones((48, 64), bool)
    added[:40, :50] = False
    assert (results['pixel_to_voxel'][added] == -1).all()
    assert (results['segmentation'][added] == 0).all()
    color = results['img'][0][added] / 255
    assert np.allclose((color - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], 0, atol=1e-6)
    for key in ('segmentation', 'pixel_to_voxel'):
        assert np.array_equal(results[key][:40, :50], before[key])
    assert np.array_equal(results['img'][0][:40, :50], before['img'][0])


@pytest.mark.parametrize('limits', [(36, 48), (57, 77), (38, 50)])
def test_resizing_keeps_the_aspect_and_the_places(limits):
    results = make_results()
    before = results['segmentation']
    results = ResizeRGBDImage.resize(results, limits)
    height, width = results['img_shape']
    assert height <= limits[0] + 1 and width <= limits[1] + 1
    assert abs(width / height - 64 / 48) < 0.03
    rows, columns = np.arange(height) * 48 // height, np.arange(width) * 64 // width
    # OpenCV's nearest pixel may be one beside it
    same = results['segmentation'] == before[rows][:, columns]
    assert same.mean() > 0.95
    assert results['img'][0].dtype == np.float32


def test_an_enlarged_image_names_voxels_twice_and_a_reduced_one_loses_some():
    mapped = set(np.unique(make_results()['pixel_to_voxel']))
    large = ResizeRGBDImage.resize(make_results(), (96, 128))['pixel_to_voxel']
    assert set(np.unique(large)) == mapped and (large >= 0).sum() == 4 * 200
    small = ResizeRGBDImage.resize(make_results(), (24, 32))['pixel_to_voxel']
    assert set(np.unique(small)) < mapped


@pytest.mark.parametrize(
    ('limits', 'crop', 'flip', 'valid', 'unique', 'crc32', 'mean', 'std'),
    [
        ((408, 544), (0, 0), True, 5892, 5892, 1652561357, 0.1632042754, 0.7431381270),
        ((552, 736), (37, 58), False, 8146, 6140, 2209933149, 0.2263139930, 0.8663813635),
    ],
)
def test_figures_of_the_authors_pipeline(limits, crop, flip, valid, unique, crc32, mean, std):
    seed, size = 1, (480, 640)
    voxels = np.argsort(uniform('mapping_voxel', (129600,), seed), kind='stable')[:8192]
    pixels = np.argsort(uniform('mapping_pixel', (307200,), seed), kind='stable')[:8192]
    pixels[-64:] = pixels[:64]
    mapping = np.full(129600, -1)
    mapping[voxels] = pixels
    image = integers('aug_img', (*size, 3), seed, 0, 256)[..., ::-1].astype(np.float32)
    pixel_to_voxel = invert_mapping(torch.from_numpy(mapping).view(60, 36, 60), size).numpy()
    results = dict(img=[image], pixel_to_voxel=pixel_to_voxel, img_shape=size)
    results = ResizeRGBDImage.resize(results, limits)
    results = CropRGBDImage(size).crop(results, *crop)
    if flip:
        results = FlipRGBDImage.flip(results)
    results = PadRGBDImage(size).transform(results)
    found = results['pixel_to_voxel']
    assert (found >= 0).sum() == valid and len(np.unique(found)) - 1 == unique
    assert zlib.crc32(found.astype('<i4').tobytes()) == crc32
    channels = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    normalised = (results['img'][0] / 255 - channels[0]) / channels[1]
    assert normalised.mean() == pytest.approx(mean, abs=1e-6)
    assert normalised.std() == pytest.approx(std, abs=1e-6)


def test_draws_follow_the_probabilities():
    random.seed(0)
    image = make_results()
    sizes = [
        ResizeRGBDImage(0.5, (0.5, 0.6)).transform(dict(image))['img_shape'] for _ in range(200)
    ]
    assert 70 < sum(size == (48, 64) for size in sizes) < 130
    assert all(24 <= size[0] <= 29 for size in sizes if size != (48, 64))
    flipped = [
        FlipRGBDImage(0.5).transform(dict(image))['pixel_to_voxel'] is not image['pixel_to_voxel']
        for _ in range(200)
    ]
    assert 70 < sum(flipped) < 130
    places = {
        CropRGBDImage((46, 64)).transform(dict(image))['segmentation'][0, 0] for _ in range(50)
    }
    assert places == {image['segmentation'][row, 0] for row in range(3)}


@pytest.mark.parametrize('size', [(480, 640), (48, 64), (60, 50)])
def test_the_whole_pipeline_of_a_config_keeps_the_size_of_any_image(size):
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/nyu_augmented.py')
    steps = [TRANSFORMS.build(dict(step, type=f'mmssc.{step.type}')) for step in cfg.train_pipeline]
    random.seed(1)
    for seed in range(4):
        results = make_results(seed, size)
        for step in steps[1:]:
            results = step(results)
        assert results['inputs']['img'].shape == (1, 3, *size)
        assert results['inputs']['pixel_to_voxel'].shape == size


def test_a_mapping_that_would_not_follow_is_refused():
    for step in (CropRGBDImage((40, 50)), FlipRGBDImage(1.0), ResizeRGBDImage(1.0)):
        results = make_results()
        results['voxel_to_pixel'] = results.pop('mapping')
        with pytest.raises(DataError, match='train/0003: .*found voxel_to_pixel.*LoadRGBDFrame'):
            step(results)
    with pytest.raises(DataError, match='at most 40 x 64, found 48 x 64. Crop first'):
        PadRGBDImage((40, 64))(make_results())
    with pytest.raises(DataError, match='ratio'):
        ResizeRGBDImage(ratio=(1.2, 0.8))


# --- colours --------------------------------------------------------------------------------


def test_colours():
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    distort = DistortRGBDColors().distort
    assert np.array_equal(distort(image), image)
    brighter = np.clip(image.astype(float) + 20.5, 0, 255).astype(np.uint8)
    assert np.array_equal(distort(image, brightness=20.5), brighter)
    for first in (True, False):
        darker = (image * np.float32(0.5)).astype(np.uint8)
        assert np.array_equal(distort(image, contrast=0.5, contrast_first=first), darker)
    grey = distort(image, saturation=0.0)
    assert (grey.max(-1) - grey.min(-1)).max() <= 1
    pure = np.uint8([[[255, 0, 0]]])
    assert distort(pure, hue=60).tolist() == [[[0, 255, 0]]]
    assert distort(pure, hue=-60).tolist() == [[[0, 0, 255]]]


def test_colours_of_a_float_image_are_rounded_first_unless_as_published():
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.float32)
    fixed = DistortRGBDColors().distort(image, saturation=0.9)
    assert fixed.dtype == np.uint8
    published = DistortRGBDColors(eight_bits=False)
    assert np.abs(published.distort(image, saturation=0.9) - fixed).max() > 50
    # a change of brightness before has rounded it anyway
    one, other = (
        step.distort(image, brightness=3.0, saturation=0.9)
        for step in (published, DistortRGBDColors())
    )
    assert np.array_equal(one, other)


# --- volumes --------------------------------------------------------------------------------


def pixel_of(results: dict) -> np.ndarray:
    """(X, Y, Z, 2): where the centre of each voxel projects to."""
    grid = results['voxel_grid']
    points = grid.centers(torch.float64).numpy()
    camera = points @ results['lidar2cam'][0, :3, :3].T + results['lidar2cam'][0, :3, 3]
    pixels = camera @ results['cam2img'].T
    return (pixels[:, :2] / pixels[:, 2:]).reshape(*grid.shape, 2)


STEPS = [
    FlipRGBDVolumes(('x',), 1.0),
    FlipRGBDVolumes(('y', 'z'), 1.0),
    TransposeRGBDVolumes(('x', 'y'), 1.0),
]


def volumes() -> dict:
    results = make_results()
    results['voxel_to_pixel'] = results.pop('mapping')
    return results


@pytest.mark.parametrize('step', STEPS)
def test_twice_is_the_identity(step):
    expected, results = volumes(), step(step(volumes()))
    for key in ('gt_voxels', 'tsdf', 'label_weight', 'voxel_to_pixel', 'pixel_to_voxel'):
        assert np.array_equal(results[key], expected[key]), key
        assert not np.array_equal(step(volumes())[key], expected[key]), key
    assert np.array_equal(results['eval_masks']['nyu_ssc'], expected['eval_masks']['nyu_ssc'])
    assert results['voxel_grid'].origin == pytest.approx(GRID.origin)
    assert np.allclose(results['lidar2cam'], expected['lidar2cam'])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(range(len(STEPS))), min_size=1, max_size=4))
def test_voxels_keep_label_pixel_and_projection(chosen):
    before, results = volumes(), volumes()
    for number in chosen:
        results = STEPS[number](results)
    # tsdf numbers the voxels: where did each go?
    old = np.rint(results['tsdf'] * GRID.num_voxels).astype(int)
    for key in ('gt_voxels', 'label_weight', 'voxel_to_pixel'):
        assert np.array_equal(results[key], before[key].reshape(-1)[old]), key
    assert np.allclose(pixel_of(results), pixel_of(before).reshape(-1, 2)[old])
    # and the two maps still agree
    hit = before['pixel_to_voxel'] >= 0
    assert np.array_equal(results['pixel_to_voxel'] >= 0, hit)
    moved = old.reshape(-1)[results['pixel_to_voxel'][hit]]
    assert np.array_equal(moved, before['pixel_to_voxel'][hit])


def test_axes_that_differ_are_not_exchanged():
    with pytest.raises(DataError, match='x and z: expected the same number'):
        TransposeRGBDVolumes(('x', 'z'), 1.0)(volumes())
    with pytest.raises(DataError, match='two different axes'):
        TransposeRGBDVolumes(('x', 'x'))
    with pytest.raises(DataError, match='axes: expected x or z or y'):
        FlipRGBDVolumes(('left',), 1.0)(volumes())


def test_flipped_volumes_pack():
    packed = PackSSCInputs()(FlipRGBDVolumes(('x',), 1.0)(volumes()))
    assert packed['inputs']['tsdf'].shape == (1, *GRID.shape)


def resize(limits):
    return lambda results: ResizeRGBDImage.resize(results, limits)


@pytest.mark.parametrize(
    'step',
    [
        FlipRGBDImage(1.0), resize((60, 90)), resize((30, 40)), PadRGBDImage((60, 80)),
        lambda results: CropRGBDImage((30, 40)).crop(results, 7, 11),
    ],
    ids=['flip', 'enlarge', 'reduce', 'pad', 'crop'],
)  # fmt: skip
def test_the_camera_follows_the_image(step):
    rows, columns = np.meshgrid(np.arange(48.0), np.arange(64.0), indexing='ij')
    camera = np.array([[50.0, 0, 30], [0, 55, 20], [0, 0, 1]])
    results = dict(
        sequence='train', frame_id='0003', img_shape=(48, 64), ori_shape=(48, 64), cam2img=camera,
        depth=[rows.astype('f4'), columns.astype('f4')], segmentation=np.zeros((48, 64), np.uint8),
    )  # fmt: skip
    results = step(results)
    assert not np.array_equal(results['cam2img'], camera) or results['img_shape'] == (60, 80)
    for row, column in ((20, 30), (9, 14), (30, 45)):
        ray = np.linalg.inv(camera) @ (column, row, 1)
        u, v = (results['cam2img'] @ ray)[:2].round().astype(int)
        found = [array[v, u] for array in results['depth']]
        assert np.allclose(found, (row, column), atol=1.01)
