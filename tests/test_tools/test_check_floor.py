"""The check of the floor search: rays, noise and the table of results."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
import torch
from tool_runs import ROOT, run_tool_in

from mmssc.geometry import tilted_camera
from mmssc.structures import VoxelGrid

sys.path.append(str(ROOT / 'tools/analysis_tools'))
import check_floor

TOOL = 'analysis_tools/check_floor.py'
CAM2IMG = torch.tensor([[130.0, 0, 79.5], [0, 130, 59.5], [0, 0, 1]])
GRID = VoxelGrid((-2.4, -0.05, 0.6), (0.08,) * 3, (60, 36, 60), ('x', 'z', 'y'), 'world')


def floor_frame() -> check_floor.Frame:
    """A camera 1.3 m above a floor, between walls 1.6 m to its left and 3.5 m ahead."""
    centers = GRID.centers().reshape(*GRID.shape, 3)
    distance = torch.stack([centers[..., 2], centers[..., 0] + 1.6, 3.5 - centers[..., 1]]).amin(0)
    pose = tilted_camera(1.3, 0.2)
    depth = check_floor.cast_rays((distance / 0.24).clamp(-1, 1), GRID, CAM2IMG, pose)
    return check_floor.Frame(depth, 0.3, CAM2IMG, pose)


def test_a_ray_ends_at_the_surface():
    frame = floor_frame()
    assert float(frame.depth[59, 100]) == pytest.approx(3.5, rel=0.05)
    noisy = check_floor.add_noise(frame.depth, 0)
    assert torch.equal(noisy == 0, frame.depth == 0)
    assert 0.001 < float((noisy - frame.depth).abs().max()) < 0.15
    angle, height = check_floor.pose_errors(frame._replace(depth=noisy), 0)
    assert angle < 2 and height < 0.05


def test_the_table(capsys):
    check_floor.report(Counter({(True, 'right'): 3, (True, 'refused'): 1, (False, 'refused'): 1}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ['with', 'floor', '4', '75.0%', '0.0%', '0.0%', '25.0%']
    assert lines[3].split() == ['all', '5', '60.0%', '0.0%', '0.0%', '40.0%']


def test_a_portrait_cut_sees_the_same_floor():
    frame = check_floor.cut_to_portrait(floor_frame())
    assert frame.depth.shape == (120, 90)
    angle, height = check_floor.pose_errors(frame, 0, upright=True)
    assert angle < 2 and height < 0.05


def test_the_floor_of_a_training_image_is_labelled():
    image = check_floor.fit_image(floor_frame(), portrait=False)
    floor = image.case.floor
    assert image.shows_floor and image.results[floor] == 'right' and image.case.turns[floor] == 0
    turned = [image.results[index] for index in torch.nonzero(image.case.turns)[:, 0].tolist()]
    assert set(turned) <= {'wrong'}


@pytest.mark.slow
def test_the_fit_prints_weights_and_thresholds(rooms, tmp_path):
    done = run_tool_in(tmp_path, TOOL, rooms / 'nyu_infos_train.json', '--fit')
    assert 'START = ' in done.stdout and "WEIGHTS = {'below'" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith('landscape ')]
    assert len(rows) == len(check_floor.THRESHOLDS) and rows[0][1] == '0.3'
    again = run_tool_in(tmp_path, TOOL, rooms / 'nyu_infos_train.json', '--fit')
    assert again.stdout == done.stdout


def test_the_fit_takes_no_test_frames(rooms, tmp_path):
    done = run_tool_in(tmp_path, TOOL, rooms / 'nyu_infos_test.json', '--fit', status=2)
    assert 'split: expected train, found test. Give nyu_infos_train.json' in done.stderr
