"""The values that options name are those that the code behind them has."""

from __future__ import annotations

import subprocess
import sys

import mmssc.apis
from mmssc import option_choices
from mmssc.checkpoints import METHODS
from mmssc.formats.sscnet import DEPTH_READERS
from mmssc.parity.methods import RECIPES
from mmssc.preparation.rgbd.layouts import RAW_SOURCES
from mmssc.registry import INFERENCERS


def test_the_choices_are_those_of_the_code():
    assert (*METHODS,) == option_choices.CHECKPOINT_METHODS
    assert (*RECIPES,) == option_choices.PARITY_METHODS
    assert (*DEPTH_READERS,) == option_choices.DEPTH_KINDS
    assert (*RAW_SOURCES,) == option_choices.RGBD_SOURCES


def test_lazy_packages_have_their_names():
    for name in mmssc.apis.__all__:
        assert getattr(mmssc.apis, name).__class__ is not None
    assert INFERENCERS.get('RGBDInferencer') is mmssc.apis.RGBDInferencer


def test_inferencers_are_found_without_importing_them():
    code = "import mmssc.registry as r; print(r.INFERENCERS.get('mmssc.DrivingInferencer'))"
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True
    )
    assert 'mmssc.apis.driving_inferencer.DrivingInferencer' in done.stdout
