import gzip
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_tree import GRID, NUM_POSES, P2, TR, camera_poses

from mmssc.errors import DataError
from mmssc.formats import kitti as kf
from mmssc.geometry import points_to_occupancy
from mmssc.inspection import (
    check_config,
    check_driving_tree,
    is_shifted,
    shifted_agreement,
    summarise_problems,
)
from mmssc.structures import VoxelGrid

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools/misc/check_dataset.py'
SAMPLES = {'08': (0, 5, 7), '00': (0,)}
UNLABELLED = ('08', 7)


def scan_points(seed):
    points = np.random.default_rng(seed).uniform((0, -25, -2), (51, 25, 4.3), (300, 3))
    return points.astype(np.float32)


def occupancy(points):
    return points_to_occupancy(torch.from_numpy(points), GRID).numpy()


@pytest.fixture
def full_tree(tree):
    """The tiny tree with everything a real one has."""
    for sequence, samples in SAMPLES.items():
        folder = tree / f'dataset/sequences/{sequence}'
        kf.write_calib(folder / 'calib.txt', {'P2': P2, 'Tr': TR})
        kf.write_poses(folder / 'poses.txt', camera_poses(8 if sequence == '08' else 2))
        for frame in samples:
            points = scan_points(frame)
            kf.write_velodyne(folder / f'velodyne/{frame:06d}.bin', points)
            kf.write_voxel_bits(folder / f'voxels/{frame:06d}.bin', occupancy(points))
            if (sequence, frame) != UNLABELLED:
                mask = np.zeros(GRID.shape, bool)
                kf.write_voxel_bits(folder / f'voxels/{frame:06d}.invalid', mask)
                raw = occupancy(points).astype(np.uint16) * 40
                kf.write_raw_labels(folder / f'voxels/{frame:06d}.label', raw)
    return tree


def problems(root, **kwargs):
    return [
        (p.kind, p.path[len(str(root)) + 1 :]) for p in check_driving_tree(root, **kwargs).problems
    ]


def test_a_whole_tree_has_no_problem(full_tree):
    report = check_driving_tree(full_tree)
    assert report.problems == []
    assert check_driving_tree(full_tree, thorough=True).problems == []
    assert report.counts['08'] == {
        'images': 8, 'poses': 8, 'samples': 3, 'labelled': 2, 'labels': 2, 'pseudo_lidar': 8,
        'depth': 8,
    }  # fmt: skip
    assert any('3 volumes compared' in note for note in report.notes)


REQUIRED = [
    'dataset/sequences/08/calib.txt',
    'dataset/sequences/08/poses.txt',
    'dataset/sequences/08/image_2/000003.png',
    'dataset/sequences/08/image_2/000007.png',
    'dataset/sequences/08/voxels/000005.label',
    'dataset/sequences/08/voxels/000005.invalid',
    'dataset/labels/08/000005_1_1.npy',
    'dataset/labels/08/000005_1_2.npy',
    'dataset/pseudo_lidar/08/000002.bin',
    'dataset/depth/08/000002.npy',
]


@pytest.mark.parametrize('name', REQUIRED)
@pytest.mark.parametrize('damage', ['missing', 'empty', 'truncated'])
def test_a_bad_file_is_found(full_tree, name, damage):
    path = full_tree / name
    content = path.read_bytes()
    if damage == 'missing':
        path.unlink()
    else:
        path.write_bytes(b'' if damage == 'empty' else content[: len(content) // 2 + 1])
    kind = 'missing' if damage == 'missing' else 'damaged'
    assert problems(full_tree) == [(kind, name)]


@pytest.mark.parametrize(
    'name',
    [
        'dataset/sequences/08/image_2/000x.png',
        'dataset/sequences/08/voxels/000099.invalid',
        'dataset/sequences/08/voxels/.000005.label.abc.tmp',
        'dataset/labels/08/000003_1_1.npy',
        'dataset/pseudo_lidar/08/000009.bin',
        'dataset/depth/08/000002.png',
        # Neither a billion frames nor an error of int().
        'dataset/sequences/08/image_2/9999999999.png',
        'dataset/sequences/08/image_2/²00002.png',
        'dataset/sequences/08/image_2/١٢٣٤٥٦.png',
    ],
)
def test_an_extra_file_is_found(full_tree, name):
    (full_tree / name).write_bytes(b'x')
    assert problems(full_tree) == [('extra', name)]


def test_thorough_reads_the_content(full_tree):
    path = full_tree / 'dataset/sequences/08/image_2/000003.png'
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(bytes(content))
    path = full_tree / 'dataset/pseudo_lidar/08/000002.bin'
    points = kf.read_velodyne(path).copy()
    points[3, 1] = np.nan
    path.write_bytes(points.tobytes())
    assert problems(full_tree) == []
    assert problems(full_tree, thorough=True) == [
        ('damaged', 'dataset/pseudo_lidar/08/000002.bin'),
        ('damaged', 'dataset/sequences/08/image_2/000003.png'),
    ]


def test_samples_missing_from_the_info_file(full_tree):
    for suffix in ('.bin',):
        (full_tree / f'dataset/sequences/08/voxels/000007{suffix}').unlink()
    kf.write_voxel_bits(
        full_tree / 'dataset/sequences/08/voxels/000001.bin', np.zeros(GRID.shape, bool)
    )
    details = [problem.detail for problem in check_driving_tree(full_tree).problems]
    assert details == [
        '08/000001: has a voxel file, but is not listed',
        '08/000007: listed, but has no voxel file',
    ]


def test_points_of_samples_are_those_of_every_frame_where_all_are_samples(full_tree):
    folder = full_tree / 'dataset/sequences/08/voxels'
    for frame in range(NUM_POSES):
        for suffix in ('.label', '.invalid', '.bin'):
            path = folder / f'{frame:06d}{suffix}'
            if not path.exists():
                shutil.copy(folder / f'000000{suffix}', path)
    notes = check_driving_tree(full_tree).notes
    assert not [note for note in notes if 'of 08: only of samples' in note]


def test_points_of_samples_only_are_noted(full_tree):
    for frame in (1, 2, 3, 4, 6):
        (full_tree / f'dataset/pseudo_lidar/08/{frame:06d}.bin').unlink()
    report = check_driving_tree(full_tree)
    assert report.problems == []
    assert any('pseudo_lidar of 08: only of samples' in note for note in report.notes)
    (full_tree / 'dataset/pseudo_lidar/08/000005.bin').unlink()
    assert problems(full_tree) == [('missing', 'dataset/pseudo_lidar/08/000005.bin')]


def test_a_tree_without_an_info_list_has_the_grid_of_its_labels(full_tree):
    # A converter that was stopped before its last step.
    for path in full_tree.glob('*.json'):
        path.unlink()
    report = check_driving_tree(full_tree)
    assert report.problems == []
    size = ' x '.join(map(str, GRID.shape))
    assert f'no info file yet: using the {size} voxels of the labels, in the official box' in (
        report.notes
    )


def test_release_1_0_is_found(full_tree):
    path = full_tree / 'dataset/sequences/08/voxels/000005.bin'
    bits = np.roll(kf.read_voxel_bits(path, GRID.shape).reshape(-1), 1).reshape(GRID.shape)
    kf.write_voxel_bits(path, bits)
    report = check_driving_tree(full_tree)
    assert [(p.kind, p.path) for p in report.problems] == [('release', str(path))]
    assert 'release 1.0' in report.problems[0].detail


def test_a_scan_of_another_frame_is_found(full_tree):
    kf.write_velodyne(full_tree / 'dataset/sequences/08/velodyne/000005.bin', scan_points(99)[:20])
    assert problems(full_tree) == [('damaged', 'dataset/sequences/08/voxels/000005.bin')]


def test_many_missing_files_make_one_line(full_tree):
    for frame in (0, 3, 4, 5):
        (full_tree / f'dataset/sequences/08/image_2/{frame:06d}.png').unlink()
    for frame in (1, 2):
        (full_tree / f'dataset/depth/08/{frame:06d}.npy').write_bytes(b'x' * frame)
    (full_tree / 'dataset/sequences/08/calib.txt').unlink()
    report = check_driving_tree(full_tree)
    assert len(report.problems) == 7
    assert summarise_problems(report) == [
        f'damaged  {full_tree}/dataset/depth/08/*.npy: 2 of 8: 000001, 000002  '
        "(e.g. header: expected an .npy array, found a text file that starts with 'x')",
        f'missing  {full_tree}/dataset/sequences/08/calib.txt',
        f'missing  {full_tree}/dataset/sequences/08/image_2/*.png: 4 of 8: 000000, 000003-000005',
    ]  # fmt: skip


def test_frames_that_no_sample_reads_are_noted(full_tree):
    raw = full_tree / 'dataset/sequences/08'
    kf.write_poses(raw / 'poses.txt', camera_poses(40))
    report = check_driving_tree(full_tree)
    assert report.problems == []
    text = 'frames 000008-000039 are missing, but no sample reads them'
    assert {f'{kind} of 08: {text}' for kind in ('images', 'pseudo_lidar', 'depth')} <= set(
        report.notes
    )
    # A later sample reaches 12 frames back.
    voxels = (raw / 'voxels/000000.bin').read_bytes()
    (raw / 'voxels/000030.bin').write_bytes(voxels)
    missing = [name for kind, name in problems(full_tree) if kind == 'missing']
    assert f'dataset/sequences/08/image_2/{18:06d}.png' in missing
    assert f'dataset/sequences/08/image_2/{17:06d}.png' not in missing


def test_an_unknown_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match='dataset/sequences'):
        check_driving_tree(tmp_path)


def config(root, offsets=(), source='pseudo_lidar'):
    pipeline = [
        dict(type='LoadDrivingImages'),
        dict(type='LoadDrivingPoints', source=source),
        dict(type='LoadDrivingLabels', optional=True),
    ]
    dataset = dict(
        type='mmssc.SemanticKITTIDataset', data_root=str(root), pipeline=pipeline,
        ann_file='semantickitti_infos_val.json', frame_offsets=offsets,
    )  # fmt: skip
    return dict(val_dataloader=dict(dataset=dataset))


def test_a_config_needs_its_own_files_only(tree):
    pseudo_lidar = tree / 'dataset/pseudo_lidar/08/000003.bin'
    depth = tree / 'dataset/depth/08/000003.npy'
    pseudo_lidar.unlink()
    assert check_config(config(tree)).problems == []
    assert check_config(config(tree, (-2,), 'depth')).problems == []
    found = check_config(config(tree, (-2,))).problems
    assert [(p.kind, p.path) for p in found] == [('missing', str(pseudo_lidar))]
    depth.write_bytes(depth.read_bytes()[:-4])
    found = check_config(config(tree, (-2,), 'depth')).problems
    assert [(p.kind, p.path) for p in found] == [('damaged', str(depth))]
    depth_maps = config(tree, (-2,))
    depth_maps['val_dataloader']['dataset']['pipeline'][1] = dict(type='LoadDrivingDepth')
    assert check_config(depth_maps).problems == found
    counts = check_config(config(tree, (-2,))).counts['08']
    assert counts == dict(samples=3, img=4, points=3, gt_voxels=2, gt_voxels_1_2=2)


def test_a_config_without_info_file(tmp_path):
    found = check_config(config(tmp_path)).problems
    assert [(p.kind, Path(p.path).name) for p in found] == [
        ('missing', 'semantickitti_infos_val.json')
    ]


def test_the_tool_runs_as_a_command(full_tree):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, str(TOOL), str(full_tree)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert 'no problem found' in done.stdout


def test_the_tool_lists_what_it_finds(full_tree, tmp_path_factory, monkeypatch, capsys):
    path = full_tree / 'dataset/labels/08/000005_1_2.npy'
    path.unlink()
    config_file = tmp_path_factory.mktemp('config') / 'config.py'
    config_file.write_text(''.join(f'{k} = {v!r}\n' for k, v in config('elsewhere').items()))
    option = f'val_dataloader.dataset.data_root={full_tree}'
    for args in ((full_tree,), (config_file, '--cfg-options', option)):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOL), run_name='__main__')
        assert stopped.value.code == 1
        printed = capsys.readouterr().out
        assert f'missing  {path}' in printed and '1 problem: 1 missing' in printed


def test_a_missing_list_is_named_with_the_command_that_writes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data/nyu_cache').mkdir(parents=True)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), 'light_depth_nyu'])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert stopped.value.code == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    # No table without rows.
    assert first.startswith('missing  data/nyu_cache/nyu_infos_')
    assert last == '2 problems: 2 missing'
    assert 'tools/dataset_converters/nyu_cache.py DIR --out data/nyu_cache' in first


def test_release_of_real_frames(real_frames, tmp_path):
    grid = VoxelGrid((0, -25.6, -2), 0.2, (256, 256, 32))
    for sequence, frame in (('00', '000000'), ('08', '000005')):
        folder = real_frames / 'dataset/sequences' / sequence
        scan = folder / f'velodyne/{frame}.bin'
        now = shifted_agreement(folder / f'voxels/{frame}.bin', scan, grid)
        assert now[0] > 0.9 and is_shifted(*now) is False
        packed = real_frames / f'voxels_v1.0_original/sequences/{sequence}/voxels/{frame}.bin.gz'
        (tmp_path / 'old.bin').write_bytes(gzip.decompress(packed.read_bytes()))
        old = shifted_agreement(tmp_path / 'old.bin', scan, grid)
        assert old[0] < 0.4 and is_shifted(*old) is True
