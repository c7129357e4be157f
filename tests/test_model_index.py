"""The models of the metafiles, and weights by name."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.apis import (
    DrivingInferencer,
    RGBDInferencer,
    build_inferencer,
    init_model,
    read_config,
)
from mmssc.engine.launch import choose_checkpoint, require_checkpoint
from mmssc.errors import DataError
from mmssc.model_index import find_checkpoint, read_models, weights_of_model
from mmssc.resources import config_names

ROOT = Path(__file__).parents[1]
DEPTH = 'light_depth_nyu'
WEIGHTS = ROOT / f'checkpoints/{DEPTH}.pth'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_model_has_a_config_of_its_name():
    models = read_models()
    assert len(models) == len({model.config for model in models.values()}) >= 25
    assert all(config_names()[name] == model.config for name, model in models.items())
    assert all(model.readme.is_file() for model in models.values())


def test_weights_are_found_by_name():
    assert weights_of_model(DEPTH) == WEIGHTS
    assert find_checkpoint(None, DEPTH) == find_checkpoint(DEPTH) == WEIGHTS
    assert find_checkpoint(None, Path(DEPTH)) == WEIGHTS
    assert find_checkpoint(f'checkpoints/{DEPTH}.pth') == WEIGHTS
    # As the tools ask, and for load_from of a config.
    assert require_checkpoint(None, DEPTH) == require_checkpoint(DEPTH) == str(WEIGHTS)
    cfg = read_config(DEPTH)
    assert cfg.load_from == 'checkpoints/light_seg_nyu.pth'
    choose_checkpoint(cfg, None)
    assert cfg.load_from == str(ROOT / 'checkpoints/light_seg_nyu.pth')


def test_a_file_here_comes_before_a_name():
    Path(DEPTH).write_bytes(b'mine')
    assert find_checkpoint(DEPTH) == DEPTH
    assert find_checkpoint(None, DEPTH) is None  # The config is a file, too.


@pytest.mark.parametrize('text', ['a.pth', 'https://a.b/c.pth', Path('a/b.pth')])
def test_other_checkpoints_stay_as_they_are(text):
    assert find_checkpoint(text) == find_checkpoint(text, DEPTH) == text


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('sgn-T', 'Train sgn-T, or see .*configs/sgn/README.md for the authors'),
        ('sgn_synthetic', 'Train sgn_synthetic, and give the file as the checkpoint'),
    ],
)
def test_a_model_without_weights_says_where_to_get_them(name, hint):
    for build in (init_model, DrivingInferencer, build_inferencer):
        with pytest.raises(DataError, match=f'{name}: weights: expected a file .* {hint}'):
            build(name)


def test_a_link_is_named(monkeypatch):
    model = read_models()['sgn-T']._replace(weights='https://a.b/sgn-T.pth')
    monkeypatch.setattr('mmssc.model_index.read_models', lambda: {'sgn-T': model})
    with pytest.raises(DataError, match='Download https://a.b/sgn-T.pth, and give the file as the'):
        find_checkpoint('sgn-T')


def test_a_name_takes_the_weights_along():
    by_name, by_path = init_model(DEPTH), init_model(ROOT / f'configs/light/{DEPTH}.py', WEIGHTS)
    states = by_name.state_dict(), by_path.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    random, again = (init_model(DEPTH, 'untrained').state_dict() for _ in range(2))
    assert all(torch.equal(random[key], again[key]) for key in random)
    assert not all(torch.equal(random[key], states[0][key]) for key in random)


@pytest.mark.parametrize('build', [RGBDInferencer, build_inferencer])
def test_an_inferencer_by_name_predicts(build):
    rows = np.mgrid[:120, :160][0].astype(np.float32)
    floor = np.where(rows > 70, 1.2 * 130 / np.maximum(rows - 60, 1), 3).astype(np.float32)
    given = dict(cam2img=(130, 130, 80, 60), height=1.2)
    predictions = [
        one(floor, **given).pred_voxels
        for one in (build(DEPTH), build(ROOT / f'configs/light/{DEPTH}.py', WEIGHTS))
    ]
    assert torch.equal(*predictions) and int((predictions[0] > 0).sum()) > 100


def test_the_old_name_of_the_inferencer_takes_a_name():
    from mmssc import apis

    with pytest.warns(FutureWarning, match='DepthInferencer is called RGBDInferencer'):
        assert apis.DepthInferencer is RGBDInferencer


def test_the_list_and_the_description(tool_in_process):
    run = tool_in_process('misc/model_info.py')
    status, text = run('--list')
    assert status == 0 and all(name in text for name in config_names())
    row = next(line for line in text.splitlines() if line.startswith(DEPTH))
    assert re.split(r' {2,}', row) == [
        DEPTH,
        'NYU',
        '70.70',
        '31.10',
        'reproduced',
        '1.25 M',
        'here',
    ]
    row = next(line for line in text.splitlines() if line.startswith('sgn-T '))
    assert 'reported' in row and row.endswith('-')
    status, text = run(DEPTH)
    assert status == 0 and hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() in text
    assert str(WEIGHTS) in text and 'https://arxiv.org/abs/1611.08974' in text
    for pattern in (
        r'(?m)^seconds +[0-9.]+ \(one',
        r'multiply-adds +[\d.]+ G ',
        r'memory +[\d.]+ GiB',
    ):
        assert re.search(pattern, text)
    assert run('sgn_synthetic')[0] == 0
    assert run('Sgn_T')[1].endswith('found Sgn_T. Did you mean sgn-T?\n')


def test_a_folder_as_checkpoint_names_the_newest_in_it(tmp_path):
    with pytest.raises(DataError, match='expected a checkpoint file, found a folder. It has no'):
        find_checkpoint(tmp_path)
    for number in (9, 10):
        (tmp_path / f'epoch_{number}.pth').touch()
        os.utime(tmp_path / f'epoch_{number}.pth', (number, number))
    with pytest.raises(DataError, match='The newest checkpoint in it is .*epoch_10.pth$'):
        find_checkpoint(tmp_path)
