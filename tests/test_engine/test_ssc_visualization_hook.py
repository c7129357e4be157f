"""The hook draws the right samples, at any batch size, in any process."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmssc.engine.hooks import ssc_visualization_hook
from mmssc.errors import DataError
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
