"""The command ``tools/infer.py``: its options, its inputs, the loop over scenes, its results."""

from typing import TYPE_CHECKING

from mmssc.lazy_names import lazy_names

if TYPE_CHECKING:
    from .command import infer

__all__ = ['infer']

# The options are in this package, too: --help needs no torch.
__getattr__ = lazy_names(__name__, {'command': ['infer']})
