"""MonoScene (CVPR 2022, arXiv 2112.00726): completion from one RGB image, as a plug-in."""

from .completor import MonoScene
from .context_prior import ContextPrior
from .efficientnet_unet import EfficientNetUNet
from .volume_unet import ContextVolumeUNet

__all__ = ['ContextPrior', 'ContextVolumeUNet', 'EfficientNetUNet', 'MonoScene']
