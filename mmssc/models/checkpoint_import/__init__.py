"""Checkpoints of the reference implementations: import, and export back to their keys.

One engine, and one small table per method.
"""

from .engine import ImportReport, export_state_dict, import_state_dict
from .files import read_state_dict, write_state_dict
from .key_map import CheckpointMethod, JoinRule, KeyRule, prefix_rules
from .matching import check_classes, check_weights
from .methods import METHODS, get_method, register_method

__all__ = [
    'METHODS', 'CheckpointMethod', 'ImportReport', 'JoinRule', 'KeyRule', 'check_classes',
    'check_weights', 'export_state_dict', 'get_method', 'import_state_dict', 'prefix_rules',
    'read_state_dict', 'register_method', 'write_state_dict',
]  # fmt: skip
