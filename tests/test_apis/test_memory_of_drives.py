"""Long drives: what is kept does not grow with the number of frames."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
import torch
from small_scene import GRID, LIDAR2CAM, P2
from torch.nn import Parameter

from mmssc.apis import Drive, DrivingInferencer
from mmssc.structures import Camera, VoxelGrid
from mmssc.visualization.html_viewer import PageFile
from mmssc.visualization.scene import Scene

CLASSES, COLORS = ('empty', 'road'), np.zeros((2, 3), np.uint8)


@pytest.fixture
def kept_bytes():
    """What Python, NumPy and PyTorch keep."""
    tracemalloc.start()

    def measure():
        gc.collect()
        # Tests of exports leave tensors without memory, whose sizes are symbols.
        tensors = (one for one in gc.get_objects() if type(one) in (torch.Tensor, Parameter))
        return tracemalloc.get_traced_memory()[0] + sum(one.nbytes for one in tensors)

    yield measure
    tracemalloc.stop()


@pytest.mark.filterwarnings('ignore')  # Each one would be kept for the summary of the tests.
@pytest.mark.slow
def test_a_drive_keeps_as_much_after_many_frames(small_config, checkpoint, scene, kept_bytes):
    inferencer = DrivingInferencer(small_config, checkpoint, 'cpu')
    frames = (
        dict(img=scene['images'][0].copy(), depth=scene['depth'][0].copy(), name=f'f{n}')
        for n in range(25)
    )
    drive = Drive(inferencer, frames, P2, LIDAR2CAM, np.tile(np.eye(4), (25, 1, 1)))
    kept = []
    for number, _ in enumerate(drive):
        if number in (5, 24):
            kept.append(kept_bytes())
    # An image and its depth map are 49 kB.
    assert kept[1] - kept[0] < 49_000


def test_a_page_keeps_little_of_a_frame(kept_bytes, tmp_path):
    grid = VoxelGrid.build(GRID)
    camera = Camera(P2[:, :3], LIDAR2CAM, (370, 1220))
    page = PageFile(tmp_path / 'page.html', CLASSES, COLORS)
    before = kept_bytes()
    for number in range(10):
        image = np.full((370, 1220, 3), number, np.uint8)
        labels = np.ones(grid.shape, np.uint8)
        scene = Scene(str(number), {'prediction': labels}, grid, CLASSES, COLORS, image, camera)
        page.add(scene.page_frame())
        del image, labels, scene
    # An image alone is 1.4 MB.
    assert (kept_bytes() - before) / 10 < 50_000
    page.write()
    assert (tmp_path / 'page.html').read_text('utf-8').count('"labels":') == 10


def test_the_command_keeps_no_scene_of_a_page(infer, drive, monkeypatch, tmp_path):
    alive = []
    add = PageFile.add

    def count_scenes(page, frame):
        add(page, frame)
        gc.collect()
        alive.append(sum(isinstance(one, Scene) for one in gc.get_objects()))

    monkeypatch.setattr(PageFile, 'add', count_scenes)
    status, _ = infer(
        '--image', drive / 'image', '--depth', drive / 'depth', '--formats', 'html', '--one-page',
        '--cfg-options', 'test_dataloader.dataset.frame_offsets=[]',
    )  # fmt: skip
    assert status == 0 and len(alive) == 4 and alive[3] == alive[0]
