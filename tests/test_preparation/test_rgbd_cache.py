"""The cache of all frames: there and back, damage, poses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_nyu import CAM2WORLD, FRAMES, GRID, SPEC, frame_arrays, make_list, write_nyu_tree

from mmssc.datasets import NYUDataset
from mmssc.datasets.rgbd_list import read_rgbd_list, write_rgbd_list
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.formats.numpy_arrays import read_npz, write_npz
from mmssc.formats.rgbd_cache import read_cached, write_frame_cache
from mmssc.formats.rgbd_format import FrameSpec
from mmssc.formats.rgbd_frame import read_frame_file
from mmssc.formats.rgbd_prepared import write_prepared
from mmssc.preparation.rgbd import cache as nyu_cache
from mmssc.preparation.rgbd.cache import cache_frames
from mmssc.preparation.rgbd.published_figures import check_tasks

KEYS = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'segmentation')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'nyu_cache.py'


def stored(arrays):
    return {key: arrays[key] for key in KEYS}


def read(path, keys=KEYS, frame='0003'):
    return read_cached(path / frame, keys, SPEC)


@pytest.fixture
def cache(tmp_path):
    path = tmp_path / 'frames.npz'
    frames = ((frame, stored(frame_arrays(seed))) for seed, frame in enumerate(FRAMES))
    assert write_frame_cache(path, frames) == 2
    return path


def same(found, expected):
    for key in ('voxel_to_pixel', 'gt_voxels', 'label_weight', 'segmentation'):
        assert np.array_equal(found[key], expected[key]), key
    assert np.abs(found['tsdf'] - expected['tsdf']).max() <= 0.5 / 127 + 1e-6


@pytest.mark.parametrize('seed, frame', enumerate(FRAMES))
def test_there_and_back(cache, seed, frame):
    found = read(cache, frame=frame)
    same(found, frame_arrays(seed))
    kinds = {key: str(found[key].dtype) for key in KEYS}
    assert kinds == dict(
        tsdf='float32', voxel_to_pixel='int32', gt_voxels='uint8', label_weight='bool',
        segmentation='uint8',
    )  # fmt: skip


def test_a_cache_that_is_written_again_is_read_again(cache):
    read(cache)
    arrays = stored(frame_arrays(5))
    write_frame_cache(cache, [('0003', arrays)])
    same(read(cache), arrays)


def test_the_same_frames_give_the_same_bytes(cache, tmp_path):
    write_frame_cache(tmp_path / 'b.npz', [(f, stored(frame_arrays(s))) for s, f in
                                           enumerate(FRAMES)])  # fmt: skip
    assert (tmp_path / 'b.npz').read_bytes() == cache.read_bytes()


NAMES = ('tsdf', 'visible', 'pixel_steps', 'label', 'label_weight', 'segmentation')


def change(cache, **arrays):
    """Write frame 0003 alone, with other arrays; None takes one out."""
    content = {**read_npz(cache, [f'0003/{name}' for name in NAMES])}
    content.update({f'0003/{name}': array for name, array in arrays.items()})
    write_npz(cache, {key: array for key, array in content.items() if array is not None})


def as_of_before(cache, mapping):
    """The layout of the first caches."""
    change(cache, visible=None, pixel_steps=None, voxel_to_pixel=mapping)


def test_a_cache_of_before_is_read(cache):
    expected = frame_arrays(0)
    as_of_before(cache, expected['voxel_to_pixel'].astype(np.int32))
    same(read(cache), expected)


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_no_or_every_voxel_visible(cache, share):
    pixels = np.random.default_rng(0).integers(0, 80, GRID.shape).astype(np.int32)
    arrays = dict(stored(frame_arrays(0)), voxel_to_pixel=np.where(share > 0, pixels, -1))
    write_frame_cache(cache, [('0003', arrays)])
    same(read(cache), arrays)


def test_the_mapping_takes_little_room(tmp_path):
    """Neighbouring voxels see neighbouring pixels: steps in place of int32 indices."""
    shape = (40, 24, 40)
    mapping = np.full(shape, -1, np.int32)
    rows, columns = np.indices(shape[1:])
    mapping[20] = (rows * 17 + 3) * 640 + columns * 11
    write_frame_cache(tmp_path / 'c.npz', [('1', dict(voxel_to_pixel=mapping))])
    write_npz(tmp_path / 'plain.npz', dict(voxel_to_pixel=mapping))
    spec = FrameSpec(replace(GRID, shape=shape), (480, 640), 12)
    found = read_cached(tmp_path / 'c.npz' / '1', ['voxel_to_pixel'], spec)
    assert np.array_equal(found['voxel_to_pixel'], mapping)
    small, plain = ((tmp_path / name).stat().st_size for name in ('c.npz', 'plain.npz'))
    assert small < 0.7 * plain


@pytest.mark.parametrize(
    'name, array, match',
    [
        ('tsdf', np.zeros(GRID.shape, np.float32), 'dtype'),
        ('tsdf', np.zeros((6, 4, 5), np.int8), 'shape'),
        ('label', np.full(GRID.shape, 12, np.uint8), '0..11'),
        ('label_weight', np.zeros(17, np.uint8), 'shape'),
        ('visible', np.zeros(17, np.uint8), '0003/visible, shape'),
        ('visible', None, '0003/visible'),
        ('pixel_steps', np.zeros((4, 3), np.uint8), '0003/pixel_steps, shape'),
        ('pixel_steps', np.zeros((4, 3), np.int8), '0003/pixel_steps, dtype'),
        ('pixel_steps', None, '0003/voxel_to_pixel'),
    ],
)
def test_wrong_arrays_are_refused(cache, name, array, match):
    change(cache, **{name: array})
    with pytest.raises(DataError, match=match):
        read(cache, KEYS[:4])


def test_pixels_outside_of_the_image_are_refused(cache):
    number = (frame_arrays(0)['voxel_to_pixel'] >= 0).sum()
    change(cache, pixel_steps=np.full((4, number), 1, np.uint8))
    with pytest.raises(DataError, match='0003/voxel_to_pixel: expected whole numbers -1..79'):
        read(cache)
    as_of_before(cache, np.full(GRID.shape, 80, np.int32))
    with pytest.raises(DataError, match='0003/voxel_to_pixel: expected whole numbers -1..79'):
        read(cache)


def test_a_missing_frame_key_or_cache_is_refused(cache):
    with pytest.raises(DataError, match='0009/tsdf'):
        read(cache, frame='0009')
    write_frame_cache(cache, [('0003', dict(tsdf=np.zeros(GRID.shape, np.float32)))])
    with pytest.raises(DataError, match='0003/label'):
        read(cache, ('gt_voxels',))
    with pytest.raises(DataError, match='no such file'):
        read(cache.parent / 'other.npz')


@pytest.mark.parametrize('keep', [0.0, 0.5, 0.99])
def test_a_cut_cache_is_refused(cache, keep):
    content = cache.read_bytes()
    cache.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError):
        read(cache)


def test_a_flipped_bit_is_noticed(cache):
    content = bytearray(cache.read_bytes())
    content[200] ^= 4
    cache.write_bytes(content)
    with pytest.raises(DataError):
        read(cache)


@pytest.mark.parametrize('source', ['nyu', 'torchssc'])
def test_the_data_set_reads_the_cache_as_it_reads_the_files(tmp_path, monkeypatch, source):
    """Lists are rewritten; a frame without a pose gets the fitted one, the other keeps its own."""
    write_nyu_tree(tmp_path)
    placed = ((0.5, 1.5, 2.5), CAM2WORLD + 0)
    monkeypatch.setattr(nyu_cache, 'place_camera', lambda *_: placed)
    lists = dict(mini=tmp_path / 'nyu_infos_train.json')
    cache_frames(lists, tmp_path / 'out', 12, source, source)
    options = dict(
        data_root=str(tmp_path / 'out'), ann_file='mini.json', test_mode=True,
        source=source, label_source=source, pipeline=[LoadRGBDFrame(KEYS)],
    )  # fmt: skip
    dataset = NYUDataset(**options)
    for index in range(2):
        same(dataset[index], frame_arrays(index))
    frames = read_rgbd_list(tmp_path / 'out' / 'mini.json').frames
    assert frames[0].origin == (1.0, 2.0, 3.0)
    # A pose is fitted where the camera of the source is known.
    assert frames[1].origin == ((0.5, 1.5, 2.5) if source == 'nyu' else None)


def test_a_source_that_is_not_there_is_named(tmp_path):
    write_nyu_tree(tmp_path)
    path = tmp_path / 'nyu_infos_train.json'
    text = f"{path}: source 'kinect': expected files of it, found only .*nyu"
    with pytest.raises(DataError, match=text):
        cache_frames(dict(mini=path), tmp_path / 'out', 12, 'kinect')
    assert not (tmp_path / 'out').exists()


def test_a_frame_whose_pose_cannot_be_fitted_is_named(tmp_path):
    write_nyu_tree(tmp_path)
    command = [sys.executable, TOOL, tmp_path, '--out', tmp_path / 'out', '--splits', 'train']
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2 and 'frame 0004' in run.stderr and 'Traceback' not in run.stderr
    assert not (tmp_path / 'out' / 'frames.npz').exists()


def test_splits_with_frames_of_one_name_keep_their_own(tmp_path, monkeypatch):
    """Different frames; a later run for one split does not change what another split reads."""
    monkeypatch.setattr(nyu_cache, 'place_camera', lambda *_: ((0.5, 1.5, 2.5), CAM2WORLD))
    write_nyu_tree(tmp_path)
    arrays = stored(frame_arrays(7))
    other = tmp_path / 'other'
    shutil.copytree(tmp_path, other, ignore=shutil.ignore_patterns('other'))
    prepared = {key: arrays[key] for key in KEYS[:4]}
    write_prepared(other / 'prepared/nyu/0003.npz', prepared, SPEC)
    lists = dict(train=tmp_path / 'nyu_infos_train.json', test=other / 'nyu_infos_train.json')
    cache_frames(lists, tmp_path / 'out', 12)

    def read_split(name):
        options = dict(data_root=str(tmp_path / 'out'), pipeline=[LoadRGBDFrame(KEYS)])
        return NYUDataset(f'{name}.json', **options)[0]

    same(read_split('train'), frame_arrays(0))
    same({**read_split('test'), 'segmentation': arrays['segmentation']}, arrays)
    cache_frames(dict(test=lists['test']), tmp_path / 'out', 12)
    with pytest.raises(DataError, match='train-0003'):
        read_split('train')


def test_files_are_read_with_the_fine_factor_of_their_list(tmp_path, monkeypatch):
    write_nyu_tree(tmp_path)
    monkeypatch.setattr(nyu_cache, 'place_camera', lambda *_: ((0.5, 1.5, 2.5), CAM2WORLD))
    path = tmp_path / 'nyu_infos_train.json'
    listed = replace(make_list(), fine_factor=2)
    write_rgbd_list(path, listed)
    factors = set()

    def read_file(path, format_name, keys, spec):
        factors.add(spec.fine_factor)
        return read_frame_file(path, format_name, keys, spec)

    monkeypatch.setattr(nyu_cache, 'read_frame_file', read_file)
    cache_frames(dict(mini=path), tmp_path / 'out', 12)
    tasks = check_tasks(listed, tmp_path, 'nyu', {'0003': {}})
    assert factors == {2} and tasks[0].spec.fine_factor == 2
