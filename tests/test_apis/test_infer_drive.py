"""tools/infer.py on drives: folders and videos with poses, stereo pairs, depth models, films."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time

import cv2
import numpy as np
import pytest
import torch
from small_scene import BASELINE, CAM2IMG, GRID, LIDAR2CAM, P2, write_video

from mmssc.apis import Drive, DrivingInferencer
from mmssc.apis.infer_command.drive_frames import find_drive
from mmssc.formats.ground_checks import DepthView
from mmssc.formats.kitti import write_calib
from mmssc.formats.video import read_video
from mmssc.geometry import field_of_view_mask
from mmssc.preparation.driving.tasks import StereoDepthTask
from mmssc.structures import VoxelGrid

MODEL = """
import numpy as np
def flat(image, focal_length):
    return np.full(image.shape[:2], focal_length / 40, np.float32)
"""


@pytest.fixture(scope='module')
def expected(config, checkpoint, drive, scene):
    """Classes of every frame, by :class:`Drive`."""
    inferencer = DrivingInferencer(str(config), checkpoint, 'cpu')
    frames = [
        dict(img=drive / f'image/{n}.png', depth=drive / f'depth/{n}.npy') for n in range(8, 12)
    ]
    poses = np.concatenate([scene['poses'], scene['poses'][2:]])
    poses[3, 2, 3] += 0.4
    return [s.pred_voxels.numpy() for s in Drive(inferencer, frames, P2, LIDAR2CAM, poses)]


def predictions(folder, stems):
    return [np.load(folder / f'{stem}.npy') for stem in stems]


def all_close(found, wanted):
    # poses.txt has rounded numbers, so a voxel or two may differ.
    return all((one == other).mean() > 0.99 for one, other in zip(found, wanted))


@pytest.mark.parametrize('batch_size', [1, 3])
def test_a_folder_with_poses_feeds_a_temporal_model(infer, drive, expected, tmp_path, batch_size):
    status, printed = infer(
        '--image', drive / 'image', '--depth', drive / 'depth', '--poses', drive / 'poses.txt',
        '--formats', 'npy', '--batch-size', batch_size,
    )  # fmt: skip
    assert status == 0 and 'predict: 100 % (4 of 4 frames)' in printed
    assert all_close(predictions(tmp_path / 'out', range(8, 12)), expected)


def test_files_with_poses_are_a_drive_too(infer, drive, expected, tmp_path):
    files = [drive / f'image/{n}.png' for n in range(8, 12)]
    status, _ = infer(
        '--image', *files, '--depth', drive / 'depth', '--poses', drive / 'poses.txt',
        '--formats', 'npy',
    )  # fmt: skip
    assert status == 0
    assert all_close(predictions(tmp_path / 'out', range(8, 12)), expected)


def test_a_video_with_poses_equals_its_frames(infer, drive, expected, tmp_path):
    (tmp_path / 'numbered').mkdir()
    for number in range(4):
        shutil.copy(drive / f'depth/{number + 8}.npy', tmp_path / f'numbered/{number:06d}.npy')
    status, _ = infer(
        '--image', drive / 'my.drive.avi', '--depth', tmp_path / 'numbered', '--poses',
        drive / 'poses.txt', '--formats', 'npy',
    )  # fmt: skip
    assert status == 0
    stems = [f'my.drive_{number:06d}' for number in range(4)]
    assert all_close(predictions(tmp_path / 'out', stems), expected)


def test_missing_earlier_frames_are_said(infer, drive, tmp_path):
    names, files = (
        [drive / f'{kind}/{n}' for n in ('10', '9', '8')] for kind in ('image', 'depth')
    )
    images, depth = (
        [f'{one}{end}' for one in some] for some, end in ((names, '.png'), (files, '.npy'))
    )
    common = ('--formats', 'npy', '--out')
    status, printed = infer('--image', *images, '--depth', *depth, *common, tmp_path / 'alone')
    assert status == 0
    assert printed.count('reads 2 earlier frames more than given: the image itself') == 1
    options = ('--image', images[0], '--depth', depth[0], '--poses', drive / 'poses.txt')
    given = ('--earlier-image', *images[1:], '--earlier-depth', *depth[1:], '--frames', 2, 1, 0)
    status, printed = infer(*options, *given, *common, tmp_path / 'complete')
    assert status == 0 and 'earlier frame' not in printed


def test_steps_and_limits_count_frames_of_the_source(infer, drive, tmp_path):
    common = ('--depth', drive / 'depth', '--poses', drive / 'poses.txt', '--formats', 'npy')
    status, _ = infer('--image', drive / 'image', *common, '--frame-step', 2)
    assert status == 0
    assert {path.stem for path in (tmp_path / 'out').glob('*.npy')} == {'8', '10'}
    # Frame 10 reads frame 8, with the motion between these two.
    names, depth = (
        [drive / f'image/{n}.png' for n in (10, 8)],
        [drive / f'depth/{n}.npy' for n in (10, 8)],
    )
    status, _ = infer(
        '--image', names[0], '--depth', depth[0], '--earlier-image', names[0], names[1],
        '--earlier-depth', *depth, '--poses', drive / 'poses.txt', '--frames', 2, 2, 0,
        '--formats', 'npy', '--out', tmp_path / 'one',
    )  # fmt: skip
    assert status == 0
    assert all_close(*([np.load(tmp_path / f'{n}/10.npy')] for n in ('out', 'one')))
    status, printed = infer(
        '--image', drive / 'image', *common, '--max-frames', 1, '--out', tmp_path / 'few'
    )
    assert status == 0 and 'takes the first frame only (--max-frames' in printed
    assert len([*(tmp_path / 'few').glob('*.npy')]) == 1


def test_poses_of_a_whole_drive_go_with_numbered_images(infer, drive, expected, tmp_path):
    """As in KITTI: line n is the pose of the image of this number."""
    lines = (drive / 'poses.txt').read_text().splitlines()
    (tmp_path / 'long.txt').write_text('\n'.join([lines[0]] * 8 + lines + [lines[3]] * 5))
    status, printed = infer(
        '--image', drive / 'image', '--depth', drive / 'depth', '--poses', tmp_path / 'long.txt',
        '--formats', 'npy',
    )  # fmt: skip
    assert status == 0 and 'taken are 8 to 11\n' in printed
    assert all_close(predictions(tmp_path / 'out', range(8, 12)), expected)


def test_numbered_images_with_gaps_take_their_lines(infer, drive, tmp_path):
    """Key frames of a drive: the same scenes as with a file of their poses only."""
    lines = (drive / 'poses.txt').read_text().splitlines()
    (tmp_path / 'keys.txt').write_text('\n'.join(lines[:3]))
    (tmp_path / 'long.txt').write_text('\n'.join(lines[n] for n in (0, 0, 3, 1, 3, 2, 3)))
    for folder, end in (('image', 'png'), ('depth', 'npy')):
        (tmp_path / folder).mkdir()
        for number in range(3):
            name = f'{folder}/{2 * number + 1:06d}.{end}'
            shutil.copy(drive / f'{folder}/{number + 8}.{end}', tmp_path / name)
    common = ('--image', tmp_path / 'image', '--depth', tmp_path / 'depth', '--formats', 'npy')
    status, printed = infer(*common, '--poses', tmp_path / 'long.txt')
    assert status == 0 and 'taken are 1 to 5, with gaps\n' in printed
    status, printed = infer(*common, '--poses', tmp_path / 'keys.txt', '--out', tmp_path / 'keys')
    assert status == 0 and 'taken are' not in printed
    names = [f'{number:06d}' for number in (1, 3, 5)]
    found, keys = (predictions(tmp_path / folder, names) for folder in ('out', 'keys'))
    assert all(map(np.array_equal, found, keys))
    (tmp_path / 'short.txt').write_text('\n'.join((lines * 2)[:5]))  # There is no line 5.
    status, printed = infer(*common, '--poses', tmp_path / 'short.txt')
    assert status == 2 and 'lines: expected 3, one for each frame, found 5' in printed


@pytest.mark.parametrize(
    ('most', 'count', 'message'),
    [
        (2, 2, None),  # Of the taken frames.
        (2, 4, None),
        (2, 7, 'expected 4, one for each frame, found 7'),
        (2, 3, 'expected at least 4, one for each frame, found 3'),
        (2, 1, 'expected at least 2, one for each frame, found 1'),
        (9, 7, 'expected 4, one for each frame, found 7'),
    ],
)
def test_poses_of_another_drive_are_refused_for_a_part_of_a_video(
    infer, drive, tmp_path, most, count, message
):
    lines = (drive / 'poses.txt').read_text().splitlines()
    (tmp_path / 'poses.txt').write_text('\n'.join((lines * 2)[:count]))
    (tmp_path / 'numbered').mkdir()
    for number in range(4):
        shutil.copy(drive / f'depth/{number + 8}.npy', tmp_path / f'numbered/{number:06d}.npy')
    status, printed = infer(
        '--image', drive / 'my.drive.avi', '--depth', tmp_path / 'numbered', '--poses',
        tmp_path / 'poses.txt', '--max-frames', most, '--formats', 'npy',
    )  # fmt: skip
    assert status == (2 if message else 0)
    assert message is None or message in printed


def test_a_drive_without_its_poses_is_refused(infer, drive, tmp_path):
    common = ('--image', drive / 'image', '--depth', drive / 'depth', '--formats', 'npy')
    status, printed = infer(*common)
    assert status == 2 and '--poses: expected a pose for each frame' in printed
    assert f'give the images themselves ({drive / "image" / "*"})' in printed
    # The remedy.
    files = [drive / f'image/{n}.png' for n in range(8, 12)]
    assert infer('--image', *files, *common[2:])[0] == 0
    lines = (drive / 'poses.txt').read_text().splitlines()
    for count in (3, 7):  # Lines 8 to 11 are not there either.
        (tmp_path / 'other.txt').write_text('\n'.join((lines * 2)[:count]))
        status, printed = infer(*common, '--poses', tmp_path / 'other.txt')
        assert status == 2 and f'lines: expected 4, one for each frame, found {count}' in printed


def test_a_model_without_earlier_frames_takes_a_drive_but_no_poses(infer, drive, tmp_path):
    alone = ('--cfg-options', 'test_dataloader.dataset.frame_offsets=[]')
    common = ('--image', drive / 'image', '--depth', drive / 'depth', '--formats', 'npy')
    lines = (drive / 'poses.txt').read_text().splitlines()
    (tmp_path / 'long.txt').write_text('\n'.join(lines * 3))
    status, printed = infer(*common, '--poses', tmp_path / 'long.txt', *alone)
    assert status == 2 and 'this model reads no earlier frames' in printed
    assert 'Leave out --poses' in printed and 'taken are' not in printed
    assert infer(*common, *alone)[0] == 0
    assert len([*(tmp_path / 'out').glob('*.npy')]) == 4


def test_wrong_drives_are_named(infer, drive, tmp_path):
    poses = ('--poses', drive / 'poses.txt')
    depth = tmp_path / 'depth'
    shutil.copytree(drive / 'depth', depth)
    (depth / '9.npy').unlink()
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'list.mp4').write_text('#EXTM3U\n')
    image = ('--image', drive / 'image')
    for options, text in (
        ((*image, '--depth', depth, *poses), '9.npy: expected the depth map of 9.png'),
        ((*image, '--depth', drive / 'depth/8.npy', *poses), 'found 1 for 4 images'),
        ((*image, '--depth', 'dpeth', *poses), 'dpeth: expected the depth map of each image, or a'),
        (('--image', 'imgae', *poses), 'imgae: expected a folder of images or a video, found no '),
        (('--image', tmp_path / 'empty', *poses), 'empty: images: expected files .png'),
        (('--image', tmp_path / 'list.mp4', *poses), 'list.mp4: video: expected MP4'),
        ((*image, *poses, '--frames', 0, 1), '--frames: expected a single image as --image'),
        ((*image, *poses, '--earlier-image', depth), '--earlier-image: expected a single image'),
        ((*image, *poses, '--earlier-depth', depth), '--earlier-depth: expected with --earlier-im'),
        ((*image, *poses, '--frame-rate', 9), '--frame-rate: expected mp4 among the formats'),
        ((*image, *poses, '--depth-model', 'no_such_module:f'), '--depth-model: expected a module'),
        (('--image', drive / 'image/8.png', '--frame-step', 2), 'found single images'),
        (('--image', drive / 'image/8.png', *poses), 'A drive is a folder of images or a video'),
        ((*image, *poses, '--one-page', '--formats', 'npy'), 'Add html to --formats'),
        ((*image, *poses, '--frame-rate', 1e-3), '--frame-rate: expected 0.1 to 100 pictures'),
        ((*image, *poses, '--frame-rate', 1e9), '--frame-rate: expected 0.1 to 100 pictures'),
        ((*image, *poses, '--baseline', 0.5), '--baseline: expected with --image-right'),
        ((*image, '--depth', depth, '--image-right', depth), 'one source of depth'),
    ):
        status, printed = infer(*options)
        assert (status, printed.count('\n')) == (2, 1), printed
        assert printed.startswith('error: ') and text in printed
    assert not (tmp_path / 'out').exists()


def test_a_bad_frame_of_a_drive_is_listed(infer, drive, tmp_path):
    images = tmp_path / 'image'
    shutil.copytree(drive / 'image', images)
    (images / '11.png').write_bytes(b'no image')
    status, printed = infer(
        '--image', images, '--depth', drive / 'depth', '--poses', drive / 'poses.txt',
        '--formats', 'npy', 'mp4', 'html', '--one-page',
    )  # fmt: skip
    assert status == 1 and f'error: {images / "11.png"}: not predicted: ' in printed
    assert '1 of 4 scenes not predicted' in printed
    # The others are in the page and the video.
    assert len([*read_video(tmp_path / 'out/scenes.mp4')]) == 3
    page = (tmp_path / 'out/scenes.html').read_text('utf-8')
    assert page.count('"labels":') == 3


@pytest.mark.parametrize('of_video', [False, True])
def test_a_pair_gives_what_the_depth_of_the_converter_gives(infer, drive, tmp_path, of_video):
    grid = VoxelGrid((0, -3.2, -1), 0.4, (16, 16, 8))
    view = DepthView(P2, np.linalg.inv(LIDAR2CAM), grid)
    (tmp_path / 'depth').mkdir()
    for number in range(4):
        name = f'{number:06d}' if of_video else str(number + 8)
        pair = (drive / f'{folder}/{number + 8}.png' for folder in ('image', 'right'))
        output = tmp_path / f'depth/{name}.npy'
        StereoDepthTask('', '', *pair, output, BASELINE * P2[0, 0], 128, view).make()
    source = drive / ('my.drive.avi' if of_video else 'image')
    common = ('--image', source, '--poses', drive / 'poses.txt', '--formats', 'npy')
    right = drive / 'right'
    if of_video:
        right = tmp_path / 'right'
        right.mkdir()
        for number in range(4):
            shutil.copy(drive / f'right/{number + 8}.png', right / f'{number:06d}.png')
    assert infer(*common, '--depth', tmp_path / 'depth')[0] == 0
    assert infer(*common, '--image-right', right, '--out', tmp_path / 'pair')[0] == 0
    # --baseline comes before that of P2 and P3.
    far = ('--image-right', right, '--baseline', 20 * BASELINE, '--out', tmp_path / 'far')
    with pytest.warns(UserWarning, match='Check the baseline'):
        assert infer(*common, *far)[0] == 0
    written, found = (
        [np.load(path) for path in sorted((tmp_path / name).glob('*.npy'))]
        for name in ('out', 'pair')
    )
    assert len(written) == 4 and all(map(np.array_equal, written, found))


def test_two_videos_are_the_pairs_of_a_drive(infer, drive, scene, tmp_path):
    poses = ('--poses', drive / 'poses.txt', '--formats', 'npy')
    videos = ('--image', drive / 'my.drive.avi', '--image-right', drive / 'right.avi')
    assert infer(*videos, *poses, '--frame-step', 3)[0] == 0
    folders = ('--image', drive / 'image', '--image-right', drive / 'right')
    assert infer(*folders, *poses, '--frame-step', 3, '--out', tmp_path / 'two')[0] == 0
    found = predictions(tmp_path / 'out', ('my.drive_000000', 'my.drive_000003'))
    assert all(map(np.array_equal, found, predictions(tmp_path / 'two', (8, 11))))
    write_video(tmp_path / 'short.avi', scene['images'][:2])
    status, printed = infer(*videos[:2], '--image-right', tmp_path / 'short.avi', *poses)
    assert status == 2 and 'short.avi: frames: expected 4 as' in printed


def test_single_pairs_and_their_baseline(infer, drive, tmp_path):
    image, right = drive / 'image/8.png', drive / 'right/8.png'
    options = ('--image', image, '--image-right', right, '--formats', 'npy')
    assert infer(*options)[0] == 0
    earlier = ('--earlier-image', drive / 'image/9.png', '--earlier-image-right',
               drive / 'right/9.png', '--poses', drive / 'poses.txt', '--frames', 1, 0)  # fmt: skip
    assert infer(*options, *earlier, '--out', tmp_path / 'two')[0] == 0
    # Only the earlier frame is a pair: it needs the baseline, too.
    alone = (*options[:2], '--depth', drive / 'depth/8.npy', *options[4:], *earlier)
    assert infer(*alone, '--baseline', BASELINE, '--out', tmp_path / 'earlier')[0] == 0
    calib = tmp_path / 'calib.txt'
    write_calib(calib, dict(P2=P2, Tr=LIDAR2CAM[:3]))
    for more, text in (
        (('--calib', calib), f'no P3 in {calib}. Give --baseline METRES'),
        (('--baseline', 180), '--baseline: expected a baseline of 0.02 to 4 m, found 180 m'),
        (('--max-disparity', 100), '--max-disparity: expected a multiple of 16, found 100'),
    ):
        status, printed = infer(*options, *more, '--out', tmp_path / 'three')
        assert status == 2 and text in printed


def test_a_depth_model_of_the_user(infer, drive, tmp_path, monkeypatch):
    (tmp_path / 'drive_depth_model.py').write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    status, _ = infer(
        '--image', drive / 'image', '--depth-model', 'drive_depth_model:flat', '--poses',
        drive / 'poses.txt', '--formats', 'npy',
    )  # fmt: skip
    sys.modules.pop('drive_depth_model', None)
    assert status == 0
    for number in range(8, 12):
        np.save(tmp_path / f'{number}.npy', np.full((70, 100), 60 / 40, np.float32))
    given = ('--depth', *(tmp_path / f'{number}.npy' for number in range(8, 12)))
    status, _ = infer(
        '--image', drive / 'image', *given, '--poses', drive / 'poses.txt', '--formats', 'npy',
        '--out', tmp_path / 'given',
    )  # fmt: skip
    assert status == 0
    found, wanted = (predictions(tmp_path / name, range(8, 12)) for name in ('out', 'given'))
    assert all(map(np.array_equal, found, wanted))


def test_one_page_and_one_video_hold_all_scenes(infer, drive, tmp_path):
    options = ('--image', drive / 'image', '--depth', drive / 'depth', '--poses',
               drive / 'poses.txt', '--formats', 'html', 'mp4', '--one-page')  # fmt: skip
    status, printed = infer(*options, '--frame-rate', 7)
    out = tmp_path / 'out'
    written = {path.name for path in out.iterdir() if path.name[0] != '.'}
    assert status == 0 and written == {'scenes.html', 'scenes.mp4'}
    assert str(out / 'scenes.html') in printed and str(out / 'scenes.mp4') in printed
    page = (out / 'scenes.html').read_text('utf-8')
    assert all(f'"title":"{number}"' in page for number in range(8, 12))
    frames = [*read_video(out / 'scenes.mp4')]
    assert len(frames) == 4 and frames[0].shape[1] == 1600
    # The image of each frame is in its picture.
    assert np.abs(frames[0].astype(int) - frames[1]).mean() > 1
    assert cv2.VideoCapture(str(out / 'scenes.mp4')).get(cv2.CAP_PROP_FPS) == 7
    # They are files of this command like the others.
    status, printed = infer(*options)
    assert status == 2 and 'expected a new file, found one that exists' in printed
    assert infer(*options, '--overwrite')[0] == 0


def test_a_page_has_a_limit(infer, drive, monkeypatch):
    monkeypatch.setattr('mmssc.apis.infer_command.results._MOST_ON_PAGE', 3)
    status, printed = infer(
        '--image', drive / 'image', '--depth', drive / 'depth', '--poses', drive / 'poses.txt',
        '--one-page',
    )  # fmt: skip
    assert status == 2 and '--one-page: expected at most 3 scenes, found 4' in printed


def test_an_untrained_network_is_drawn_and_called_so(infer, drive, tmp_path):
    status, printed = infer(
        '--image', drive / 'image/8.png', '--depth', drive / 'depth/8.npy', '--formats', 'npy',
        'png', 'html', 'ply', weights='untrained',
    )  # fmt: skip
    out = tmp_path / 'out'
    assert status == 0 and 'untrained: random weights' in printed
    assert {'8.npy', '8.png', '8.html'} <= {path.name for path in out.iterdir()}
    text = 'untrained network: 5% of the view, classes mean nothing'
    assert text in (out / '8.html').read_text()
    # The network predicts a solid block, which would show nothing.
    count = int(re.search(r'drawn: (\d+) voxels .*, 5% of those in view', printed)[1])
    grid = VoxelGrid.build(GRID)
    view = field_of_view_mask(grid, torch.tensor(LIDAR2CAM), torch.tensor(CAM2IMG), (70, 100))
    seen = view.numpy() & (np.load(out / '8.npy') > 0)
    assert seen.sum() > 900 and abs(count - 0.05 * seen.sum()) < 2
    faces = int(re.search(rb'element face (\d+)', (out / '8.ply').read_bytes())[1])
    assert 3 * count ** (2 / 3) < faces < 6 * count + 1


def test_only_pictures_choose_what_to_draw(infer, drive, tmp_path):
    status, printed = infer(
        '--image', drive / 'image/8.png', '--depth', drive / 'depth/8.npy', '--formats', 'npy',
        weights='untrained',
    )  # fmt: skip
    assert status == 0 and 'drawn' not in printed


def test_a_trained_network_is_not_called_untrained(infer, drive, tmp_path):
    status, printed = infer(
        '--image', drive / 'image/8.png', '--depth', drive / 'depth/8.npy', '--formats', 'html'
    )
    assert status == 0 and 'untrained' not in printed
    assert 'untrained' not in (tmp_path / 'out/8.html').read_text()


def test_numbers_for_equal_names_are_said(infer, drive, tmp_path):
    other = tmp_path / 'b'
    other.mkdir()
    shutil.copy(drive / 'image/8.png', other / '8.png')
    images = (drive / 'image/8.png', other / '8.png')
    depth = [drive / 'depth/8.npy'] * 2
    status, printed = infer('--image', *images, '--depth', *depth, '--formats', 'html')
    assert status == 0
    said = 'have the same name, so the results have numbers: 000_8, 001_8, ...'
    assert f'{images[0]} and {images[1]} {said}' in printed
    assert '"title":"001_8"' in (tmp_path / 'out/001_8.html').read_text()
    status, printed = infer(
        '--image', images[0], '--depth', depth[0], '--formats', 'npy', '--out', tmp_path / 'one'
    )
    assert status == 0 and 'same name' not in printed


def test_many_images_are_found_in_short_time(tmp_path):
    """Twenty thousand took half a minute."""
    for number in range(20_000):
        (tmp_path / f'{number}.png').touch()
    options = dict(image=[str(tmp_path)], frame_step=1, max_frames=20_000)
    start = time.process_time()
    args = argparse.Namespace(**options, depth=None, points=None, image_right=None)
    drive = find_drive(args)
    assert time.process_time() - start < 8
    assert len(drive.names) == 20_000 and drive.stems[-1] == '19999'


def test_several_videos_are_refused(infer, drive):
    video = drive / 'my.drive.avi'
    status, printed = infer('--image', video, video, '--formats', 'npy')
    assert status == 2
    assert f'--image: expected images, or one video, found {video} and other files' in printed
    assert 'Run the command once for each video' in printed


def test_too_many_earlier_frames_are_not_too_few(infer, drive, tmp_path):
    image, depth = drive / 'image/11.png', drive / 'depth/11.npy'
    status, printed = infer(
        '--image', image, '--depth', depth, '--earlier-image', image, image, image,
        '--earlier-depth', depth, depth, depth, '--poses', drive / 'poses.txt',
        '--frames', 3, 2, 1, 0, '--formats', 'npy',
    )  # fmt: skip
    assert status == 2 and 'earlier_frames: expected at most 2' in printed
    assert 'more than given' not in printed
