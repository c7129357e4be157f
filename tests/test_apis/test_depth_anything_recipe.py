"""The recipe of own_data.md for Depth-Anything-3 runs, with a stand-in for the package.

The stand-in has the interface that the recipe uses; weights and package are not tried here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[2] / 'docs/en/user_guides/own_data.md'
NAME = 'my_depth'
#: What the network returns everywhere; its images are half as large.
VALUE = 15.0


class StandIn:
    """As ``depth_anything_3.api.DepthAnything3``: images in, a smaller depth map of each out."""

    loaded: list[str] = []

    @classmethod
    def from_pretrained(cls, name):
        cls.loaded.append(name)
        return cls()

    def to(self, device):
        assert device in ('cpu', 'cuda')
        return self

    def inference(self, images):
        assert all(one.dtype == np.uint8 and one.shape[2] == 3 for one in images)
        shapes = [(one.shape[0] // 2, one.shape[1] // 2) for one in images]
        return SimpleNamespace(depth=np.stack([np.full(s, VALUE, np.float32) for s in shapes]))


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The code of the page as a module of the user's."""
    blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text('utf-8'), flags=re.S)
    (code,) = (block for block in blocks if 'depth_anything_3' in block)
    (tmp_path / f'{NAME}.py').write_text(code)
    api = ModuleType('depth_anything_3.api')
    api.DepthAnything3 = StandIn
    monkeypatch.setitem(sys.modules, 'depth_anything_3', ModuleType('depth_anything_3'))
    monkeypatch.setitem(sys.modules, 'depth_anything_3.api', api)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(StandIn, 'loaded', [])
    yield
    sys.modules.pop(NAME, None)


@pytest.mark.usefixtures('recipe')
def test_the_recipe_gives_metres_to_the_command(infer, drive, tmp_path):
    alone = ('--cfg-options', 'test_dataloader.dataset.frame_offsets=[]', '--formats', 'npy')
    status, _ = infer('--image', drive / 'image', '--depth-model', f'{NAME}:metric', *alone)
    assert status == 0
    assert StandIn.loaded == ['depth-anything/DA3METRIC-LARGE']  # Once for all frames.
    # The focal length is 60 pixels, 30 in the image of the network: metres = 30 * 15 / 300.
    (tmp_path / 'depth').mkdir()
    for number in range(8, 12):
        np.save(tmp_path / f'depth/{number}.npy', np.full((70, 100), 1.5, np.float32))
    given = ('--image', drive / 'image', '--depth', tmp_path / 'depth', '--out', tmp_path / 'given')
    assert infer(*given, *alone)[0] == 0
    for number in range(8, 12):
        found, wanted = (np.load(tmp_path / f'{n}/{number}.npy') for n in ('out', 'given'))
        assert np.array_equal(found, wanted)


@pytest.mark.usefixtures('recipe')
def test_without_the_package_the_error_names_it(infer, drive, monkeypatch):
    monkeypatch.setitem(sys.modules, 'depth_anything_3.api', None)
    poses = drive / 'poses.txt'
    status, printed = infer(
        '--image', drive / 'image', '--poses', poses, '--depth-model', f'{NAME}:metric'
    )
    assert status == 2 and '--depth-model: expected a module that can be imported' in printed
    assert 'depth_anything_3' in printed
