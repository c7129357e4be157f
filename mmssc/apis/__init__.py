"""Use a trained model outside of a training run."""

from typing import Any

from mmssc.renamed import renamed_attribute

from .building import build_inferencer
from .drive import Drive
from .driving_inferencer import DrivingInferencer
from .image_depth import load_depth_model
from .model_loading import dataset_meta_of, init_model, read_config
from .prediction_files import PREDICTION_FORMATS, prediction_paths, save_prediction
from .rgbd_inferencer import DEPTH_KINDS, RGBDInferencer, is_rgbd_config, read_depth_image

__all__ = [
    'DEPTH_KINDS', 'PREDICTION_FORMATS', 'RGBDInferencer', 'Drive', 'DrivingInferencer',
    'build_inferencer', 'dataset_meta_of', 'init_model', 'is_rgbd_config', 'load_depth_model',
    'prediction_paths', 'read_config', 'read_depth_image', 'save_prediction',
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return renamed_attribute(__name__, globals(), name)
