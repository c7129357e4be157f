"""Trees of images cut out of larger ones: converters, the dataset check and training."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from converter_trees import raw_tree, run_here
from PIL import Image
from test_own_rgbd import OPTIONS, frames_of, room_depth

from mmssc.datasets import SemanticKITTIDataset
from mmssc.datasets.transforms import LoadDrivingImages
from mmssc.errors import DataError
from mmssc.formats.kitti import read_calib, write_calib
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.geometry.floor import tilted_camera
from mmssc.preparation.rgbd.own_camera import prepare_own

INFO = 'semantickitti_infos_train.json'
LEFT = 100  # columns that are cut off


@pytest.fixture
def tree(tmp_path) -> Path:
    raw_tree(tmp_path)
    for path in tmp_path.glob('dataset/sequences/*/image_?/*.png'):
        Image.fromarray(np.asarray(Image.open(path))[:, LEFT:]).save(path)
    for path in tmp_path.glob('dataset/sequences/*/calib.txt'):
        calib = read_calib(path)
        for key in ('P2', 'P3'):
            calib[key] = calib[key] - np.outer([LEFT, 0, 0], calib[key][2])
        write_calib(path, calib)
    return tmp_path


def test_a_tree_of_crops(tree, capsys, tool_in_process):
    check = tool_in_process('misc/check_dataset.py')
    assert run_here(tree, '--steps', 'infos') == 2
    text = capsys.readouterr().err
    assert 'calib.txt: P2: expected a principal point inside the image' in text
    assert text.endswith('If it is cut out of a larger image: give --cropped-images\n')
    status, printed = check(tree)
    assert status == 1 and 'larger image: give the converter --cropped-images' in printed
    assert run_here(tree, '--cropped-images') == 0
    status, printed = check(tree)
    assert status == 0, printed
    dataset = SemanticKITTIDataset(INFO, str(tree), pipeline=[LoadDrivingImages()])
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        assert dataset[0]['img_shape'] == (48, 160 - LEFT)


def test_training_says_how_crops_are_declared(tree):
    assert run_here(tree, '--steps', 'infos', '--cropped-images') == 0
    info = json.loads((tree / INFO).read_text())
    assert info['metainfo'].pop('cropped_images') is True
    (tree / INFO).write_text(json.dumps(info))
    dataset = SemanticKITTIDataset(INFO, str(tree), pipeline=[LoadDrivingImages()])
    with pytest.raises(DataError, match='write "cropped_images": true into metainfo'):
        dataset[0]
    info['metainfo']['cropped_images'] = 'yes'
    (tree / INFO).write_text(json.dumps(info))
    with pytest.raises(DataError, match='metainfo.cropped_images: expected'):
        SemanticKITTIDataset(INFO, str(tree))


def test_crops_of_a_depth_camera(tmp_path, capsys):
    (tmp_path / 'depth').mkdir()
    write_plain_depth_mm(tmp_path / 'depth/a.png', room_depth(1.2, 0.3)[:, 50:])
    np.savetxt(tmp_path / 'a.txt', tilted_camera(1.2, 0.3))
    command = [str(tmp_path), *OPTIONS, '--camera', '65,65,-10.5,29.5', '--poses', '*.txt']
    assert prepare_own('test', command) == 2
    assert '--camera: expected a principal point inside' in (text := capsys.readouterr().err)
    assert text.endswith('give --cropped-images\n')
    assert prepare_own('test', [*command, '--cropped-images']) == 0
    (frame,) = frames_of(tmp_path)
    assert (frame['voxel_to_pixel'] >= 0).any()
    path = tmp_path / 'own_infos.json'
    info = json.loads(path.read_text())
    del info['metainfo']['cropped_images']
    path.write_text(json.dumps(info))
    with pytest.raises(DataError, match='cameras.own: .*write "cropped_images": true'):
        frames_of(tmp_path)
