"""Using a trained model outside of a training run."""

from .depth_inferencer import DEPTH_KINDS, DepthInferencer, is_depth_config
from .inferencer import SSCInferencer
from .model_loading import dataset_meta_of, init_model
from .prediction_files import PREDICTION_FORMATS, save_prediction

__all__ = [
    'DEPTH_KINDS', 'PREDICTION_FORMATS', 'DepthInferencer', 'SSCInferencer', 'dataset_meta_of',
    'init_model', 'is_depth_config', 'save_prediction',
]  # fmt: skip
