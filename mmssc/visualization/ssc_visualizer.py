"""Scene pictures in mmengine's visualisation backends (files, TensorBoard, Weights & Biases)."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmssc.errors import DataError
from mmssc.registry import VISUALIZERS
from mmssc.structures import SSCDataSample

from .panel import write_png
from .scene import Scene

__all__ = ['SSCVisualizer']


@VISUALIZERS.register_module()
class SSCVisualizer(Visualizer):
    """Draws data samples as panels: image, view from the camera, prediction, ground truth, legend.

    It needs no display. ``dataset_meta`` (set by the Runner) must have ``classes`` and ``palette``.
    Arguments: see :class:`mmengine.visualization.Visualizer`.
    """

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray | None,
        data_sample: SSCDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
        out_file: str | PathLike[str] | None = None,
        points: np.ndarray | None = None,
        hide_unevaluated: bool = True,
    ) -> np.ndarray:
        """Draw one sample and send the picture to the backends, a file or a window.

        Args:
            name: Name of the picture in the backends.
            image: (H, W, 3) uint8 RGB of the reference frame, if any.
            data_sample: Prediction, labels and calibration.
            draw_gt: Draw the labels, if there are any.
            draw_pred: Draw the prediction, if there is one.
            show: Open a window; only this needs a display.
            wait_time: Seconds that the window stays open; 0 means until it is closed.
            step: Training step.
            out_file: Write the picture here instead of to the backends.
            points: (M, 3) metres in the grid's frame, drawn on the image.
            hide_unevaluated: Hide predictions that no metric counts.

        Returns:
            The picture, (H, W, 3) uint8 RGB.

        Raises:
            DataError: There is nothing to draw or ``dataset_meta`` lacks classes or colours.
        """
        if data_sample is None:
            raise DataError('SSCVisualizer', 'data_sample', 'an SSCDataSample', 'none')
        meta = self.dataset_meta or {}
        scene = Scene.from_sample(
            data_sample, meta, image, points, draw_gt, draw_pred, hide_unevaluated
        )
        picture = scene.draw()
        self.set_image(picture)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_png(out_file, picture)
        else:
            # The local backend treats a slash as a folder and loses the picture silently.
            self.add_image(name.replace('/', '_'), picture, step)
        return picture

    def get_image(self) -> Any:
        """The last picture, unchanged by matplotlib."""
        return self._image
