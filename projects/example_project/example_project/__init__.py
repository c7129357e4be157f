"""Example of a plug-in: a data set and a model that mmssc does not know."""

from .toy_completor import ToyCompletor
from .toy_scenes import ToyScenesDataset

__all__ = ['ToyCompletor', 'ToyScenesDataset']
