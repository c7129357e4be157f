"""Using a trained model outside of a training run."""

from typing import Any

from mmssc.renamed import renamed_attribute

from .driving_inferencer import DrivingInferencer
from .model_loading import dataset_meta_of, init_model
from .prediction_files import PREDICTION_FORMATS, save_prediction
from .rgbd_inferencer import DEPTH_KINDS, RGBDInferencer, is_rgbd_config

__all__ = [
    'DEPTH_KINDS', 'PREDICTION_FORMATS', 'RGBDInferencer', 'DrivingInferencer', 'dataset_meta_of',
    'init_model', 'is_rgbd_config', 'save_prediction',
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return renamed_attribute(__name__, globals(), name)
