"""The command ``tools/infer.py``: its options, its inputs, the loop over scenes, its results."""

from .command import infer

__all__ = ['infer']
