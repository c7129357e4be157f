"""What commands import: values of options without the code behind them, parts only when used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

import mmssc.apis
from mmssc import option_choices
from mmssc.checkpoints import METHODS
from mmssc.formats.sscnet import DEPTH_READERS
from mmssc.parity.methods import RECIPES
from mmssc.performance.lists import LIST_KINDS
from mmssc.preparation.rgbd.layouts import RAW_SOURCES
from mmssc.registry import INFERENCERS
from mmssc.visualization.panel import text_font


def test_the_choices_are_those_of_the_code():
    # Projects that other tests import add methods of their own.
    methods = [name for name in METHODS if not name.startswith('monoscene')]
    recipes = [name for name in RECIPES if not name.startswith('monoscene')]
    assert (*methods,) == option_choices.CHECKPOINT_METHODS
    assert (*recipes,) == option_choices.PARITY_METHODS
    assert (*DEPTH_READERS,) == option_choices.DEPTH_KINDS
    assert (*RAW_SOURCES,) == option_choices.RGBD_SOURCES
    assert (*LIST_KINDS,) == option_choices.LIST_KINDS


def test_lazy_packages_have_their_names():
    missing = [name for name in mmssc.apis.__all__ if not hasattr(mmssc.apis, name)]
    assert not missing and not hasattr(mmssc.apis, 'no_such_name')
    assert INFERENCERS.get('RGBDInferencer') is mmssc.apis.RGBDInferencer


@pytest.mark.parametrize(
    ('module', 'unused'),
    [
        ('mmssc.visualization.scene', ('mmengine.visualization', 'mmengine.model', 'matplotlib')),
        ('mmssc.datasets', ('scipy', 'matplotlib', 'mmengine.model')),
    ],
)
def test_pictures_of_labels_need_no_network(module, unused):
    code = f'import sys, {module}; print(*sys.modules)'
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True
    )
    assert set(unused) & set(done.stdout.split()) == set()


def test_the_visualizer_is_found_without_importing_it():
    code = "import mmssc.registry as r; print(r.VISUALIZERS.get('mmssc.SSCVisualizer'))"
    code += '; from mmssc.visualization import *; print(SSCVisualizer)'
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True
    )
    assert done.stdout.count('mmssc.visualization.ssc_visualizer.SSCVisualizer') == 2


def test_the_font_is_that_of_matplotlib():
    folder = Path(matplotlib.get_data_path())
    assert text_font(12).path == str(folder / 'fonts/ttf/DejaVuSans.ttf')


def test_inferencers_are_found_without_importing_them():
    code = "import mmssc.registry as r; print(r.INFERENCERS.get('mmssc.DrivingInferencer'))"
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True
    )
    assert 'mmssc.apis.driving_inferencer.DrivingInferencer' in done.stdout
