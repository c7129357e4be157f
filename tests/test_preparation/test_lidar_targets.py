"""The command ``lidar_targets.py``: voxel files from labelled scans of a known scene."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from labelled_drive import (
    CAR,
    LIDAR_TO_CAMERA,
    MOVING_CAR,
    ROAD,
    SEQUENCES,
    SHAPE,
    UNLABELLED,
    WALL,
    read,
    run,
    scan_of,
)

from mmssc.formats.kitti import (
    write_poses,
    write_raw_labels,
    write_velodyne,
    write_voxel_bits,
)
from mmssc.formats.point_labels import read_point_labels, write_point_labels


def cell(x: float, y: float, z: float) -> tuple[int, int, int]:
    return int(x), int(np.floor(y + 8)), int(np.floor(z + 2))


def test_scans_are_moved_and_the_majority_wins(tree: Path) -> None:
    assert run(tree) == 0
    found = read(tree)
    assert found['label'][cell(10.5, 0.5, 0.5)] == WALL
    assert (found['label'] == WALL).sum() == 12  # three scans, one place
    assert found['label'][cell(5.5, 6.5, -1.5)] == ROAD
    assert found['label'][cell(3.5, 3.5, 0.5)] == 0 and not found['bin'][cell(3.5, 3.5, 0.5)]
    # Scan of the frame alone: the wall, the shared voxel, the moving car.
    assert found['bin'].sum() == 14
    alone = tree.parent / 'alone'
    assert run(tree, '--future', 0, '--out', alone) == 0
    assert read(alone)['label'][cell(5.5, 6.5, -1.5)] == CAR


@pytest.mark.parametrize(('rule', 'count'), [('own', 1), ('all', 3), ('none', 0)])
def test_moving_objects_follow_their_rule(tree: Path, rule: str, count: int) -> None:
    assert run(tree, '--moving', rule) == 0
    assert (read(tree)['label'] == MOVING_CAR).sum() == count


def test_past_scans_count_only_when_asked_for(tree: Path) -> None:
    assert run(tree) == 0
    assert read(tree, '000002')['label'][cell(1.5, 6.5, -1.5)] == ROAD
    other = tree.parent / 'other'
    assert run(tree, '--past', 2, '--out', other) == 0
    # Three votes for CAR, four for ROAD; frame 1 without frame 2 has three to two.
    assert read(other, '000002')['label'][cell(1.5, 6.5, -1.5)] == ROAD
    third = tree.parent / 'third'
    assert run(tree, '--past', 1, '--future', 0, '--out', third) == 0
    assert read(third, '000001')['label'][cell(3.5, 6.5, -1.5)] == CAR


def test_masks_follow_from_rays(tree: Path) -> None:
    assert run(tree, '--view-step', 1) == 0
    found = read(tree)
    occupied = found['label'] > 0
    assert found['occluded'][occupied].all() and not found['invalid'][occupied].any()
    assert found['occluded'][found['invalid']].all()
    behind = cell(13.5, 0.5, -0.5)
    assert found['occluded'][behind] and found['invalid'][behind]
    assert not found['occluded'][cell(6.5, 0.5, 0.5)]
    # The lidar of frame 2 (x = 4) sees voxels that the moving car hides from frame 0.
    assert (found['occluded'] & ~found['invalid'] & ~occupied).any()
    alone = tree.parent / 'alone'
    assert run(tree, '--future', 0, '--out', alone) == 0
    found = read(alone)
    assert (found['invalid'] == (found['occluded'] & (found['label'] == 0))).all()


def test_empty_space_of_other_files(tree: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    official = tmp_path / 'official' / SEQUENCES / '00/voxels'
    invalid = rng.random(SHAPE) < 0.2
    occluded = invalid | (rng.random(SHAPE) < 0.3)
    for frame in range(3):
        write_voxel_bits(official / f'{frame:06d}.invalid', invalid)
        write_voxel_bits(official / f'{frame:06d}.occluded', occluded)
    assert run(tree, '--empty-from', tmp_path / 'official') == 0
    found = read(tree)
    occupied = found['label'] > 0
    assert (found['invalid'] == ~(occupied | (~invalid & ~occluded))).all()
    assert (found['occluded'] == (occluded | occupied)).all()


def test_lidar_poses_need_no_calibration(tree: Path, tmp_path: Path) -> None:
    assert run(tree) == 0
    copy = Path(shutil.copytree(tree / SEQUENCES / '00', tmp_path / 'lidar' / SEQUENCES / '00'))
    shutil.rmtree(copy / 'voxels')
    (copy / 'calib.txt').unlink()
    lidar = np.tile(np.eye(4), (3, 1, 1))
    lidar[:, 0, 3] = (7, 9, 11)
    write_poses(copy / 'poses.txt', lidar)
    assert run(tmp_path / 'lidar', '--poses', 'lidar') == 0
    for name, volume in read(tree).items():
        assert (read(tmp_path / 'lidar')[name] == volume).all()


def test_it_continues_and_keeps_what_is_there(tree: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(tree) == 0
    folder = tree / SEQUENCES / '00/voxels'
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / '000001.label').unlink()
    (folder / '000002.invalid').write_bytes(b'')
    capsys.readouterr()
    assert run(tree) == 0
    assert 'targets              2       1       0' in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(tree, '--future', 1) == 2
    assert '--future 1' in capsys.readouterr().err
    assert run(tree, '--future', 1, '--overwrite') == 0


def test_it_never_writes_over_files_of_others(tree: Path, capsys: pytest.CaptureFixture) -> None:
    official = tree / SEQUENCES / '00/voxels/000000.label'
    write_raw_labels(official, np.ones(SHAPE, np.uint16))
    before = official.read_bytes()
    for options in ((), ('--overwrite',)):
        assert run(tree, *options) == 2
        assert 'Give another folder with --out' in capsys.readouterr().err
    assert official.read_bytes() == before and len(list(official.parent.iterdir())) == 1
    assert run(tree, '--out', tree.parent / 'new') == 0


def test_faults_name_their_file_and_a_remedy(tree: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tree / SEQUENCES / '00'
    assert run(tree, '--sequences', '07') == 2
    assert '--sequences' in capsys.readouterr().err
    label = folder / 'labels/000001.label'
    content = label.read_bytes()
    label.write_bytes(content[: len(content) // 2])
    assert run(tree) == 1
    error = capsys.readouterr().err
    assert '000001.label' in error and 'store the ids as uint32' in error
    label.unlink()
    write_poses(folder / 'poses.txt', np.tile(np.eye(4), (2, 1, 1)))
    assert run(tree, '--overwrite') == 0
    notes = capsys.readouterr().out
    assert '1 scan without a label file left out: 000001' in notes
    assert '1 scan without a pose left out: 000002' in notes
    (folder / 'labels/000000.label').unlink()
    assert run(tree, '--overwrite') == 2
    assert 'a scan with labels and a pose' in capsys.readouterr().err


def test_poses_in_other_axes_are_noted(tree: Path, capsys: pytest.CaptureFixture) -> None:
    poses = tree / SEQUENCES / '00/poses.txt'
    lidar = np.tile(np.eye(4), (5, 1, 1))
    lidar[:, 0, 3] = np.arange(5) * 2
    write_poses(poses, LIDAR_TO_CAMERA @ lidar @ np.linalg.inv(LIDAR_TO_CAMERA))
    for kind, is_odd in (('camera', False), ('lidar', True)):
        assert run(tree, '--overwrite', '--poses', kind) == 0
        assert ('00: poses: the car starts sideways' in capsys.readouterr().out) == is_odd


def test_ids_are_small_numbers(tree: Path, capsys: pytest.CaptureFixture) -> None:
    for text in ('65536', '9' * 5000):
        with pytest.raises(SystemExit):
            run(tree, '--moving-ids', text)
        assert 'is not a whole number of 0..65535' in capsys.readouterr().err


def test_shards_share_the_frames(tree: Path, tmp_path: Path) -> None:
    assert run(tree) == 0
    for number in (1, 2):
        assert run(tree, '--out', tmp_path / 'shards', '--shard', f'{number}/2') == 0
    for frame in ('000000', '000001', '000002'):
        for name, volume in read(tree, frame).items():
            assert (read(tmp_path / 'shards', frame)[name] == volume).all()


def test_a_wall_across_the_box_hides_all_behind_it(tree: Path) -> None:
    """The closed form is exact here: x below 10 is seen, the wall is hit, the rest is hidden."""
    wall = np.array([(10.5, y + 0.5, z + 0.5) for y in range(-8, 8) for z in range(-2, 2)])
    folder = tree / SEQUENCES / '00'
    lidar = np.tile(np.eye(4), (3, 1, 1))
    lidar[:, :3, 3] = (0, 0, 0), (4, 3, 1), (14, -5, 0)  # the last one stands behind the wall
    write_poses(folder / 'poses.txt', LIDAR_TO_CAMERA @ lidar @ np.linalg.inv(LIDAR_TO_CAMERA))
    for frame in range(3):
        write_velodyne(folder / f'velodyne/{frame:06d}.bin', wall - lidar[frame, :3, 3])
        write_point_labels(folder / f'labels/{frame:06d}.label', np.full(len(wall), WALL))
    x = np.arange(16)[:, None, None] + np.zeros(SHAPE)
    for future, seen_behind in ((1, False), (2, True)):
        out = tree.parent / str(future)
        assert run(tree, '--future', future, '--view-step', 1, '--every', 3, '--out', out) == 0
        found = read(out)
        assert (found['label'] == np.where(x == 10, WALL, 0)).all()
        assert (found['occluded'] == (x >= 10)).all()
        assert (found['invalid'] == ((x > 10) & (not seen_behind))).all()


def test_a_killed_run_is_continued_to_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    options = ['--out', tmp_path / 'serial', '--coarse-labels', 2]
    assert run(tree, *options) == 0
    options[1] = tmp_path / 'killed'
    folder = tmp_path / 'killed' / SEQUENCES / '00/voxels'
    process = multiprocessing.get_context('fork').Process(
        target=_killed_at_the_second_label, args=(tree, options)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(folder.glob('*.label'))) == 1 and list(folder.glob('.mmssc-*'))
    assert run(tree, *options) == 0
    expected = (tmp_path / 'serial' / SEQUENCES / '00/voxels').iterdir()
    contents = {path.name: path.read_bytes() for path in expected}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def _killed_at_the_second_label(tree: Path, options: list[object]) -> None:
    replace, labels = os.replace, []

    def kill(source: str, target: str, **options: object) -> None:
        if str(target).endswith('.label'):
            labels.append(target)
        if len(labels) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target, **options)

    os.replace = kill
    run(tree, *options)


@pytest.mark.slow
def test_two_workers_write_the_same_files(tree: Path, tmp_path: Path) -> None:
    assert run(tree) == 0
    assert run(tree, '--out', tmp_path / 'two', '--workers', '2') == 0
    for name, volume in read(tree).items():
        assert (read(tmp_path / 'two')[name] == volume).all()


def test_point_labels_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / '000000.label'
    np.array([(7 << 16) + 252, 40], '<u4').tofile(path)
    assert read_point_labels(path, 2).tolist() == [252, 40]
    write_point_labels(path, np.array((259, 0)))
    assert read_point_labels(path, 2).tolist() == [259, 0]


def test_a_scan_in_millimetres_is_refused(tree: Path, capsys: pytest.CaptureFixture) -> None:
    path = tree / SEQUENCES / '00/velodyne/000001.bin'
    write_velodyne(path, scan_of(1)[0] * 1000)
    assert run(tree, '--future', 0) == 1
    printed = capsys.readouterr().err
    assert f'00/000001: {path}: points: expected metres, found half' in printed
    assert 'divide millimetres by 1000' in printed
    assert (tree / SEQUENCES / '00/voxels/000002.bin').exists()


def test_a_grid_without_points_is_said(tree: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tree / SEQUENCES / '00/velodyne'
    assert run(tree, '--future', 0, '--grid-origin', 300, -8, -2) == 0
    text = f'targets: {folder}: no point is in the grid: are they metres, x forward, z up?'
    assert f'{text} (3072 voxels in 3 frames)' in capsys.readouterr().out
    # Points without a label are points.
    other = tree.parent / 'other'
    assert run(tree, '--future', 0, '--drop-ids', ROAD, CAR, WALL, UNLABELLED, '--moving', 'none',
               '--out', other) == 0  # fmt: skip
    printed = capsys.readouterr().out
    assert 'every voxel is empty (3072 voxels in 3 frames)' in printed
    assert 'no point' not in printed
