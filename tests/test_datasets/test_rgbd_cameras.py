"""Cameras of RGB-D info lists that cannot be right, and cameras below the box."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mmssc.datasets import RGBDDataset
from mmssc.datasets.rgbd_list import Frame, FrameFile, RGBDList, write_rgbd_list
from mmssc.errors import DataError
from mmssc.geometry.floor import tilted_camera
from mmssc.structures import VoxelGrid

GRID = VoxelGrid((0, 0, 0), 0.4, (8, 6, 8), ('x', 'z', 'y'), 'world')
CAMERA = (65.0, 65, 39.5, 29.5)
POSE = tilted_camera(1.2, math.radians(15)).double().numpy()


def listed(pose=POSE, camera=CAMERA) -> RGBDList:
    files = dict(own=dict(tsdf=FrameFile('{frame_id}.npz', 'prepared')))
    frame = Frame('a', origin=(-1.6, -0.05, 1.0), cam2world=pose)
    return RGBDList('own', 'own', GRID, (60, 80), dict(own=camera), files, [frame])


WRONG = {
    'upside down': (
        dict(pose=POSE @ np.diag([1, -1, -1, 1])),
        r'data_list\[0\].cam2world: .*OpenGL',
    ),
    'transposed': (dict(pose=POSE.T), r'data_list\[0\].cam2world: .*transposed'),
    'another image': (dict(camera=(130, 130, 79, 59)), 'metainfo.cameras.own: .*another size'),
    'normalised': (dict(camera=(0.8, 1, 0.5, 0.5)), 'metainfo.cameras.own: .*normalised'),
}


@pytest.mark.parametrize(('changes', 'text'), WRONG.values(), ids=WRONG)
def test_wrong_cameras_are_refused(tmp_path, changes, text):
    with pytest.raises(DataError, match=f'list.json: {text}'):
        write_rgbd_list(tmp_path / 'list.json', listed(**changes))


@pytest.mark.parametrize('height', [1.2, -0.3])
def test_a_camera_below_the_box_is_said(tmp_path, monkeypatch, height):
    pose = POSE.copy()
    pose[2, 3] = height
    write_rgbd_list(tmp_path / 'list.json', listed(pose))
    logged = []
    monkeypatch.setattr(
        'mmssc.datasets.rgbd_dataset.print_log', lambda text, *_: logged.append(text)
    )
    RGBDDataset('list.json', str(tmp_path), metainfo=dict(classes=('empty', 'floor')))
    assert bool(logged) == (height < 0)
    assert any('1 of 1 cameras are below the box' in text for text in logged) == (height < 0)


def test_training_says_what_is_suspicious_about_a_camera(tmp_path, monkeypatch):
    rolled = POSE @ [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    write_rgbd_list(tmp_path / 'list.json', listed(rolled, (65, 65, 20, 29.5)))
    logged = []
    monkeypatch.setattr(
        'mmssc.datasets.rgbd_dataset.print_log', lambda text, *_: logged.append(text)
    )
    RGBDDataset('list.json', str(tmp_path), source='own', label_source='own',
                metainfo=dict(classes=('empty', 'floor')))  # fmt: skip
    said = ' '.join(logged)
    assert 'list.json: metainfo.cameras.own: the principal point (cx = 20, cy = 29.5)' in said
    assert 'list.json: pose of a: the camera is rolled by 90 degrees' in said


def test_training_looks_at_poses_all_over_a_long_list(tmp_path, monkeypatch):
    frames = [replace(listed().frames[0], frame_id=f'{number:03d}') for number in range(350)]
    write_rgbd_list(tmp_path / 'list.json', replace(listed(), frames=frames))
    seen = []
    monkeypatch.setattr('mmssc.datasets.rgbd_list.share_remarks', lambda *_: seen.append(1) or [_])
    logged = []
    monkeypatch.setattr(
        'mmssc.datasets.rgbd_dataset.print_log', lambda text, *_: logged.append(text)
    )
    RGBDDataset('list.json', str(tmp_path), metainfo=dict(classes=('empty', 'floor')))
    assert len(seen) == 100 and '95 more remarks' in logged[-1]
    monkeypatch.setattr('mmssc.datasets.rgbd_list.share_remarks', lambda *_: ['small'])
    remarks = replace(listed(), frames=frames).pose_remarks('x', 'own', False, at_most=4)
    assert remarks == [f'{number:03d}: small' for number in (0, 87, 175, 262)]
    assert '345 more' in replace(listed(), frames=frames).pose_remarks('x', 'own', False)[-1]
