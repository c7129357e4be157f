from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from converter_trees import (
    BASELINE_FOCAL,
    CENTER_U,
    CENTER_V,
    DEPTH,
    DISPARITY,
    DRIVE,
    FOCAL,
    GRID,
    GRID_OPTIONS,
    HEIGHT,
    LIDAR_TO_CAMERA,
    SPEED,
    WIDTH,
    contents,
    kitti360_tree,
    prepared_tree,
    raw_tree,
    run_here,
    semantic_kitti_tree,
    snapshot,
)
from tool_runs import tool_environment

from mmssc.datasets import SemanticKITTIDataset, SSCBenchKITTI360Dataset
from mmssc.datasets.driving_list import read_driving_list
from mmssc.formats.kitti import (
    read_indexed_poses,
    read_raw_labels,
    read_velodyne,
    read_voxel_bits,
    write_depth,
    write_indexed_poses,
    write_velodyne,
)
from mmssc.preparation import SSCBenchKITTI360Layout
from mmssc.preparation.driving.layouts import KITTI360_BASELINE_FOCAL

REPOSITORY = Path(__file__).parents[2]
CONVERTER = REPOSITORY / 'tools' / 'dataset_converters' / 'semantic_kitti.py'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return raw_tree(tmp_path / 'kitti')


@pytest.fixture(scope='module')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared_tree(tmp_path_factory.mktemp('prepared'))


def loop_labels(raw: np.ndarray, invalid: np.ndarray, table: dict, hides: bool) -> np.ndarray:
    labels = np.zeros(raw.shape, np.uint8)
    for index in np.ndindex(raw.shape):
        raw_id = int(raw[index])
        label = table[raw_id]
        if label == 0 and raw_id != 0:
            label = 255
        if invalid[index] and (hides or raw_id == 0):
            label = 255
        labels[index] = label
    return labels


def loop_pool(labels: np.ndarray) -> np.ndarray:
    pooled = np.zeros([side // 2 for side in labels.shape], np.uint8)
    for x, y, z in np.ndindex(pooled.shape):
        block = labels[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2].ravel().tolist()
        named = [label for label in block if label not in (0, 255)]
        if named:
            pooled[x, y, z] = max(sorted(set(named)), key=named.count)
        else:
            pooled[x, y, z] = 0 if block.count(0) > block.count(255) else 255
    return pooled


def loop_points(depth: np.ndarray, lidar2cam: np.ndarray, calibration: tuple) -> np.ndarray:
    focal, center_u, center_v, shift, shift_v = calibration
    points = []
    for v, u in np.ndindex(depth.shape):
        d = float(depth[v, u])
        x = (u - center_u) * d / focal - shift / focal
        y = (v - center_v) * d / focal - shift_v / focal
        point = np.linalg.inv(lidar2cam) @ [x, y, d, 1]
        if d > 0 and point[0] >= 0 and point[2] < 80:
            points.append(point)
    return np.array(points)


def assert_labels(root: Path, sequence: str, frames: list[str], raw: Path, dataset: type) -> None:
    table = dataset.METAINFO['learning_map']
    hides = dataset is SemanticKITTIDataset
    folder = root / dataset.DATA_PREFIX['labels'] / sequence
    for frame in frames:
        expected = loop_labels(
            read_raw_labels(raw / f'{frame}.label', GRID),
            read_voxel_bits(raw / f'{frame}.invalid', GRID),
            table,
            hides,
        )
        fine, coarse = (np.load(folder / f'{frame}_1_{factor}.npy') for factor in (1, 2))
        assert fine.dtype == coarse.dtype == np.uint8
        np.testing.assert_array_equal(fine, expected)
        np.testing.assert_array_equal(coarse, loop_pool(expected))


def test_labels_follow_the_rule(prepared: Path) -> None:
    for sequence, frames in (('00', ['000000', '000002', '000004']), ('08', ['000000', '000002'])):
        raw = prepared / 'dataset' / 'sequences' / sequence / 'voxels'
        assert_labels(prepared, sequence, frames, raw, SemanticKITTIDataset)
        made = sorted(path.name for path in (prepared / 'dataset/labels' / sequence).iterdir())
        volumes = sorted(f'{frame}_1_{n}.npy' for frame in frames for n in (1, 2))
        assert made == [*volumes, 'recipe.json']


def test_stereo_depth_is_that_of_the_shift(prepared: Path) -> None:
    for path in sorted((prepared / 'dataset/depth').rglob('*.npy')):
        depth = np.load(path)
        assert depth.shape == (HEIGHT, WIDTH)
        inner = depth[:, DISPARITY + 8 : -8]
        assert (inner > 0).mean() > 0.97
        # 1/16 pixel of disparity.
        step = BASELINE_FOCAL / (DISPARITY - 1 / 16) - DEPTH
        assert (np.abs(inner[inner > 0] - DEPTH) <= step * 1.001).mean() > 0.95


def test_pseudo_lidar_is_the_lifted_depth(prepared: Path) -> None:
    calibration = (FOCAL, CENTER_U, CENTER_V, 5.0, 1.0)
    for path in sorted((prepared / 'dataset/pseudo_lidar/08').glob('*.bin')):
        depth = np.load(prepared / f'dataset/depth/08/{path.stem}.npy')
        expected = loop_points(depth, LIDAR_TO_CAMERA, calibration)
        np.testing.assert_allclose(read_velodyne(path), expected, rtol=0, atol=1e-6)
        assert (read_velodyne(path)[:, 3] == 1).all()


def test_info_files_hold_calibration_poses_and_samples(prepared: Path) -> None:
    info = read_driving_list(prepared / 'semantickitti_infos_train.json')
    assert info['metainfo']['dataset'] == 'SemanticKITTI'
    assert info['metainfo']['split'] == 'train'
    assert info['metainfo']['voxel_grid'].shape == GRID
    assert [item['frame_id'] for item in info['data_list']] == ['000000', '000002', '000004']
    assert all(item['labelled'] for item in info['data_list'])
    np.testing.assert_array_equal(info['sequences']['00']['lidar2cam'], LIDAR_TO_CAMERA)
    assert info['sequences']['00']['P3'][0, 3] == 5.0 - BASELINE_FOCAL
    assert info['sequences']['00']['poses'][4, 2, 3] == 4 * SPEED
    assert not (prepared / 'semantickitti_infos_test.json').exists()
    assert str(prepared) not in (prepared / 'semantickitti_infos_val.json').read_text()


def test_the_data_set_reads_what_was_made(prepared: Path) -> None:
    dataset = SemanticKITTIDataset(
        'semantickitti_infos_train.json', str(prepared), frame_offsets=(-1,), pipeline=[]
    )
    item = dataset[1]
    paths = [*item['label_paths'].values()][:2]
    for frame in item['frames']:
        paths += [frame['img_path'], frame['pseudo_lidar_path'], frame['depth_path']]
    assert [frame['frame_id'] for frame in item['frames']] == ['000002', '000001']
    assert [path for path in paths if not Path(path).is_file()] == []


@pytest.mark.parametrize('converter', ['semantic_kitti', 'sscbench_kitti360'])
def test_the_command(run_tool, tmp_path: Path, prepared: Path, converter: str) -> None:
    root = tmp_path / 'tree'
    make_tree = raw_tree if converter == 'semantic_kitti' else kitti360_tree
    make_tree(root)
    options = [*GRID_OPTIONS, '--workers', '1', '--max-disparity', '16']
    done = run_tool(f'dataset_converters/{converter}.py', root, *options)
    counts = (5, 8, 8, 2) if converter == 'semantic_kitti' else (2, 4, 4, 1)
    rows = [line.split() for line in done.stdout.splitlines()]
    for step, made in zip(('labels', 'depth', 'pseudo_lidar', 'infos'), counts):
        assert [step, str(made), '0', '0'] in [row[:4] for row in rows]
    if converter == 'semantic_kitti':
        assert contents(root) == contents(prepared)
    else:
        assert len(list((root / 'preprocess/pseudo_lidar' / DRIVE).glob('*.bin'))) == 4


def test_crop_keeps_every_point_a_sample_can_use(tree: Path) -> None:
    assert run_here(tree, '--steps', 'depth') == 0
    # A far wall: most points leave the grid of the car's first frames.
    rng = np.random.default_rng(0)
    for path in (tree / 'dataset/depth/00').glob('*.npy'):
        np.save(path, rng.uniform(1, 90, (HEIGHT, WIDTH)).astype(np.float32))
    clouds = {}
    for options in ((), ('--crop', '--crop-offsets', '-1', '-2', '--overwrite')):
        assert run_here(tree, '--steps', 'pseudo_lidar', '--sequences', '00', *options) == 0
        folder = tree / 'dataset/pseudo_lidar/00'
        clouds[bool(options)] = [read_velodyne(path) for path in sorted(folder.glob('*.bin'))]
    for frame, (whole, cropped) in enumerate(zip(clouds[False], clouds[True])):
        assert 0 < len(cropped) < 0.9 * len(whole)
        for sample in (frame, frame + 1, frame + 2):
            if sample >= len(clouds[True]):
                continue
            # The car moves along x.
            shift = np.array([SPEED * (frame - sample), 0, 0], np.float32)
            lower, upper = np.array([0, -25.6, -2]), np.array([51.2, 25.6, 4.4])
            moved = [points[:, :3] + shift for points in (whole, cropped)]
            inside = [p[((p > lower) & (p < upper)).all(1)] for p in moved]
            np.testing.assert_array_equal(*inside)


@pytest.mark.parametrize('suffix', ['.npy', '.png'])
def test_a_disparity_folder_equals_its_depth_folder(
    tree: Path, tmp_path: Path, suffix: str
) -> None:
    rng = np.random.default_rng(0)
    disparities = {}
    for sequence, count in (('00', 5), ('08', 3)):
        for frame in range(count):
            # Multiples of 1/2 pixel whose depth 40 / d is exact in a .png, and holes.
            disparity = rng.choice([0.0, 1.0, 2.0, 4.0, 5.0, 8.0, 16.0], (HEIGHT, WIDTH))
            depth = np.where(disparity > 0, 40 / np.maximum(disparity, 0.1), 0)
            name = f'{sequence}/{frame:06d}{suffix}'
            write_depth(tmp_path / 'disparity' / name, disparity)
            write_depth(tmp_path / 'depth' / name, depth)
            disparities[name] = disparity
    results = []
    for kind in ('disparity', 'depth'):
        options = ['--depth-from', str(tmp_path / kind), '--depth-kind', kind, '--overwrite']
        assert run_here(tree, '--steps', 'depth', 'pseudo_lidar', *options) == 0
        made = contents(tree / 'dataset')
        results.append({k: v for k, v in made.items() if k.endswith(('.npy', '.bin'))})
    assert results[0] == results[1]
    depth = np.load(tree / 'dataset/depth/08/000001.npy')
    disparity = disparities[f'08/000001{suffix}']
    assert depth[disparity == 5.0].tolist() == [8.0] * int((disparity == 5.0).sum())
    assert not depth[disparity == 0].any()


def test_png_depth_is_read_back(tree: Path) -> None:
    assert run_here(tree, '--depth-format', 'png', '--steps', 'depth', 'pseudo_lidar') == 0
    assert sorted(p.name for p in (tree / 'dataset/depth/08').iterdir()) == [
        '000000.png', '000001.png', '000002.png', 'recipe.json',
    ]  # fmt: skip
    assert len(read_velodyne(tree / 'dataset/pseudo_lidar/08/000001.bin')) > 1000


def test_depth_of_the_user_is_used_and_never_touched(
    tree: Path, capsys: pytest.CaptureFixture
) -> None:
    for frame in range(3):
        depth = np.full((HEIGHT, WIDTH), 7, np.float32)
        write_depth(tree / f'dataset/depth/08/{frame:06d}.npy', depth)
    before = snapshot(tree / 'dataset/depth/08')
    assert run_here(tree, '--overwrite') == 0
    assert 'used unchanged' in capsys.readouterr().out
    assert snapshot(tree / 'dataset/depth/08') == before
    points = read_velodyne(tree / 'dataset/pseudo_lidar/08/000000.bin')
    np.testing.assert_allclose(points[:, 0], 7.27, atol=1e-5)
    assert run_here(tree, '--depth-from', 'stereo') == 2
    assert 'Move them away' in capsys.readouterr().err


def test_labels_of_the_user_are_never_removed(tree: Path, capsys: pytest.CaptureFixture) -> None:
    path = tree / 'dataset/labels/08/000000_1_1.npy'
    path.parent.mkdir(parents=True)
    np.save(path, np.full(GRID, 3, np.float32))
    before = path.read_bytes()
    assert run_here(tree, '--overwrite') == 0
    assert 'your own labels: kept' in capsys.readouterr().out
    assert path.read_bytes() == before
    # Coarser ones come from them.
    assert (np.load(path.with_name('000000_1_2.npy')) == 3).all()


def test_depth_of_the_user_needs_no_right_camera(tree: Path) -> None:
    calib = tree / 'dataset/sequences/08/calib.txt'
    calib.write_text(''.join(line for line in calib.open() if not line.startswith('P3')))
    for frame in range(3):
        depth = np.full((HEIGHT, WIDTH), 7, np.float32)
        write_depth(tree / f'dataset/depth/08/{frame:06d}.npy', depth)
    assert run_here(tree, '--sequences', '08') == 0
    assert len(list((tree / 'dataset/pseudo_lidar/08').glob('*.bin'))) == 3
    info = read_driving_list(tree / 'semantickitti_infos_val.json')
    assert 'P3' not in info['sequences']['08']


def test_missing_clouds_of_the_user_are_named(tree: Path, capsys: pytest.CaptureFixture) -> None:
    write_velodyne(tree / 'dataset/pseudo_lidar/08/000000.bin', np.ones((5, 3)))
    assert run_here(tree) == 1
    captured = capsys.readouterr()
    assert '000001.bin' in captured.err and '000002.bin' in captured.err
    assert 'not written' in captured.out


def test_only_samples(tree: Path) -> None:
    assert run_here(tree, '--frames', 'samples', '--sequences', '00') == 0
    made = sorted(path.stem for path in (tree / 'dataset/pseudo_lidar/00').glob('*.bin'))
    assert made == ['000000', '000002', '000004']
    assert not (tree / 'dataset/depth/08').exists()
    assert (tree / 'semantickitti_infos_val.json').exists()


def test_other_splits(tree: Path) -> None:
    options = ['--train-sequences', '08', '--val-sequences', '00', '--test-sequences']
    assert run_here(tree, '--steps', 'infos', *options) == 0
    assert list(read_driving_list(tree / 'semantickitti_infos_train.json')['sequences']) == ['08']
    assert list(read_driving_list(tree / 'semantickitti_infos_val.json')['sequences']) == ['00']


def test_sequences_without_labels_are_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = semantic_kitti_tree(tmp_path, {'11': 3}, labelled=False)
    assert run_here(root) == 0
    assert '11: 2 samples, no voxels/*.label (is a test sequence)' in capsys.readouterr().out
    info = read_driving_list(root / 'semantickitti_infos_test.json')
    assert [item['labelled'] for item in info['data_list']] == [False, False]


def test_voxels_of_scans_are_enough(tree: Path, capsys: pytest.CaptureFixture) -> None:
    """LMSCNet reads ``voxels/*.bin``: neither images nor points."""
    for images in tree.glob('dataset/sequences/*/image_*'):
        shutil.rmtree(images)
    assert run_here(tree, '--steps', 'labels', 'infos') == 0
    assert 'train: 3 samples, 3 labelled' in capsys.readouterr().out


def test_drives_without_images_among_others_are_named(
    tree: Path, capsys: pytest.CaptureFixture
) -> None:
    for images in tree.glob('dataset/sequences/08/image_*'):
        shutil.rmtree(images)
    assert run_here(tree, '--steps', 'labels', 'infos') == 0
    output = capsys.readouterr().out
    assert 'train: without 01, 02, 03, 04, 05, 06, 07, 09, 10 (not on disk)' in output
    assert 'val: without 08 (no images, but other drives have some. Methods that take' in output
    assert 'images: link the other files into one), no info file' in output
    assert 'test: no sequence on disk, no info file' in output
    assert not (tree / 'semantickitti_infos_val.json').exists()


def test_notes_of_a_check_can_be_typed(tree: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'mmssc', 'check', tree], env=tool_environment(), text=True,
        capture_output=True,
    )  # fmt: skip
    assert f'(run python -m mmssc prepare semantic_kitti {tree})' in done.stdout
    assert 'tools/' not in done.stdout, done.stderr


def test_kitti360(tmp_path: Path) -> None:
    root = kitti360_tree(tmp_path)
    assert run_here(root, layout=SSCBenchKITTI360Layout) == 0
    raw = root / 'data_2d_raw' / DRIVE / 'voxels'
    assert_labels(root, DRIVE, ['000000', '000002'], raw, SSCBenchKITTI360Dataset)
    depth = np.load(root / 'preprocess/depth' / DRIVE / '000001.npy')
    assert np.median(depth[depth > 0]) == pytest.approx(KITTI360_BASELINE_FOCAL / DISPARITY)
    info = read_driving_list(root / 'sscbench_kitti360_infos_val.json')
    assert info['sequences'][DRIVE]['pose_indices'].tolist() == [0, 2, 3]
    projection, lidar2cam = (info['sequences'][DRIVE][key] for key in ('P2', 'lidar2cam'))
    calibration = (projection[0, 0], projection[0, 2], projection[1, 2], 0, 0)
    points = read_velodyne(root / 'preprocess/pseudo_lidar' / DRIVE / '000001.bin')
    expected = loop_points(depth, lidar2cam, calibration)
    np.testing.assert_allclose(points, expected, rtol=0, atol=1e-5)


def test_kitti360_infos_name_the_frames_of_poses_without_gaps(tmp_path: Path) -> None:
    root = kitti360_tree(tmp_path)
    poses = root / 'data_2d_raw' / DRIVE / 'poses.txt'
    write_indexed_poses(poses, np.arange(3), read_indexed_poses(poses)[1])
    assert run_here(root, '--steps', 'infos', layout=SSCBenchKITTI360Layout) == 0
    info = read_driving_list(root / 'sscbench_kitti360_infos_val.json')
    assert info['sequences'][DRIVE]['pose_indices'].tolist() == [0, 1, 2]


def test_kitti360_pools_the_labels_that_sscbench_ships(tmp_path: Path) -> None:
    root = kitti360_tree(tmp_path)
    labels = np.random.default_rng(0).choice([0, 255, 3, 7], GRID).astype(np.float32)
    folder = root / 'preprocess/labels' / DRIVE
    folder.mkdir(parents=True)
    for path in (root / 'data_2d_raw' / DRIVE / 'voxels').glob('*.label'):
        np.save(folder / f'{path.stem}_1_1.npy', labels)
        path.unlink()
    before = snapshot(folder)
    options = ['--steps', 'labels', 'infos']
    assert run_here(root, *options, layout=SSCBenchKITTI360Layout) == 0
    np.testing.assert_array_equal(np.load(folder / '000002_1_2.npy'), loop_pool(labels))
    assert all(snapshot(folder)[name] == before[name] for name in before)
    info = read_driving_list(root / 'sscbench_kitti360_infos_val.json')
    assert [item['labelled'] for item in info['data_list']] == [True, True]
