"""Using a trained model outside of a training run."""

from .inferencer import SSCInferencer
from .model_loading import dataset_meta_of, init_model
from .prediction_files import PREDICTION_FORMATS, save_prediction

__all__ = [
    'PREDICTION_FORMATS', 'SSCInferencer', 'dataset_meta_of', 'init_model', 'save_prediction',
]  # fmt: skip
