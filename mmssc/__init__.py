"""Semantic scene completion on mmengine: one library, a method is a config."""

from .compat import install_mmcv_stand_in, secure_checkpoint_io
from .version import __version__

# Both are idempotent and cheap: no mm package and no torch is imported here.
install_mmcv_stand_in()
secure_checkpoint_io()

__all__ = ['__version__']
