"""Every format of RGB-D frames reads every key that it names, and refuses all others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_nyu import GRID, IMAGE_SIZE, SPEC, frame_arrays, make_list

from mmssc.datasets.rgbd_list import FrameFile, read_rgbd_list, write_rgbd_list
from mmssc.errors import DataError
from mmssc.formats import torchssc
from mmssc.formats.numpy_arrays import write_npz
from mmssc.formats.rgbd_cache import CACHED_NAMES, write_frame_cache
from mmssc.formats.rgbd_format import FrameFormat
from mmssc.formats.rgbd_frame import FORMATS, frame_keys, read_frame_file
from mmssc.formats.rgbd_prepared import PREPARED_NAMES, has_prepared, write_prepared
from mmssc.formats.sscnet import write_nyu_depth, write_plain_depth_mm
from mmssc.geometry import label_sketch

GUIDE = Path(__file__).parents[2] / 'docs/en/advanced_guides/add_a_dataset.md'
ARRAYS = frame_arrays(0)
LABELS, MAPPING = ARRAYS['gt_voxels'], ARRAYS['voxel_to_pixel']
LABEL_SKETCH = label_sketch(torch.from_numpy(LABELS)).numpy()
DEPTH = np.arange(80, dtype=np.float32).reshape(IMAGE_SIZE) / 8
# TSDF values that the cache (127 steps) and the fine npz (float16) hold exactly.
STEPS = np.round(ARRAYS['tsdf'] * 127) / np.float32(127)
FINE = np.random.default_rng(1).choice(np.float32([-1, -0.5, 0.25, 1]), SPEC.fine_grid.shape)


def write_image(path, array):
    Image.fromarray(array).save(path, format='PNG')


def write_prepared_file(path):
    arrays = {key: ARRAYS[key] for key in PREPARED_NAMES if key in ARRAYS}
    write_prepared(path, dict(arrays, tsdf_fine=FINE), SPEC)
    return dict(arrays, tsdf_fine=FINE)


def write_cache(path):
    arrays = {key: ARRAYS[key] for key in CACHED_NAMES}
    write_frame_cache(path.parent, [(path.name, arrays)])
    return dict(arrays, tsdf=STEPS)


def write_depth(write):
    def write_file(path):
        write(path, DEPTH)
        return dict(depth=DEPTH)

    return write_file


def write_rgb(path):
    write_image(path, ARRAYS['img'])
    return dict(img=ARRAYS['img'])


def write_ids(path):
    write_image(path, ARRAYS['segmentation'])
    return dict(segmentation=ARRAYS['segmentation'])


def write_tsdf(path):
    torchssc.write_torchssc_tsdf(path, ARRAYS['tsdf'], ARRAYS['label_weight'])
    return dict(tsdf=ARRAYS['tsdf'], label_weight=ARRAYS['label_weight'])


def write_mapping(path):
    torchssc.write_torchssc_mapping(path, MAPPING, IMAGE_SIZE)
    return dict(voxel_to_pixel=MAPPING)


def write_labels(path):
    torchssc.write_torchssc_label(path, LABELS, 12)
    return dict(gt_voxels=LABELS, gt_sketch=LABEL_SKETCH)


def write_sketch(path):
    torchssc.write_torchssc_sketch(path, ARRAYS['gt_sketch'])
    return dict(gt_sketch=ARRAYS['gt_sketch'])


def write_cad_tsdf(path):
    write_npz(path, dict(tsdf_lr=ARRAYS['tsdf']))
    return dict(tsdf=ARRAYS['tsdf'])


def write_cad_mapping(path):
    write_npz(path, dict(arr_1=np.where(MAPPING < 0, 80, MAPPING)))
    return dict(voxel_to_pixel=MAPPING)


def write_ddrnet(path):
    """Pixel 13 sees fine voxel (5, 9, 20); one block is hidden: its -0.25 is a TSDF of -0.75."""
    position = np.zeros(IMAGE_SIZE, np.int64)
    position[1, 3] = np.ravel_multi_index((5, 9, 20), SPEC.fine_grid.shape)
    mapping = np.full(GRID.shape, -1, np.int32)
    mapping[1, 2, 5] = 13
    hidden = np.zeros(GRID.shape, bool)
    hidden[2, 3, 4] = True
    fine = np.where(np.kron(hidden, np.ones((4, 4, 4), bool)), -0.25, -0.75).astype(np.float32)
    stored = dict(tsdf_lr=ARRAYS['tsdf'], tsdf_hr=fine, position=position, target_lr=LABELS)
    write_npz(path, stored)
    return dict(
        tsdf=ARRAYS['tsdf'],
        tsdf_fine=fine,
        voxel_to_pixel=mapping,
        gt_voxels=LABELS,
        label_weight=((LABELS > 0) & (LABELS != 255)) | hidden,
        gt_sketch=LABEL_SKETCH,
    )


#: Format -> writes a file and returns the arrays that it holds, by key.
WRITERS = dict(
    prepared=write_prepared_file,
    cached=write_cache,
    nyu_depth=write_depth(write_nyu_depth),
    depth_mm=write_depth(write_plain_depth_mm),
    rgb=write_rgb,
    ids=write_ids,
    torchssc_tsdf=write_tsdf,
    torchssc_mapping=write_mapping,
    torchssc_label=write_labels,
    torchssc_sketch=write_sketch,
    ammnet_cad_tsdf=write_cad_tsdf,
    ammnet_cad_mapping=write_cad_mapping,
    ddrnet=write_ddrnet,
)
TYPES = dict(
    img=np.uint8, depth=np.float32, segmentation=np.uint8, tsdf=np.float32, tsdf_fine=np.float32,
    voxel_to_pixel=np.int32, gt_voxels=np.uint8, label_weight=np.bool_, gt_sketch=np.uint8,
)  # fmt: skip


@pytest.mark.parametrize('name', FORMATS)
def test_every_format_reads_every_key_that_it_names(tmp_path, name):
    # A frame of a cache is named as if the cache were a folder.
    path = tmp_path / ('cache.npz/0003' if name == 'cached' else 'file')
    expected = WRITERS[name](path)
    assert set(FORMATS[name].keys) == set(expected) <= set(frame_keys())
    together = read_frame_file(path, name, FORMATS[name].keys, SPEC)
    assert list(together) == list(FORMATS[name].keys)
    for key, array in expected.items():
        alone = read_frame_file(path, name, [key], SPEC)
        assert list(alone) == [key] and alone[key].dtype == TYPES[key], key
        assert np.array_equal(alone[key], array) and np.array_equal(together[key], array), key


def test_every_key_has_a_format():
    assert set(TYPES) == set(frame_keys())


@pytest.mark.parametrize('name', FORMATS)
def test_unknown_keys_are_refused_before_the_file_is_opened(tmp_path, name):
    for key in {*frame_keys(), 'label'} - set(FORMATS[name].keys):
        keys = [*FORMATS[name].keys, key]
        text = f"none: keys of format '{name}': expected .*, found {key}"
        with pytest.raises(DataError, match=text):
            read_frame_file(tmp_path / 'none', name, keys, SPEC)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(DataError, match="none: format: expected prepared, .*, found 'zip'"):
        read_frame_file(tmp_path / 'none', 'zip', ['tsdf'], SPEC)


def test_a_format_of_several_arrays_reads_its_file_once(tmp_path, monkeypatch):
    calls = []

    def read(path, keys, spec):
        calls.append((path, tuple(keys), spec))
        return {key: ARRAYS[key] for key in keys}

    monkeypatch.setitem(FORMATS, 'mine', FrameFormat(('tsdf', 'gt_voxels', 'img'), read))
    found = read_frame_file('a', 'mine', ['tsdf', 'img'], SPEC)
    assert list(found) == ['tsdf', 'img'] and calls == [('a', ('tsdf', 'img'), SPEC)]


def test_the_format_of_the_guide(tmp_path, monkeypatch):
    """A format from outside works in info lists as the others do."""
    blocks = re.findall(r'```python\n(.*?)```', GUIDE.read_text('utf-8'), re.DOTALL)
    (example,) = [block for block in blocks if 'FORMATS[' in block]
    monkeypatch.setitem(FORMATS, 'my_volumes', None)  # taken out again after the test
    exec(example, {})
    stored = dict(sdf=ARRAYS['tsdf'], ids=LABELS)
    write_npz(tmp_path / '0003.npz', stored)
    found = read_frame_file(tmp_path / '0003.npz', 'my_volumes', ['tsdf', 'gt_voxels'], SPEC)
    assert np.array_equal(found['tsdf'], ARRAYS['tsdf'])
    assert np.array_equal(found['gt_voxels'], LABELS)
    listed = make_list()
    listed.files['mine'] = dict(tsdf=FrameFile('{frame_id}.npz', 'my_volumes'))
    write_rgbd_list(tmp_path / 'list.json', listed)
    assert read_rgbd_list(tmp_path / 'list.json').files['mine'] == listed.files['mine']


def test_has_prepared(tmp_path):
    path = tmp_path / 'a.npz'
    assert not has_prepared(path, ['tsdf'])
    write_prepared(path, dict(tsdf=ARRAYS['tsdf']), SPEC, dict(pose=np.eye(4)))
    assert has_prepared(path, ['tsdf'], ['pose'])
    assert not has_prepared(path, ['tsdf', 'gt_voxels']) and not has_prepared(path, [], ['size'])
    path.write_bytes(path.read_bytes()[:-10])
    assert not has_prepared(path, ['tsdf'])
