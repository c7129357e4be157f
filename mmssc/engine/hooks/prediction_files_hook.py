"""Write predictions to files during testing."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmssc.evaluation.prediction_folder import frame_stem
from mmssc.fileio import note_outputs
from mmssc.formats.kitti import write_voxel_labels
from mmssc.registry import HOOKS

__all__ = ['PREDICTION_FILES', 'PredictionFilesHook']

#: The maker of the files, see :func:`mmssc.fileio.note_outputs`.
PREDICTION_FILES = 'PredictionFilesHook'


@HOOKS.register_module()
class PredictionFilesHook(Hook):
    """Writes the prediction of every test sample to ``FOLDER/SEQUENCE_FRAME.npy``.

    A file holds uint8 train ids (X, Y, Z), for any data set. Each process writes its own samples.
    ``tools/test.py --save-predictions DIR`` adds this hook; ``tools/analysis_tools`` has commands
    that read the files.

    Args:
        folder: Folder for the files.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Write the predictions of a batch."""
        for sample in outputs or ():
            path = self.folder / f'{frame_stem(sample)}.npy'
            note_outputs([path], PREDICTION_FILES)
            write_voxel_labels(path, sample.pred_voxels.cpu().numpy())
