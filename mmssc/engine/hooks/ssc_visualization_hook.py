"""Draw predictions during validation and testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.config_file import data_roots_of
from mmssc.datasets.transforms.load_rgbd import read_camera_images
from mmssc.errors import DataError
from mmssc.fileio import check_output_folder, note_outputs
from mmssc.registry import HOOKS
from mmssc.visualization.scene import Scene, check_formats, scene_paths

__all__ = ['PICTURES', 'SSCVisualizationHook']

#: The maker of the files in ``show_dir``, see :func:`mmssc.fileio.note_outputs`.
PICTURES = 'SSCVisualizationHook'


@HOOKS.register_module()
class SSCVisualizationHook(Hook):
    """Draws predictions next to the labels, of RGB-D frames with image and depth beside them.

    With ``show_dir`` every drawn sample is written to ``SHOW_DIR/SEQUENCE_FRAME.png`` (and the
    other formats), over the pictures of earlier epochs; each process writes its own samples. The
    folder must be outside of the data sets and hold no other files. Without it the pictures go to
    the backends of the Runner's visualiser (TensorBoard, Weights & Biases, local files), and only
    the main process writes them.

    Args:
        draw: Off by default; ``tools/test.py --show-dir DIR`` turns it on.
        interval: Draw every n-th sample of the data set.
        show_dir: Folder for the files.
        max_samples: Draw at most this many samples of the data set, over all processes.
        formats: Files to write: ``png``, ``bev``, ``ply``, ``glb``, ``html``.
        draw_points: Add a view of the input points on the image.
        hide_unevaluated: Hide predictions in voxels that no metric scores.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        draw: bool = False,
        interval: int = 1,
        show_dir: str | PathLike[str] | None = None,
        max_samples: int | None = None,
        formats: Sequence[str] = ('png',),
        draw_points: bool = False,
        hide_unevaluated: bool = True,
    ) -> None:
        if interval < 1:
            raise DataError('config', 'SSCVisualizationHook.interval', '1 or more', interval)
        self.draw = draw
        self.interval = interval
        self.show_dir = None if show_dir is None else Path(show_dir)
        self.max_samples = max_samples
        self.formats = check_formats(formats, 'config', 'SSCVisualizationHook.formats')
        self.draw_points = draw_points
        self.hide_unevaluated = hide_unevaluated
        self._seen = 0

    def before_run(self, runner: Runner) -> None:
        """Check the folder before the work.

        Raises:
            DataError: It is in a data set, has other files, or cannot be written to.
        """
        if self.draw and self.show_dir is not None:
            check_output_folder(
                self.show_dir, overwrite=True, maker=PICTURES, data=data_roots_of(runner.cfg)
            )

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        """Reset the count of samples."""
        self._seen = 0

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        """Draw the samples of a validation or test batch."""
        if not self.draw or mode == 'train':
            return
        loader = runner.val_dataloader if mode == 'val' else runner.test_dataloader
        step = runner.iter if mode == 'val' else 0
        self._draw_batch(runner, loader.dataset, data_batch, outputs, mode, step)

    def _is_due(self) -> bool:
        """Count the next sample of this process, and return whether to draw it."""
        # Distributed samplers assign samples to processes in turn.
        position = self._seen * get_world_size() + get_rank()
        self._seen += 1
        if position % self.interval:
            return False
        return self.max_samples is None or position // self.interval < self.max_samples

    def _draw_batch(
        self,
        runner: Runner,
        dataset: Any,
        data_batch: Any,
        outputs: Sequence[Any] | None,
        mode: str,
        step: int,
    ) -> None:
        inputs = data_batch.get('inputs', {}) if isinstance(data_batch, Mapping) else {}
        for index, sample in enumerate(outputs or ()):
            if not self._is_due():
                continue
            image, files = _reference_image(inputs, index), _camera_images(dataset, sample)
            scene = Scene.from_sample(
                sample,
                dataset.metainfo,
                image=files.get('img') if image is None else image,
                depth=files.get('depth'),
                points=_points(inputs, index) if self.draw_points else None,
                hide_unevaluated=self.hide_unevaluated,
            )
            name = scene.title.replace('/', '_')
            if self.show_dir is not None:
                stem = self.show_dir / name
                note_outputs(scene_paths(stem, self.formats, [*scene.volumes]).values(), PICTURES)
                scene.save(stem, self.formats)
            elif get_rank() == 0:
                # No slash: the local backend would treat the name as a folder and lose the picture.
                runner.visualizer.add_image(f'{mode}_{name}', scene.draw(), step)


def _reference_image(inputs: Mapping[str, Any], index: int) -> np.ndarray | None:
    """(H, W, 3) uint8 of frame 0 of a sample, from the data loader; ``None`` without images."""
    images = inputs.get('img')
    if images is None or images[index].dtype != torch.uint8:
        return None
    return np.ascontiguousarray(images[index][0].permute(1, 2, 0).cpu().numpy())


def _camera_images(dataset: Any, sample: Any) -> dict[str, np.ndarray]:
    """Image and depth of an RGB-D frame, which most networks do not read; empty for drives."""
    names = 'sequence', 'frame_id'
    index = sample.get('sample_idx')
    if index is None or not hasattr(dataset, 'get_data_info'):
        return {}
    item = dataset.get_data_info(index)
    # In a wrapper of several data sets, it may be the number of another frame.
    is_same = all(item.get(name) == sample.get(name) for name in names)
    return read_camera_images(item) if is_same else {}


def _points(inputs: Mapping[str, Any], index: int) -> np.ndarray | None:
    points = inputs.get('points')
    return None if points is None else points[index][:, :3].cpu().double().numpy()
