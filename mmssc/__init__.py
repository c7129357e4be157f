"""Semantic scene completion on mmengine: one library, a method is a config."""

from .compat import (
    check_mmcv_installation,
    install_mmcv_stand_in,
    register_package_configs,
    report_full_shared_memory,
    secure_checkpoint_io,
    secure_config_texts,
)
from .version import __version__

# All are idempotent and cheap: no mm package and no torch is imported here.
check_mmcv_installation()
install_mmcv_stand_in()
secure_checkpoint_io()
secure_config_texts()
report_full_shared_memory()
register_package_configs()

__all__ = ['__version__']
