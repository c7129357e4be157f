"""Names of the release before: they still work, with one warning each."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import mmssc.apis
import mmssc.datasets
import mmssc.datasets.transforms
from mmssc import renamed
from mmssc.datasets import DrivingDataset
from mmssc.datasets.transforms import CropDrivingImages
from mmssc.registry import DATASETS, INFERENCERS, MODEL_WRAPPERS, TRANSFORMS

REGISTRIES = (DATASETS, TRANSFORMS, INFERENCERS, MODEL_WRAPPERS)
REGISTERED = sorted(old for old in renamed.RENAMED if old[0].isupper())


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch):
    monkeypatch.setattr(renamed, '_warned', set())


@pytest.mark.parametrize('prefix', ['', 'mmssc.'])
@pytest.mark.parametrize('old', REGISTERED)
def test_old_registered_names_give_the_new_class(old, prefix):
    new = renamed.RENAMED[old]
    (registry,) = (one for one in REGISTRIES if new in one)
    with pytest.warns(FutureWarning, match=f'{old} is called {new} now'):
        found = registry.get(prefix + old)
    assert found is registry.get(new) and found.__name__ == new


def test_every_name_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for _ in range(3):
            step = TRANSFORMS.build(dict(type='CropSSCImages', size=(4, 8)))
    assert isinstance(step, CropDrivingImages)
    (only,) = caught
    assert 'CropSSCImages' in str(only.message)


def test_other_projects_find_old_names_through_the_parent_registry():
    from mmengine.registry import TRANSFORMS as PARENT

    with pytest.warns(FutureWarning, match='LoadSSCImages'):
        assert PARENT.get('mmssc.LoadSSCImages').__name__ == 'LoadDrivingImages'


def test_a_module_of_a_user_may_have_an_old_name():
    @TRANSFORMS.register_module(name='FlipVolumes')
    class Own:
        pass

    try:
        assert TRANSFORMS.get('FlipVolumes') is Own
    finally:
        del TRANSFORMS._module_dict['FlipVolumes']


def test_old_names_can_still_be_imported():
    with pytest.warns(FutureWarning, match='SSCDataset is called DrivingDataset now'):
        assert mmssc.datasets.SSCDataset is DrivingDataset
    with pytest.warns(FutureWarning):
        from mmssc.apis import SSCInferencer  # noqa: F401
    with pytest.raises(AttributeError, match='has no attribute'):
        mmssc.apis.NoSuchThing  # noqa: B018
    with pytest.raises(AttributeError):
        mmssc.datasets.LoadSSCImages  # noqa: B018


def test_old_arguments_change_the_new_ones():
    names = dict(old='new', former='present')
    given = dict(old=dict(a=dict(c=3)), new=dict(a=dict(b=2), d=4), former=1, other=5)
    with pytest.warns(FutureWarning, match='Model.old is called Model.new now'):
        found = renamed.rename_arguments(given, 'Model', names)
    assert found == dict(new=dict(a=dict(b=2, c=3), d=4), present=1, other=5)
    assert 'old' in given and given['new'] == dict(a=dict(b=2), d=4)


def test_old_arguments_may_replace_the_new_ones():
    given = dict(old=dict(_delete_=True, a=1), new=dict(b=2))
    with pytest.warns(FutureWarning):
        assert renamed.rename_arguments(given, 'Model', dict(old='new')) == dict(new=dict(a=1))


def test_no_new_name_is_an_old_one():
    assert not set(renamed.RENAMED) & set(renamed.RENAMED.values())
    root = Path(mmssc.__file__).parent
    sources = [p for p in root.rglob('*.py') if p.name != 'renamed.py']
    text = '\n'.join(path.read_text() for path in sources)
    assert not [old for old in REGISTERED if f"'{old}'" in text or f'class {old}' in text]
