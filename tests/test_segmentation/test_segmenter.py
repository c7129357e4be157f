"""Segmenters: a tiny model of mmseg, functions, and what is wrong with them."""

from __future__ import annotations

import numpy as np
import pixel_segmenter
import pytest
import torch
from mmengine.registry import DefaultScope
from pixel_segmenter import CLASSES, by_colour, red_is_a_bed, squares, write_config, write_weights

from mmssc.errors import DataError
from mmssc.segmentation import Segmenter, SegmenterSource, load_segmenter

SIZE = (48, 64)


def test_a_model_of_mmseg_gives_the_13_ids(tmp_path):
    before = DefaultScope.get_current_instance()
    scope = before and before.scope_name
    segmenter = load_segmenter(write_config(tmp_path), write_weights(tmp_path), device='cpu')
    image, ids = squares((480, 640), 80)
    found = segmenter(image, 'frame', (480, 640))
    # The model resizes the squares, so their borders are smooth.
    assert found.dtype == np.uint8 and (found == ids).all()
    after = DefaultScope.get_current_instance()
    assert (after and after.scope_name) == scope, 'later models are built as before'


@pytest.mark.parametrize('meta', [dict(CLASSES=list(CLASSES)), {}])
def test_names_of_older_files_and_of_configs(tmp_path, meta):
    more = 'test_dataloader = dict(dataset=dict(type="ADE20KDataset", metainfo=dict(classes='
    more += f'{CLASSES!r})))'
    config = write_config(tmp_path, '' if meta else more)
    model = load_segmenter(config, write_weights(tmp_path, meta), device='cpu')
    assert model.ids.tolist() == pixel_segmenter.IDS.tolist()


def test_a_model_without_names_is_never_guessed(tmp_path):
    weights = write_weights(tmp_path, {})
    with pytest.raises(
        DataError, match='config.py: classes: expected the names of 4 classes, foun'
    ):
        load_segmenter(write_config(tmp_path), weights, device='cpu')
    ade = 'test_dataloader = dict(dataset=dict(type="ADE20KDataset"))'
    with pytest.raises(DataError, match='expected the names of 4 classes, found 150 names. Name'):
        load_segmenter(write_config(tmp_path, ade), weights, device='cpu')


def test_a_config_that_comes_with_mmseg_is_found_by_its_name():
    name = 'segformer_mit-b0_8xb2-160k_ade20k-512x512'
    assert SegmenterSource(name).files[0].endswith(f'configs/segformer/{name}.py')
    with pytest.raises(DataError, match=r'Give --segmenter-checkpoint .*segformer/README.md'):
        load_segmenter(name)
    with pytest.raises(DataError, match=f'found {name[:-1]}. Did you mean {name}'):
        load_segmenter(name[:-1], 'x.pth')


def test_another_checkpoint_or_config_is_named(tmp_path):
    config, weights = write_config(tmp_path), write_weights(tmp_path)
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'other.pth')
    with pytest.raises(DataError, match='other.pth: weights: expected those of EncoderDecoder'):
        load_segmenter(config, tmp_path / 'other.pth')
    (tmp_path / 'other.py').write_text('model = dict(type="ResNet", depth=18)\ntest_pipeline = []')
    with pytest.raises(DataError, match='other.py: model.type: .*found ResNet'):
        load_segmenter(tmp_path / 'other.py', weights)
    (tmp_path / 'other.py').write_text('data_root = 1')
    with pytest.raises(DataError, match='other.py: expected a config of mmseg, with model and'):
        load_segmenter(tmp_path / 'other.py', weights)


def test_functions_with_and_without_classes():
    image, ids = squares(SIZE, 8)
    assert (Segmenter(by_colour)(image, 'frame', SIZE) == ids).all()
    bed = image[..., 0] > 127
    assert (load_segmenter('pixel_segmenter:red_is_a_bed')(image, 'frame', SIZE) == bed).all()
    more = Segmenter(by_colour, dict(sky='ceiling'))
    assert (more(image, 'frame', SIZE)[ids == 13] == 3).all()
    with pytest.raises(DataError, match='table: expected a function with classes'):
        Segmenter(red_is_a_bed, dict(sky='ceiling'))
    with pytest.raises(DataError, match='--segmenter-checkpoint: expected none: the segmenter is'):
        load_segmenter('pixel_segmenter:by_colour', 'a.pth')


@pytest.mark.parametrize('size', [(24, 32), (48, 64), (96, 128)])
def test_an_image_of_another_size_shows_the_same_view(size):
    image, _ = squares((96, 128), 32)
    ids = squares(size, size[0] // 3)[1]
    assert (Segmenter(by_colour)(image, 'frame', size) == ids).all()


def test_an_image_of_another_view_is_refused():
    with pytest.raises(DataError, match='a.png: image size: expected 48 x 64 .*found 48 x 80'):
        Segmenter(red_is_a_bed)(np.zeros((48, 80, 3), np.uint8), 'a.png', SIZE)


@pytest.mark.parametrize(
    ('output', 'message'),
    [
        (None, 'found NoneType'),
        (np.zeros(SIZE), 'found float64'),
        (np.zeros((2, 2), np.uint8), r'found uint8 \(2, 2\)'),
        (np.full(SIZE, 14), r'expected ids 0..13, found 14'),
        (np.full(SIZE, -1), r'expected ids 0..13, found -1'),
    ],
)
def test_wrong_output_is_named(output, message):
    segmenter = Segmenter(lambda image: output)
    with pytest.raises(DataError, match=f'a.png: segmenter: .*{message}'):
        segmenter(np.zeros((*SIZE, 3), np.uint8), 'a.png', SIZE)


def test_a_function_that_fails_or_takes_no_image_is_named():
    with pytest.raises(DataError, match='expected a function of an image, found pair'):

        def pair(image, other):
            return image

        Segmenter(pair)
    segmenter = Segmenter(lambda image: 1 / 0)
    with pytest.raises(DataError, match='a.png: segmenter .*found ZeroDivisionError'):
        segmenter(np.zeros((*SIZE, 3), np.uint8), 'a.png', SIZE)
