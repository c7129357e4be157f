"""Find files of a data set that are missing, extra, damaged or of a wrong release."""

from .config_checks import check_config
from .driving_tree_checks import check_driving_tree, find_driving_layout
from .file_checks import Problem, check_file
from .report import TreeReport, summarise_problems
from .voxel_release import is_shifted, shifted_agreement

__all__ = [
    'Problem',
    'TreeReport',
    'check_config',
    'check_file',
    'check_driving_tree',
    'find_driving_layout',
    'is_shifted',
    'shifted_agreement',
    'summarise_problems',
]
