"""Time, memory and operations of models, and how they differ between two versions."""

from .comparison import RUNS, Measurement, compare_versions, largest_difference, plain_sample
from .figures import StableFigures, count_prediction, count_training_step
from .machine import describe_machine, measure_peak, no_gpu_reason, usable_device
from .stages import Stages, count_parameters, measure_volumes, run_iteration
from .versions import OWN_FOLDER, Version, open_version

__all__ = [
    'OWN_FOLDER', 'RUNS', 'Measurement', 'StableFigures', 'Stages', 'Version', 'compare_versions',
    'count_parameters', 'count_prediction', 'count_training_step', 'describe_machine',
    'largest_difference', 'measure_peak', 'measure_volumes', 'no_gpu_reason', 'open_version',
    'plain_sample', 'run_iteration', 'usable_device',
]  # fmt: skip
