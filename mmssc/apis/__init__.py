"""Use a trained model outside of a training run."""

from typing import TYPE_CHECKING, Any

from mmssc.lazy_names import lazy_names

if TYPE_CHECKING:
    from .building import build_inferencer
    from .drive import Drive
    from .driving_inferencer import DrivingInferencer
    from .image_depth import load_depth_model
    from .lidar_inferencer import LidarInferencer, is_lidar_config
    from .model_loading import dataset_meta_of, init_model, read_config
    from .prediction_files import PREDICTION_FORMATS, prediction_paths, save_prediction
    from .rgbd_inferencer import DEPTH_KINDS, RGBDInferencer, is_rgbd_config, read_depth_image

__all__ = [
    'DEPTH_KINDS', 'PREDICTION_FORMATS', 'RGBDInferencer', 'Drive', 'DrivingInferencer',
    'LidarInferencer', 'build_inferencer', 'dataset_meta_of', 'init_model', 'is_lidar_config',
    'is_rgbd_config', 'load_depth_model', 'prediction_paths', 'read_config', 'read_depth_image',
    'save_prediction',
]  # fmt: skip

_find = lazy_names(
    __name__,
    {
        'building': ['build_inferencer'],
        'drive': ['Drive'],
        'driving_inferencer': ['DrivingInferencer'],
        'image_depth': ['load_depth_model'],
        'lidar_inferencer': ['LidarInferencer', 'is_lidar_config'],
        'model_loading': ['dataset_meta_of', 'init_model', 'read_config'],
        'prediction_files': ['PREDICTION_FORMATS', 'prediction_paths', 'save_prediction'],
        'rgbd_inferencer': ['DEPTH_KINDS', 'RGBDInferencer', 'is_rgbd_config', 'read_depth_image'],
    },
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _find(name)
    from mmssc.renamed import RENAMED, renamed_attribute

    new = RENAMED.get(name)
    names = {new: _find(new)} if new in __all__ else {}
    return renamed_attribute(__name__, names, name)
