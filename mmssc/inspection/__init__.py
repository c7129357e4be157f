"""Find files of a data set that are missing, extra, damaged or of a wrong release."""

from .config_checks import check_config
from .driving_tree_checks import check_driving_tree, find_driving_layout
from .file_checks import Problem, check_file
from .report import TreeReport, summarise_problems
from .rgbd_tree_checks import check_rgbd_tree, find_rgbd_lists
from .voxel_release import is_shifted, shifted_agreement

__all__ = [
    'Problem',
    'TreeReport',
    'check_config',
    'check_file',
    'check_driving_tree',
    'check_rgbd_tree',
    'find_driving_layout',
    'find_rgbd_lists',
    'is_shifted',
    'shifted_agreement',
    'summarise_problems',
]
