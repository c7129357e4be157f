"""``mmssc::FOLDER/FILE.py`` names a config of this package everywhere in mmengine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hub import get_config, get_model

from mmssc.config_file import read_config_file
from mmssc.errors import DataError

ROOT = Path(__file__).parents[2]
LIGHT = 'mmssc::light/light_depth_nyu.py'


@pytest.mark.parametrize('base', ['sgn/sgn-T.py', '_base_/models/sgn.py'])
def test_a_config_elsewhere_inherits_from_the_package(tmp_path, base):
    (tmp_path / 'mine.py').write_text(f"_base_ = 'mmssc::{base}'\nmodel = dict(extra=1)\n")
    cfg = Config.fromfile(tmp_path / 'mine.py')
    assert cfg.model.extra == 1 and cfg.model.type == 'mmssc.SGN'
    (tmp_path / 'mine.yml').write_text(f"_base_: ['mmssc::{base}']\n")
    assert Config.fromfile(tmp_path / 'mine.yml').model.type == 'mmssc.SGN'


def test_its_parts_are_those_of_mmssc_in_every_scope(tmp_path):
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmssc::quickstart/light_synthetic.py'\ndefault_scope = 'mmseg'\n"
    )
    cfg = Config.fromfile(tmp_path / 'mine.py')
    script = """
import sys, mmssc
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, METRICS, init_default_scope
cfg = Config.fromfile(sys.argv[1])
init_default_scope(cfg.default_scope)
print(type(TRANSFORMS.build(cfg.train_pipeline[0])), type(METRICS.build(cfg.val_evaluator)))
"""
    done = subprocess.run(
        [sys.executable, '-c', script, cfg.filename], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 'LoadRGBDFrame' in done.stdout and 'SSCMetric' in done.stdout


def test_the_hub_gives_config_and_model():
    cfg = get_config(LIGHT, pretrained=True)
    weights = ROOT / 'checkpoints/light_depth_nyu.pth'
    assert cfg.model.type == 'LightCompletor' or cfg.model.type == 'mmssc.LightCompletor'
    assert cfg.model_path == str(weights)
    model = get_model(LIGHT, pretrained=True)
    assert type(model).__name__ == 'LightCompletor'
    with pytest.raises(DataError, match='sgn-T: weights: expected a file in this package'):
        get_config('mmssc::sgn/sgn-T.py', pretrained=True)


@pytest.mark.slow
def test_the_order_of_imports_does_not_matter():
    script = f"""
from mmengine.hub import get_model
from mmengine.config import Config
import mmengine.hub, mmssc
print(type(mmengine.hub.get_model({LIGHT!r})).__name__)
print(mmengine.hub.get_config({LIGHT!r}).filename)
"""
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    name, file = done.stdout.split()[-2:]
    assert name == 'LightCompletor' and file == str(ROOT / 'configs/light/light_depth_nyu.py')


def test_a_base_that_is_not_there_is_one_line(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmssc::sgn/sgn_T.py'\n")
    with pytest.raises(DataError) as caught:
        read_config_file(tmp_path / 'mine.py')
    assert str(caught.value) == (
        f'{tmp_path}/mine.py: mmssc::sgn/sgn_T.py: expected a config file, found no such file. '
        'Did you mean sgn/sgn-T.py?'
    )


def test_other_packages_stay_as_they_are(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'mmseg::_base_/schedules/schedule_20k.py'\n")
    assert Config.fromfile(tmp_path / 'mine.py').train_cfg.max_iters == 20000


def test_everything_can_be_registered_at_once():
    script = """
from mmssc.utils import register_all_modules
from mmengine.registry import DefaultScope
from mmssc.registry import HOOKS, MODELS
register_all_modules()
print('SGN' in MODELS.module_dict, 'EpochSeedHook' in HOOKS.module_dict)
print(DefaultScope.get_current_instance().scope_name)
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert done.stdout.split() == ['True', 'True', 'mmssc'], done.stderr
