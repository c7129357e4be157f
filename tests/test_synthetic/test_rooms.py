import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_streets import digests, recall_by_colour

from mmssc.errors import DataError
from mmssc.formats.images import read_rgb
from mmssc.formats.sscnet import IGNORE, RAW_NAMES, raw_to_class, read_nyu_depth, read_sscnet_bin
from mmssc.geometry import compute_tsdf, depth_to_voxels, place_grid
from mmssc.structures import VoxelGrid
from mmssc.synthetic.rooms.frame import RoomSettings, SyntheticRoom, frame_files, write_room_files
from mmssc.synthetic.rooms.layout import WALL
from mmssc.synthetic.rooms.segments import SEGMENT_NAMES, true_segments
from mmssc.synthetic.rooms.voxels import voxelize_room
from mmssc.synthetic.solids import BOX

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'dataset_converters'))
import make_synthetic

SETTINGS = RoomSettings(image_size=(120, 160), shape=(120, 72, 120), voxel_size=0.04)
SMALL = RoomSettings(image_size=(60, 80), shape=(60, 36, 60), voxel_size=0.08)
OPTIONS = ['--layout', 'nyu', '--grid-shape', '60', '36', '60', '--voxel-size', '0.08']
OPTIONS += ['--image-size', '60', '80']
FRAMES = range(1, 7)


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    out = tmp_path_factory.mktemp('rooms')
    for frame in FRAMES:
        write_room_files(out, 'train', frame, SETTINGS)
    return out


def read_frame(out, frame):
    """Sensor depth, clean depth and volume of a frame, from the files alone."""
    files = frame_files(out, 'train', frame)
    depths = [read_nyu_depth(files[key], SETTINGS.image_size) for key in ('depth', 'clean_depth')]
    volume = read_sscnet_bin(files['volume'], SETTINGS.shape)
    return *depths, volume


def hit(depth, camera, volume, grid):
    """Flat voxel that each pixel hits, -1 = none."""
    cam2img = torch.from_numpy(SETTINGS.intrinsics(camera))
    pose = torch.from_numpy(volume.cam2world)
    return depth_to_voxels(torch.from_numpy(depth), cam2img, pose, grid).numpy()


def grid_of(volume):
    x, y, z = volume.origin.tolist()
    size = (SETTINGS.voxel_size,) * 3
    return VoxelGrid((x, z, y), size, SETTINGS.shape, ('x', 'z', 'y'), 'world')


def test_tree_has_every_file_of_the_raw_layout(tree):
    names = {f'{folder}/NYU{n:04d}_0000.{kind}' for folder in ('NYUtrain', 'NYUCADtrain')
             for n in FRAMES for kind in ('png', 'bin')}  # fmt: skip
    names |= {f'RGB/NYU{n:04d}_rgb.png' for n in FRAMES} | {f'seg13/{n:04d}.png' for n in FRAMES}
    found = digests(tree)
    assert set(found) == names
    assert found['NYUtrain/NYU0001_0000.bin'] == found['NYUCADtrain/NYU0001_0000.bin']
    assert read_rgb(tree / 'RGB/NYU0002_rgb.png').shape == (120, 160, 3)
    with Image.open(tree / 'seg13/0002.png') as image:
        assert (image.mode, image.size) == ('L', (160, 120))
        assert np.array(image).max() < len(SEGMENT_NAMES)


def test_origin_follows_the_rule_of_sscnet(tree):
    for frame in FRAMES:
        volume = read_frame(tree, frame)[2]
        pose = torch.from_numpy(volume.cam2world)
        placed = place_grid(pose, SETTINGS.voxel_size, SETTINGS.shape)
        np.testing.assert_allclose(grid_of(volume).origin, placed.origin, atol=1e-6)
        assert volume.origin[2] == np.float32(-0.05)
        assert volume.cam2world[0, 3] == volume.cam2world[1, 3] == 0
        assert 0.85 < volume.cam2world[2, 3] < 1.7, 'eye level over a floor at z = 0'


def test_clean_depth_falls_on_voxels_of_the_seen_thing(tree):
    for frame in FRAMES:
        _, clean, volume = read_frame(tree, frame)
        voxels = hit(clean, 'nyucad', volume, grid_of(volume))
        inside = voxels >= 0
        assert inside.mean() > 0.5
        found = volume.raw_ids.reshape(-1)[voxels[inside]]
        assert ((found > 0) & (found != IGNORE)).mean() > 0.999
        room = SyntheticRoom(frame, SETTINGS)
        seen = room.room.solids.label[room.look('nyucad').index][inside]
        assert (found == seen).mean() > 0.93


def test_each_depth_belongs_to_its_own_camera(tree):
    _, clean, volume = read_frame(tree, 2)
    view = SyntheticRoom(2, SETTINGS).view
    assert np.abs(view.depth - clean).max() > 0.1
    own, other = (hit(clean, camera, volume, grid_of(volume)) for camera in ('nyucad', 'nyu'))
    occupied = [(volume.raw_ids.reshape(-1)[v[v >= 0]] > 0).mean() for v in (own, other)]
    assert occupied[0] > 0.999 > occupied[1]


def test_sensor_depth_is_noisy_stepped_and_has_holes(tree):
    shares, values = [], set()
    for frame in FRAMES:
        sensed, _, volume = read_frame(tree, frame)
        truth = SyntheticRoom(frame, SETTINGS).view.depth
        valid = sensed > 0
        shares.append(valid.mean())
        error = np.abs(sensed - truth)[valid]
        # One and a half centimetres at 3 m; edges give some pixels the depth of a neighbour.
        assert 0.003 < np.median(error) < 0.03 and (error < 0.1).mean() > 0.95
        values |= set(sensed[valid].tolist())
        found = volume.raw_ids.reshape(-1)[hit(sensed, 'nyu', volume, grid_of(volume)).clip(0)]
        assert (found[valid] > 0).mean() > 0.5
    assert 0.75 < np.mean(shares) < 0.95
    # Steps of disparity, in whole millimetres: wider apart the farther away.
    values = np.array(sorted(values))
    gaps = np.diff(values)
    assert len(values) < 400
    assert gaps[values[1:] > 3].min() == pytest.approx(0.029, abs=1e-3)
    assert gaps[values[1:] < 1.5].min() < 0.008


def test_glass_and_shadows_have_no_sensor_depth():
    holes = []
    for frame in range(1, 30):
        room = SyntheticRoom(frame, SMALL)
        window = room.labels == RAW_NAMES.index('window')
        if window.sum() > 50:
            sensed = room.sensor_depth()
            holes.append(((sensed[window] == 0).mean(), (sensed[~window] == 0).mean()))
    assert len(holes) > 5
    window, rest = np.mean(holes, 0)
    assert window > 0.4 > 2 * rest


def test_volume_is_closed_by_the_room():
    for frame in FRAMES:
        room = SyntheticRoom(frame, SETTINGS)
        grid = room.grid
        volume = voxelize_room(room.room, grid)
        centers = grid.centers().double().numpy()
        low, high = room.room.low - WALL - 1e-6, room.room.high + WALL + 1e-6
        outside = ((centers < low) | (centers > high)).any(1).reshape(grid.shape)
        np.testing.assert_array_equal(volume == IGNORE, outside)
        assert 0.1 < outside.mean() < 0.85
        # From below: floor wherever there is a room, and the ceiling above it.
        inside = volume[:, 4] != IGNORE
        assert (volume[:, 0][inside] == RAW_NAMES.index('floor')).mean() > 0.9
        top = np.where(volume != IGNORE, np.arange(grid.shape[1])[None, :, None], 0).max(1)
        above = np.take_along_axis(volume, top[:, None], 1)[:, 0][inside]
        assert (above == RAW_NAMES.index('ceiling')).mean() > 0.7


def test_only_a_ceiling_that_is_seen_is_annotated():
    kinds = set()
    for frame in range(1, 13):
        room, ceiling = SyntheticRoom(frame, SMALL), RAW_NAMES.index('ceiling')
        annotated, everything = room.volume().raw_ids, voxelize_room(room.room, room.grid)
        seen = bool((room.labels == ceiling).mean() >= 0.01)
        changed = annotated != everything
        assert (everything[changed] == ceiling).all() and (annotated[changed] == IGNORE).all()
        assert bool(changed.any()) is not seen and bool((annotated == ceiling).any()) is seen
        kinds.add(seen)
    assert kinds == {True, False}


def test_things_are_filled_and_hidden_space_is_behind_them():
    room = SyntheticRoom(2, SETTINGS)
    solids = room.room.solids
    box = np.flatnonzero((solids.kind == BOX) & (solids.half_size.min(1) > 0.15))
    ids, grid = room.volume().raw_ids, room.grid
    filled = 0
    for center in solids.center[box]:
        cell = (center[[0, 2, 1]] - grid.origin) / grid.voxel_size
        if (cell >= 0).all() and (cell < grid.shape).all():
            filled += 1
            assert ids[tuple(cell.astype(int))] not in (0, IGNORE)
    assert filled > 0
    depth, cam2img = room.clean_depth(), torch.from_numpy(SETTINGS.intrinsics('nyucad'))
    pose = torch.from_numpy(room.room.cam2world)
    depth = torch.from_numpy(depth)
    pixel_voxels = depth_to_voxels(depth, cam2img, pose, grid)
    tsdf = compute_tsdf(depth, pixel_voxels, cam2img, pose, grid).numpy()
    assert ids[tsdf > 0.9].max() == 0, 'what is seen through is empty'
    assert (tsdf < -0.5).sum() > 1000


def test_all_classes_occur_and_sizes_are_like_the_real_ones():
    total, frames = np.zeros(256, np.int64), np.zeros(12, np.int64)
    for frame in range(1, 25):
        classes = raw_to_class(SyntheticRoom(frame, SMALL).volume().raw_ids)
        count = np.bincount(classes.reshape(-1), minlength=256)
        total += count
        frames += count[:12] > 0
    assert (frames > 2).all(), frames
    # Of all 1449 real frames: 0.43 empty, 0.52 outside.
    assert 0.3 < total[0] / total.sum() < 0.56 and 0.35 < total[IGNORE] / total.sum() < 0.6
    share = total[:12] / total[1:12].sum()
    for name, low, high in (('floor', 0.08, 0.3), ('wall', 0.1, 0.35), ('furniture', 0.08, 0.3)):
        assert low < share[{'floor': 2, 'wall': 3, 'furniture': 10}[name]] < high, name


def test_colours_tell_classes_apart():
    names = ('floor', 'wall', 'ceiling', 'bed', 'chair')
    pixels = {}
    for split, frames in (('train', range(1, 26)), ('test', range(100, 125))):
        rooms = [SyntheticRoom(frame, SMALL) for frame in frames]
        views = [(room.image(), room.labels) for room in rooms]
        for name in names:
            found = [image[labels == RAW_NAMES.index(name)] for image, labels in views]
            pixels[split, name] = np.concatenate(found).astype(np.float64)
    recall = recall_by_colour(pixels, names)
    # The colour of a single pixel: chance is 20 %. Shape and place do the rest.
    assert np.mean(recall) > 0.4, dict(zip(names, recall))


def test_segments_are_right_for_most_pixels():
    right = []
    for frame in range(1, 13):
        room = SyntheticRoom(frame, SMALL)
        found, truth = room.segments(), true_segments(room.room, room.view.index)
        assert found.dtype == np.uint8 and found.max() < len(SEGMENT_NAMES)
        right.append((found == truth).mean())
    assert 0.8 < np.mean(right) < 0.97
    assert min(right) < 0.9, 'whole things are mistaken'


@pytest.mark.parametrize('workers', [0, 2])
def test_the_same_seed_gives_the_same_bytes(workers, tmp_path):
    arguments = [*OPTIONS, '--frames', '2', '1', '--seed', '5', '--workers', str(workers)]
    make_synthetic.main(['--out', str(tmp_path / 'cli'), *arguments])
    settings = dataclasses.replace(SMALL, seed=5)
    for split, frame in (('train', 1), ('train', 3), ('test', 2)):
        write_room_files(tmp_path / 'python', split, frame, settings)
    found = digests(tmp_path / 'cli')
    assert (tmp_path / 'cli/train.txt').read_text() == '0001\n0003\n'
    assert (tmp_path / 'cli/test.txt').read_text() == '0002\n'
    for name in ('train.txt', 'test.txt', 'synthetic.json'):
        del found[name]
    assert len(found) == 3 * 6
    assert found == digests(tmp_path / 'python')


def test_seeds_and_frames_differ():
    images = [
        SyntheticRoom(frame, dataclasses.replace(SMALL, seed=seed)).image()
        for frame, seed in ((1, 0), (1, 1), (2, 0))
    ]
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[0], images[2])


def test_a_second_run_writes_what_is_missing_and_other_settings_are_refused(tmp_path, capsys):
    arguments = ['--out', str(tmp_path), *OPTIONS]
    make_synthetic.main([*arguments, '--frames', '1', '1'])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}
    gone = tmp_path / 'seg13/0002.png'
    gone.unlink()
    left = tmp_path / 'seg13/.mmssc-elsewhere-1-0a.tmp'  # by a run that was killed a year ago
    left.touch()
    os.utime(left, (0, 0))
    capsys.readouterr()
    make_synthetic.main([*arguments, '--frames', '2', '1'])
    assert 'complete already: 1 frame\n' in capsys.readouterr().out
    assert (tmp_path / 'train.txt').read_text() == '0001\n0003\n'
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}
    assert len(after) == 3 * 4 and gone in after and not left.exists()
    same = {path for path in before if before[path] == after[path]}
    assert {path.stem[-9:] for path in same} >= {'0001_0000'} and gone not in same
    assert make_synthetic.main([*arguments, '--seed', '3']) == 2
    assert 'seed' in capsys.readouterr().err
    make_synthetic.main([*arguments, '--frames', '2', '1', '--overwrite'])
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.png')}
    assert all(changed[path] != after[path] for path in after)


def test_bad_settings_name_the_field(capsys):
    with pytest.raises(DataError, match='image_size'):
        RoomSettings(image_size=(0, 320))
    with pytest.raises(DataError, match='voxel_size'):
        RoomSettings(voxel_size=0)
    with pytest.raises(DataError, match='frame'):
        SyntheticRoom(0, SMALL)
    for frames in (['3'], ['0', '0'], ['5000', '1'], ['-1', '2']):
        options = ['--out', 'unused', '--layout', 'nyu', '--frames', *frames]
        assert make_synthetic.main(options) == 2
        assert '--frames' in capsys.readouterr().err
