"""Fixtures that several rooms share."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from allowed_skips import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401
from mmengine.registry import DefaultScope
from tiny_tree import make_info, write_tree

from mmssc.datasets.driving_list import write_driving_list

PARITY = Path(__file__).parent / 'data' / 'parity'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole commands first: they take longest, so no process has to wait for one at the end."""
    items.sort(key=lambda item: 'test_tools' not in item.path.parts)


@pytest.fixture(scope='session')
def parity():
    """Expected figures of a case of SGN by name, e.g. ``parity('case_T_1')``."""
    opened = {}

    def load(name):
        if name not in opened:
            opened[name] = np.load(PARITY / 'sgn' / f'{name}.npz')
        return opened[name]

    yield load
    for cases in opened.values():
        cases.close()


@pytest.fixture(autouse=True)
def _own_default_scope() -> Iterator[None]:
    """No test sees the default scope that another one has set: it depends on their order."""
    before = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)


@pytest.fixture(scope='session')
def unit_cases(parity):
    """Expected figures of single pieces of SGN."""
    return parity('units_1')


@pytest.fixture(scope='session')
def real_frames() -> Path:
    """A SemanticKITTI tree with real frames, where the machine has one."""
    folder = os.environ.get('MMSSC_SAMPLES')
    if not folder:
        pytest.skip('set MMSSC_SAMPLES to a folder with real SemanticKITTI frames (dataset/...)')
    assert (Path(folder) / 'dataset').is_dir(), f'MMSSC_SAMPLES={folder} has no folder dataset'
    return Path(folder)


def _folder_of(variable: str, what: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f'set {variable} to {what}')
    return Path(folder)


@pytest.fixture(scope='session')
def real_nyu() -> Path:
    """The files of 3D-Sketch for all frames of NYU, where the machine has them."""
    return _folder_of('MMSSC_NYU', 'a folder with TSDF, Mapping and Label of NYU')


@pytest.fixture(scope='session')
def raw_nyu() -> Path:
    """A raw NYU tree that holds frame 0001, where the machine has one."""
    return _folder_of('MMSSC_NYU_RAW', 'a raw NYU tree with the depth image and .bin of frame 0001')


@pytest.fixture(scope='session')
def seven_scenes() -> Path:
    """Frames 000000 and 000100 of a 7-Scenes room, where the machine has them."""
    return _folder_of('MMSSC_SEVEN_SCENES', 'a folder with frame-000000.depth.png of 7-Scenes')


@pytest.fixture(scope='session')
def carlasc_weights() -> Path:
    """The two published checkpoints of CarlaSC, where the machine has them."""
    return _folder_of('MMSSC_CARLASC_WEIGHTS', 'a folder with LMSC_11_T1B_Epoch19.pt of CarlaSC')


@pytest.fixture
def tool_in_process(monkeypatch, capsys):
    """``tool_in_process('misc/x.py')`` gives a function: arguments -> (exit status, output).

    The tool runs in this process: a new one would spend its time importing.
    """

    def load(name):
        path = Path(__file__).parents[1] / 'tools' / name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def run(*arguments):
            monkeypatch.setattr(sys, 'argv', [str(path), *map(str, arguments)])
            status = module.main()
            captured = capsys.readouterr()
            return status, captured.out + captured.err

        return run

    return load


@pytest.fixture
def kitti_lidar2cam() -> np.ndarray:
    """Tr of KITTI odometry sequences 04-12."""
    matrix = np.eye(4)
    matrix[:3] = [
        [-1.857739385241e-03, -9.999659513510e-01, -8.039975204516e-03, -4.784029760483e-03],
        [-6.481465826011e-03, 8.051860151134e-03, -9.999466081774e-01, -7.337429464231e-02],
        [9.999773098287e-01, -1.805528627661e-03, -6.496203536139e-03, -3.339968064433e-01],
    ]
    return matrix


@pytest.fixture
def info() -> dict:
    """Content of an info file."""
    return make_info()


@pytest.fixture(scope='session')
def tree_template(tmp_path_factory) -> Path:
    """A tree that tests must not change."""
    root = tmp_path_factory.mktemp('template')
    write_tree(root)
    return root


@pytest.fixture
def tree(tmp_path, tree_template) -> Path:
    """Root of a tree of the test's own."""
    shutil.copytree(tree_template, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def info_text(tmp_path, info) -> str:
    """The info file as text."""
    write_driving_list(tmp_path / 'valid.json', info)
    return (tmp_path / 'valid.json').read_text()
