"""Head of AMMNet and the layer that only it uses."""

from .feature_modulation import FeatureModulation
from .modulated_completion_head import ModulatedCompletionHead

__all__ = ['FeatureModulation', 'ModulatedCompletionHead']
