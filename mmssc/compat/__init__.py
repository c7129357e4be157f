"""The only place that touches other packages' internals.

Importing it is cheap: neither torch nor an mm package is imported. The changes to mmengine are made
when mmengine itself is imported.
"""

from ..errors import UnsafeCheckpointError
from .checkpoints import WEIGHTS, load_checkpoint_file, read_checkpoint, secure_checkpoint_io
from .config_copy import own_configs_stay
from .config_texts import secure_config_texts
from .distributed import init_cpu_process_group
from .loader_workers import (
    SHARED_MEMORY,
    full_shared_memory,
    loader_worker_errors,
    readable_size,
    report_full_shared_memory,
    shared_bytes,
)
from .mmcv_installation import check_mmcv_installation
from .mmcv_stand_in import MMCV_OPS_HINT, has_compiled_mmcv_ops, install_mmcv_stand_in
from .package_configs import register_package_configs
from .screen_log import known_warnings_hidden, short_screen_log

__all__ = [
    'MMCV_OPS_HINT', 'SHARED_MEMORY', 'WEIGHTS', 'UnsafeCheckpointError', 'check_mmcv_installation',
    'full_shared_memory', 'has_compiled_mmcv_ops', 'init_cpu_process_group',
    'install_mmcv_stand_in', 'known_warnings_hidden', 'load_checkpoint_file',
    'loader_worker_errors', 'own_configs_stay', 'read_checkpoint', 'readable_size',
    'register_package_configs', 'report_full_shared_memory', 'secure_checkpoint_io',
    'secure_config_texts', 'shared_bytes', 'short_screen_log',
]  # fmt: skip
