"""Hooks for the training and testing loops."""

from .broadcast_buffers_hook import BroadcastBuffersHook
from .checkpoint_match_hook import CheckpointMatchHook
from .class_count_hook import ClassCountHook
from .custom_keys_hook import CustomKeysHook
from .epoch_seed_hook import EpochSeedHook, epoch_seed
from .finite_check_hook import FiniteCheckHook
from .fuse_for_inference_hook import FuseForInferenceHook
from .half_precision_hook import HalfPrecisionHook
from .loader_workers_hook import LoaderWorkersHook
from .prediction_files_hook import PredictionFilesHook
from .replace_training_hook import ReplaceTrainingHook
from .resume_check_hook import ResumeCheckHook
from .schedule_length_hook import ScheduleLengthHook
from .score_name_check_hook import ScoreNameCheckHook
from .shared_memory_check_hook import SharedMemoryCheckHook
from .ssc_visualization_hook import SSCVisualizationHook
from .validation_check_hook import ValidationCheckHook
from .validation_record_hook import ValidationRecordHook

__all__ = [
    'BroadcastBuffersHook', 'CheckpointMatchHook', 'ClassCountHook', 'CustomKeysHook',
    'EpochSeedHook', 'FiniteCheckHook', 'FuseForInferenceHook', 'HalfPrecisionHook',
    'LoaderWorkersHook', 'PredictionFilesHook', 'ReplaceTrainingHook', 'ResumeCheckHook',
    'SSCVisualizationHook', 'ScheduleLengthHook', 'ScoreNameCheckHook', 'SharedMemoryCheckHook',
    'ValidationCheckHook', 'ValidationRecordHook', 'epoch_seed',
]  # fmt: skip
