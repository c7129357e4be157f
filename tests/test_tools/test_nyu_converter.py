"""The converter of NYU: contents, layouts, repeated and stopped runs, wrong input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nyu_trees import (
    CAMERA,
    COARSE,
    FRAMES,
    OPTIONS,
    ORIGIN,
    convert,
    file_states,
    nyu_tree,
    volume_of,
)
from tool_runs import left_by_killed_process, run_tool_in

from mmssc.datasets import NYUDataset
from mmssc.datasets.rgbd_list import read_rgbd_list
from mmssc.datasets.transforms import LoadRGBDFrame
from mmssc.errors import DataError
from mmssc.formats import torchssc as torchssc
from mmssc.formats.matrices import camera_matrix
from mmssc.formats.numpy_arrays import write_npz
from mmssc.formats.sscnet import raw_to_class, read_nyu_depth
from mmssc.geometry import depth_volumes, label_sketch, label_weight, pool_labels
from mmssc.preparation.rgbd.published_figures import frame_figures

KEYS = ('tsdf', 'voxel_to_pixel', 'gt_voxels', 'label_weight', 'gt_sketch')
IMAGE_SIZE = (24, 32)


@pytest.fixture(scope='module')
def raw(tmp_path_factory) -> Path:
    return nyu_tree(tmp_path_factory.mktemp('raw'))


@pytest.fixture(scope='module')
def prepared(tmp_path_factory) -> Path:
    root = nyu_tree(tmp_path_factory.mktemp('prepared'))
    assert convert(root, '--fine') == 0
    return root


@pytest.fixture
def own(tmp_path, prepared) -> Path:
    return shutil.copytree(prepared, tmp_path / 'own')


def frames_of(root: Path, split: str = 'train', keys=KEYS, **options) -> list[dict]:
    return list(
        NYUDataset(
            ann_file=f'nyu_infos_{split}.json', data_root=str(root),
            pipeline=[LoadRGBDFrame(keys)], test_mode=True, **options,
        )
    )  # fmt: skip


def test_contents_are_those_of_the_geometry(raw, prepared):
    for split, names in FRAMES.items():
        frames = frames_of(prepared, split, (*KEYS, 'tsdf_fine'))
        assert [frame['frame_id'] for frame in frames] == list(names)
        for frame in frames:
            name = frame['frame_id']
            depth = read_nyu_depth(raw / f'NYU{split}/NYU{name}_0000.png')
            volume = volume_of(name)
            pose = torch.from_numpy(volume.cam2world)
            grid = frame['voxel_grid']
            assert grid.shape == COARSE
            assert grid.origin == pytest.approx(tuple(ORIGIN[[0, 2, 1]]), abs=1e-7)
            camera = torch.from_numpy(camera_matrix(CAMERA))
            expected = depth_volumes(torch.from_numpy(depth), camera, pose, grid)
            assert np.array_equal(frame['tsdf'], expected.tsdf)
            assert np.array_equal(frame['voxel_to_pixel'], expected.voxel_to_pixel)
            assert np.abs(frame['tsdf_fine'] - expected.tsdf_fine.numpy()).max() < 3e-4
            labels = pool_labels(torch.from_numpy(raw_to_class(volume.raw_ids)), 4, 12, tie='empty')
            assert np.array_equal(frame['gt_voxels'], labels)
            assert frame['gt_voxels'][0, 0, 0] == 0
            assert np.array_equal(frame['label_weight'], label_weight(labels, expected.tsdf))
            assert np.array_equal(frame['gt_sketch'], label_sketch(labels))
            assert (frame['tsdf'] < 0).any() and (frame['voxel_to_pixel'] >= 0).any()
            assert np.allclose(frame['lidar2cam'][0] @ pose.numpy(), np.eye(4), atol=1e-6)


def test_sources_have_their_own_depth_and_camera(prepared):
    sensor, clean = (
        frames_of(prepared, keys=('tsdf', 'voxel_to_pixel', 'gt_voxels'), source=source)
        for source in ('nyu', 'nyucad')
    )
    assert sensor[0]['cam2img'][0, 0] == 20 and clean[0]['cam2img'][0, 0] == 21
    assert not np.array_equal(sensor[0]['tsdf'], clean[0]['tsdf'])
    assert np.array_equal(sensor[0]['gt_voxels'], clean[0]['gt_voxels'])


def test_depth_images_are_listed_beside_the_volumes(prepared):
    for source, folder in (('nyu', 'NYUtrain'), ('nyucad', 'NYUCADtrain')):
        frame = frames_of(prepared, keys=['depth'], source=source)[0]
        expected = read_nyu_depth(prepared / folder / 'NYU0003_0000.png')
        assert np.array_equal(frame['depth'][0], expected)


def test_depth_that_is_not_converted_is_no_source(raw, tmp_path):
    assert convert(raw, '--out', tmp_path, '--sources', 'nyu') == 0
    with pytest.raises(DataError, match="clean_source 'nyucad'"):
        frames_of(tmp_path, clean_source='nyucad')


def test_frames_without_an_image_are_listed_as_such(prepared):
    frames = read_rgbd_list(prepared / 'nyu_infos_train.json').frames
    assert {frame.frame_id: set(frame.missing) for frame in frames} == {
        '0003': set(),
        '0005': {'shared/img'},
    }
    assert len(frames_of(prepared, keys=['img'], require=['img'])) == 1


def test_a_second_run_rewrites_nothing(own):
    before = file_states(own)
    assert convert(own, '--fine') == 0
    assert file_states(own) == before


def test_overwrite_makes_the_same_files_again(own):
    before = file_states(own)
    assert convert(own, '--fine', '--overwrite') == 0
    after = file_states(own)
    assert {name: state[0] for name, state in before.items()} == {
        name: state[0] for name, state in after.items()
    }
    name = 'prepared/nyu/0003.npz'
    assert before[name][1] != after[name][1]


def test_lost_and_damaged_files_are_made_again(own):
    before = {name: state[0] for name, state in file_states(own).items()}
    (own / 'prepared/nyu/0003.npz').unlink()
    path = own / 'prepared/nyucad/0001.npz'
    path.write_bytes(path.read_bytes()[:-40])
    left_by_killed_process(own / 'prepared/nyu')
    assert convert(own, '--fine') == 0
    assert {name: state[0] for name, state in file_states(own).items()} == before


def test_other_settings_do_not_mix_with_old_results(own, capsys):
    before = file_states(own)
    assert convert(own, '--tie', 'ignore') == 2
    assert 'expected --tie ignore, found --tie empty' in capsys.readouterr().err
    assert file_states(own) == before
    assert convert(own, '--tie', 'ignore', '--overwrite', '--sources', 'nyu') == 0
    first = frames_of(own)[0]
    assert first['gt_voxels'][0, 0, 0] == 255
    raw_ids = torch.from_numpy(raw_to_class(volume_of('0003').raw_ids))
    assert np.array_equal(first['gt_voxels'], pool_labels(raw_ids, 4, 12, tie='ignore'))


def test_layout_of_the_authors(prepared, raw, tmp_path):
    out = tmp_path / 'out'
    assert convert(raw, '--out', out, '--layout', 'torchssc') == 0
    ours, theirs = frames_of(prepared)[0], frames_of(out)[0]
    for key in KEYS:
        assert np.array_equal(ours[key], theirs[key]), key
    assert theirs['files']['tsdf'] == (str(out / 'TSDF/0003.npz'), 'torchssc_tsdf')
    clean = frames_of(out, keys=['tsdf', 'tsdf_clean'], clean_source='nyucad')[0]
    cad = torchssc.read_torchssc_tsdf(out / 'NYUCAD/TSDF/0003.npz', COARSE)
    assert np.array_equal(clean['tsdf_clean'], cad)
    # colour images stay where they are
    assert frames_of(out, keys=['img'], require=['img'])[0]['img'][0].shape == (*IMAGE_SIZE, 3)
    # a tree of the authors' files and ours in one: not overwritten in silence
    (out / 'TSDF/recipe.json').unlink()
    before = file_states(out)
    assert convert(raw, '--out', out, '--layout', 'torchssc') == 2
    assert file_states(out) == before


def published_tree(root: Path, kind: str) -> None:
    """Files of two frames as a repository distributes them, without any of ours."""
    random = np.random.default_rng(0)
    for split, names in FRAMES.items():
        for name in names:
            base = root if kind == 'torchssc' else root / 'NYU'
            tsdf = random.uniform(-1, 1, COARSE).astype(np.float32)
            torchssc.write_torchssc_tsdf(base / f'TSDF/{name}.npz', tsdf, tsdf < -0.5)
            mapping = random.integers(-1, 700, COARSE)
            torchssc.write_torchssc_mapping(base / f'Mapping/{name}.npz', mapping, IMAGE_SIZE)
            labels = random.integers(0, 12, COARSE)
            torchssc.write_torchssc_label(base / f'Label/{name}.npz', labels, 12)
            if kind == 'torchssc':
                torchssc.write_torchssc_sketch(root / f'sketch3D/{name}.npy', labels > 5)
            if kind == 'cleaners':
                torchssc.write_torchssc_tsdf(root / f'NYUCAD/TSDF/{name}.npz', -tsdf)
            if kind == 'ammnet':
                voxels = f'NYU{name}_0000_voxels.npz'
                for folder, arrays in (
                    ('TSDF_lr', dict(tsdf_lr=np.full(COARSE, 0.001, np.float32))),
                    ('mapping', dict(arr_1=np.full(tsdf.size, 768))),
                ):
                    write_npz(root / f'NYUCAD/{split}/{folder}/{voxels}', arrays)
    base = root if kind == 'torchssc' else root / 'NYU'
    for split, names in FRAMES.items():
        (base / f'{split}.txt').write_text(''.join(f'{name}\tmore\n' for name in names))


@pytest.mark.parametrize('kind', ['torchssc', 'cleaners', 'ammnet'])
def test_published_files_are_read_in_place(tmp_path, kind):
    root = tmp_path / 'files'
    published_tree(root, kind)
    before = file_states(root)
    assert convert(root, '--list-only', '--out', tmp_path / 'lists') == 0
    assert file_states(root) == before
    lists = tmp_path / 'lists'
    assert sorted(path.name for path in lists.iterdir()) == [
        'nyu_infos_test.json',
        'nyu_infos_train.json',
    ]
    frames = frames_of(lists, keys=(*KEYS, 'eval_masks'))
    assert [frame['frame_id'] for frame in frames] == ['0003', '0005']
    base = root if kind == 'torchssc' else root / 'NYU'
    tsdf = torchssc.read_torchssc_tsdf(base / 'TSDF/0003.npz', COARSE)
    assert np.array_equal(frames[0]['tsdf'], tsdf)
    assert np.array_equal(frames[0]['label_weight'], tsdf < -0.5)
    sketch = label_sketch(torch.from_numpy(frames[0]['gt_voxels'])).numpy()
    if kind == 'torchssc':
        sketch = (frames[0]['gt_voxels'] > 5).astype(np.uint8)
    assert np.array_equal(frames[0]['gt_sketch'], sketch)
    if kind == 'cleaners':
        clean = frames_of(lists, keys=['tsdf_clean'], clean_source='nyucad')[0]['tsdf_clean']
        assert np.array_equal(clean, -tsdf)
    if kind == 'ammnet':
        clean = frames_of(lists, keys=['tsdf', 'voxel_to_pixel'], source='nyucad_flipped')[0]
        assert (clean['tsdf'] == np.float32(0.001)).all() and (clean['voxel_to_pixel'] == -1).all()


def test_repack_of_ddrnet(tmp_path, prepared):
    ours = {split: frames_of(prepared, split, (*KEYS, 'tsdf_fine')) for split in FRAMES}
    for split, frames in ours.items():
        for frame in frames:
            fine = torch.from_numpy(frame['tsdf_fine'])
            sign = torch.where((fine < 0) & (fine.abs() >= 1e-3), -1.0, 1.0)
            flipped = sign * (1 - fine.abs()).clamp_min(1e-3)
            name = f'NYU{split}_npz/NYU{frame["frame_id"]}_0000_voxels.npz'
            write_npz(
                tmp_path / name,
                dict(
                    tsdf_lr=np.zeros(COARSE, np.float32),
                    tsdf_hr=flipped.numpy()[..., None],
                    target_lr=frame['gt_voxels'],
                    position=np.zeros(IMAGE_SIZE, np.int64),
                ),
            )
        names = '\n'.join(frame['frame_id'] for frame in frames)
        (tmp_path / f'{split}.txt').write_text(names)
    assert convert(tmp_path, '--list-only') == 0
    options = dict(source='nyu_flipped', label_source='nyu_flipped')
    for split, frames in ours.items():
        for found, frame in zip(frames_of(tmp_path, split, **options), frames):
            assert np.array_equal(found['gt_voxels'], frame['gt_voxels'])
            assert (found['voxel_to_pixel'] == -1).all() and (found['tsdf'] == 0).all()
            # the weight follows from the fine TSDF, which is flipped back
            differs = found['label_weight'] != frame['label_weight']
            assert differs.mean() < 0.02


def test_check_against_figures(own, capsys):
    rows = []
    for split in FRAMES:
        for frame in frames_of(own, split):
            figures = frame_figures({key: frame[key] for key in KEYS}, IMAGE_SIZE)
            rows.append(dict(frame=frame['frame_id'], split=split, **figures))
    path = own / 'figures.csv'

    def write() -> None:
        lines = [','.join(rows[0])]
        path.write_text('\n'.join([*lines, *(','.join(map(str, row.values())) for row in rows)]))

    write()
    assert convert(own, '--list-only', '--verify', path) == 0
    assert 'verify               3' in capsys.readouterr().out
    rows[1]['label_crc32'] += 1
    rows[2]['tsdf_mean'] += 1e-3
    write()
    assert convert(own, '--list-only', '--verify', path) == 1
    error = capsys.readouterr().err
    assert error.count('figures: expected the published ones') == 2
    assert 'nyu/0005.npz' in error and 'label_crc32' in error
    assert 'nyu/0001.npz' in error and 'tsdf_mean' in error and 'nyu/0003.npz' not in error
    path.write_text('frame,mapped\n9001,2\n')
    assert convert(own, '--list-only', '--verify', path) == 2
    expected = 'figures.csv: frame: expected frames of the info lists, found none of its 1 frame'
    assert expected in capsys.readouterr().err
    shutil.rmtree(own / 'prepared')
    path.write_text('name,mapped\n1,2\n')
    assert convert(own, '--verify', path) == 2
    assert 'figures.csv: columns' in capsys.readouterr().err
    assert not (own / 'prepared').exists(), 'the file was read after the work'


WRONG = [
    ('NYUtrain/NYU0003_0000.bin', lambda path: path.write_bytes(path.read_bytes()[:-5]), 'size'),
    ('NYUtrain/NYU0003_0000.png', lambda path: path.write_bytes(b'no png'), 'image'),
    ('NYUtest/NYU0001_0000.png', lambda path: path.write_bytes(b''), 'size'),
]


@pytest.mark.parametrize(('name', 'spoil', 'field'), WRONG)
def test_a_bad_frame_is_named_and_the_others_are_made(tmp_path, capsys, name, spoil, field):
    root = nyu_tree(tmp_path, ('NYU',))
    spoil(root / name)
    assert convert(root) == 1
    captured = capsys.readouterr()
    frame_id = Path(name).stem[3:7]
    assert f'{frame_id}: {root / name}: {field}' in captured.err
    assert 'not written: see the failures' in captured.out
    made = {path.stem for path in (root / 'prepared/nyu').glob('*.npz')}
    assert made == {'0001', '0003', '0005'} - {frame_id}
    assert not list(root.glob('nyu_infos*'))


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (('--image-size', '24', '30'), r'image size: expected \(24, 30\), found \(24, 32\)'),
        (('--grid-shape', '6', '4', '5'), 'run lengths'),
        (('--depth-limits', '0.5', '8', '--truncation', '0'), 'truncation'),
    ],
)
def test_settings_that_do_not_fit_the_files(tmp_path, capsys, options, text):
    root = nyu_tree(tmp_path, ('NYU',))
    assert convert(root, *options) == 1
    assert re.search(text, capsys.readouterr().err)


def test_nothing_to_do(tmp_path, capsys):
    assert convert(tmp_path) == 2
    assert 'frames: expected raw depth with .bin files, or TSDF folders' in capsys.readouterr().err
    assert convert(tmp_path / 'none') == 2
    assert 'root: expected a folder' in capsys.readouterr().err
    assert convert(nyu_tree(tmp_path, ('NYU',)), '--sources', 'nyucad') == 2
    assert 'depth of nyucad' in capsys.readouterr().err


def test_named_cameras_are_scaled_to_the_image(tmp_path):
    root = nyu_tree(tmp_path, ('NYU',))
    assert convert(root, '--camera', 'nyu') == 0
    recipe = json.loads((root / 'prepared/nyu/recipe.json').read_text())
    assert recipe['camera'] == pytest.approx([518.8579 / 20, 519.4696 / 20, 16.279, 12.687])
    with pytest.raises(SystemExit):
        convert(root, '--camera', 'kinect')


@pytest.mark.slow
def test_the_command_with_two_workers_equals_one(prepared, tmp_path):
    root = nyu_tree(tmp_path)
    options = [option if option != '1' else '2' for option in OPTIONS]
    run_tool_in(tmp_path, 'dataset_converters/nyu.py', root, *options, '--fine')
    expected = {name: state[0] for name, state in file_states(prepared).items()}
    assert {name: state[0] for name, state in file_states(root).items()} == expected


def test_splits_with_frames_of_one_name_are_refused(tmp_path, capsys):
    root = nyu_tree(tmp_path, ('NYU',))
    for suffix in ('png', 'bin'):
        path = root / f'NYUtest/NYU0001_0000.{suffix}'
        path.rename(path.with_name(f'NYU0003_0000.{suffix}'))
    assert convert(root) == 2
    errors = capsys.readouterr().err
    assert 'NYUtest/NYU0003_0000.png: frame: expected a name of its own, found 0003 of' in errors
    assert not (root / 'prepared').exists()
