"""Checkpoints: reading, matching, publishing, and the import of the authors' files."""

from .files import read_state_dict, weights_of, write_state_dict
from .importer.key_map import CheckpointMethod, JoinRule, KeyRule, prefix_rules
from .importer.methods import METHODS, get_method, register_method
from .importer.state_dicts import ImportReport, export_state_dict, import_state_dict
from .matching import (
    check_classes,
    check_no_empty_weights,
    check_num_classes,
    check_some_weights,
    check_weights,
)

__all__ = [
    'METHODS', 'CheckpointMethod', 'ImportReport', 'JoinRule', 'KeyRule', 'check_classes',
    'check_no_empty_weights', 'check_num_classes', 'check_some_weights', 'check_weights',
    'export_state_dict', 'get_method', 'import_state_dict', 'prefix_rules', 'read_state_dict',
    'register_method', 'weights_of', 'write_state_dict',
]  # fmt: skip
