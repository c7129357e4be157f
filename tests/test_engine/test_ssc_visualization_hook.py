"""The hook draws the right samples, at any batch size, in any process."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmssc.engine.hooks import ssc_visualization_hook
from mmssc.errors import DataError
from mmssc.formats.file_warnings import FileWarning
from mmssc.formats.sscnet import write_plain_depth_mm
from mmssc.registry import HOOKS
from mmssc.structures import SSCDataSample, VoxelGrid

GRID = VoxelGrid((0.0, -4.0, -1.0), 1.0, (8, 8, 2))
META = dict(classes=('empty', 'road'), palette=[(0, 0, 0), (255, 0, 255)])


class Runner(SimpleNamespace):
    """The parts of a Runner that the hook uses."""

    def __init__(self) -> None:
        self.pictures: list[tuple] = []
        loader = SimpleNamespace(dataset=SimpleNamespace(metainfo=META))
        super().__init__(
            val_dataloader=loader,
            test_dataloader=loader,
            iter=40,
            cfg={},
            visualizer=SimpleNamespace(add_image=lambda *args: self.pictures.append(args)),
        )


def make_batch(frames) -> tuple[dict, list[SSCDataSample]]:
    samples = []
    for frame in frames:
        sample = SSCDataSample(
            metainfo=dict(sequence='08', frame_id=f'{frame:06d}', voxel_grid=GRID)
        )
        sample.pred_voxels = torch.ones(GRID.shape, dtype=torch.uint8)
        samples.append(sample)
    images = [torch.full((1, 3, 20, 60), 10 * frame, dtype=torch.uint8) for frame in frames]
    return dict(inputs=dict(img=images), data_samples=samples), samples


def run_test_loop(hook, batches, runner=None) -> Runner:
    runner = runner or Runner()
    hook.before_run(runner)
    hook.before_test_epoch(runner)
    for number, frames in enumerate(batches):
        batch, outputs = make_batch(frames)
        hook.after_test_iter(runner, number, batch, outputs)
    return runner


def build(**options):
    return HOOKS.build(dict(type='mmssc.SSCVisualizationHook', **options))


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != '.mmssc-outputs')


def test_draws_nothing_unless_asked(tmp_path):
    run_test_loop(build(show_dir=tmp_path / 'out'), [[0]])
    assert not (tmp_path / 'out').exists()


def test_writes_every_sample_of_a_batch(tmp_path):
    run_test_loop(build(draw=True, show_dir=tmp_path), [[0, 5], [10]])
    assert names(tmp_path) == ['08_000000.png', '08_000005.png', '08_000010.png']
    with Image.open(tmp_path / '08_000005.png') as picture:
        colors = {tuple(color) for color in np.asarray(picture).reshape(-1, 3).tolist()}
    assert {(50, 50, 50), (255, 0, 255)} <= colors  # Its own image, and the road.


def test_interval_limit_and_formats(tmp_path):
    hook = build(draw=True, show_dir=tmp_path, interval=2, max_samples=2, formats=('bev', 'html'))
    for _ in range(2):  # The limit holds for each epoch.
        run_test_loop(hook, [[0, 5], [10, 15], [20, 25]])
    assert names(tmp_path) == [
        '08_000000.html', '08_000000_bev.png', '08_000010.html', '08_000010_bev.png'
    ]  # fmt: skip


def test_processes_share_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(ssc_visualization_hook, 'get_world_size', lambda: 2)
    for rank, batches in ((0, [[0, 10], [20]]), (1, [[5, 15], [25]])):
        monkeypatch.setattr(ssc_visualization_hook, 'get_rank', lambda rank=rank: rank)
        hook = build(draw=True, show_dir=tmp_path, interval=3, max_samples=2, formats=('bev',))
        run_test_loop(hook, batches)
    assert names(tmp_path) == ['08_000000_bev.png', '08_000015_bev.png']


def test_a_folder_with_other_files_is_refused_before_the_training(tmp_path):
    (tmp_path / 'mine.png').write_text('precious')
    with pytest.raises(DataError, match="found 'mine.png'"):
        build(draw=True, show_dir=tmp_path).before_run(Runner())


def test_validation_feeds_the_visualizer(tmp_path):
    hook, runner = build(draw=True), Runner()
    batch, outputs = make_batch([0, 5])
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, batch, outputs)
    assert [(name, step) for name, _, step in runner.pictures] == [
        ('val_08_000000', 40), ('val_08_000005', 40)
    ]  # fmt: skip
    assert runner.pictures[0][1].shape[1:] == (1600, 3)


def test_refuses_wrong_arguments():
    with pytest.raises(ValueError, match='formats'):
        build(formats=('jpg',))
    with pytest.raises(ValueError, match='interval'):
        build(interval=0)


class Rooms:
    """A data set whose networks read neither the image nor the depth of a frame."""

    metainfo = META

    def __init__(self, folder) -> None:
        self.folder = folder
        for number, frame in enumerate(('000000', '000005')):
            picture = np.full((20, 60, 3), (200, 30 + number, 10), np.uint8)
            Image.fromarray(picture).save(folder / f'{frame}.png')
            write_plain_depth_mm(folder / f'{frame}_depth.png', np.full((20, 60), 2.5 + number))

    def get_data_info(self, index) -> dict:
        frame = ('000000', '000005')[index]
        files = dict(
            img=(str(self.folder / f'{frame}.png'), 'rgb'),
            depth=(str(self.folder / f'{frame}_depth.png'), 'depth_mm'),
        )
        return dict(sequence='08', frame_id=frame, files=files, missing=set(), voxel_grid=GRID,
                    image_size=(20, 60), num_classes=2)  # fmt: skip


def test_a_room_is_drawn_with_its_image_and_depth(tmp_path, monkeypatch):
    scenes = []
    original = ssc_visualization_hook.Scene.from_sample
    monkeypatch.setattr(
        ssc_visualization_hook.Scene, 'from_sample',
        lambda *args, **more: scenes.append(original(*args, **more)) or scenes[-1],
    )  # fmt: skip
    (tmp_path / 'rooms').mkdir()
    hook, runner = build(draw=True, show_dir=tmp_path / 'out', formats=('bev',)), Runner()
    dataset = runner.test_dataloader.dataset = Rooms(tmp_path / 'rooms')
    hook.before_test_epoch(runner)
    batch, outputs = make_batch([0, 5, 10])
    del batch['inputs']['img']
    for index, sample in zip((0, 1, 1), outputs):  # The last number is of another data set.
        sample.set_metainfo(dict(sample_idx=index))
    hook.after_test_iter(runner, 0, batch, outputs)
    assert [scene.depth is not None and scene.depth.max() for scene in scenes] == [2.5, 3.5, False]
    assert [scene.image[0, 0, 1] for scene in scenes[:2]] == [30, 31] and scenes[2].image is None

    # Without the files, the prediction is drawn all the same.
    for path in dataset.folder.iterdir():
        path.unlink()
    with pytest.warns(FileWarning, match='not shown in pictures: .*no such file|none'):
        hook.after_test_iter(runner, 0, batch, outputs[:1])
    assert scenes[-1].image is None and scenes[-1].depth is None
