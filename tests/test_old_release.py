"""Configs, checkpoints and info files of release 0.1 still work.

``data/release_0_1`` holds resolved configs of the quick start, keys of their models' checkpoints,
info files, and logits that the models of that release gave for a random sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from old_release_fill import fill_state, probes

from mmssc.apis import init_model
from mmssc.registry import DATASETS, TRANSFORMS
from mmssc.testing.random_driving_sample import random_driving_sample
from mmssc.testing.random_rgbd_sample import random_rgbd_sample

DATA = Path(__file__).parent / 'data' / 'release_0_1'
NAMES = sorted(path.name.split('.')[0] for path in DATA.glob('*.keys.csv'))
pytestmark = pytest.mark.filterwarnings('ignore:.* now; the old:FutureWarning')


def make_sample(grid, dataset):
    """The random sample that the stored logits belong to."""
    if grid.frame == 'world':
        return random_rgbd_sample(grid, 12, (120, 160), seed=1)
    frames = 1 + len(dataset.get('frame_offsets') or ())
    return random_driving_sample(grid, 20, (96, 320), frames, points_per_frame=3000, seed=1)


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('name', NAMES)
def test_old_config_and_checkpoint_give_the_same_logits(name, prefix, tmp_path):
    state = fill_state((DATA / f'{name}.keys.csv').read_text())
    checkpoint = tmp_path / 'old.pth'
    torch.save(dict(state_dict={prefix + key: value for key, value in state.items()}), checkpoint)
    model = init_model(DATA / f'{name}.json', checkpoint)
    sample = make_sample(model.voxel_grid, model.cfg.train_dataloader.dataset)
    inputs = model.data_preprocessor(pseudo_collate([sample]))['inputs']
    with torch.no_grad():
        logits = probes(model.predict_logits(inputs)).numpy()
    expected = np.load(DATA / 'logits.npz')[name]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize('name', NAMES)
def test_old_pipelines_are_built(name):
    cfg = Config.fromfile(DATA / f'{name}.json')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        steps = [TRANSFORMS.build(step) for step in loader.dataset.pipeline]
        assert type(steps[-1]).__name__ == 'PackSSCInputs' and len(steps) > 1


@pytest.mark.parametrize(
    'name, kind', [('semantickitti', 'SemanticKITTIDataset'), ('nyu', 'NYUDataset')]
)
def test_old_info_files_are_read(name, kind):
    dataset = DATASETS.build(
        dict(type=f'mmssc.{kind}', data_root=str(DATA), ann_file=f'{name}_infos_train.json')
    )
    item = dataset.get_data_info(1)
    assert len(dataset) == 2 and item['frame_id'] and item['cam2img'].shape == (3, 3)
