"""Batch normalisation folded into the convolutions before it, for a model that only predicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ['fuse_for_inference']

_CONVS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
Model = TypeVar('Model', bound=nn.Module)


def fuse_for_inference(model: Model) -> Model:
    """Fold batch normalisation into convolutions, in place.

    The outputs stay the same up to rounding. The model can no longer learn, and its checkpoint no
    longer fits its config. Folded are pairs that surely follow each other:

    - neighbours in an ``nn.Sequential``;
    - the pairs that a module names in ``conv_norm_pairs``, a tuple of two attribute names each;
    - ``convN`` and the layer that ``normN_name`` names, as in the ResNets of mmdet and mmseg.

    Other modules, those of plug-ins included, stay as they are.

    Args:
        model: In evaluation mode; in training mode nothing is folded.

    Returns:
        The same model.
    """
    for module in list(model.modules()):
        for conv_name, norm_name in _pairs(module):
            conv, norm = module._modules.get(conv_name), module._modules.get(norm_name)
            if isinstance(conv, _CONVS) and isinstance(norm, _BatchNorm) and _can_fuse(conv, norm):
                fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, _TRANSPOSED))
                setattr(module, conv_name, fused)
                setattr(module, norm_name, nn.Identity())
    return model


def _pairs(module: nn.Module) -> Iterator[tuple[str, str]]:
    # A subclass of these may have a forward pass of its own.
    if type(module) is nn.Sequential:
        names = list(module._modules)
        yield from zip(names, names[1:])
    yield from getattr(module, 'conv_norm_pairs', ())
    for number in (1, 2, 3):
        name = getattr(module, f'norm{number}_name', None)
        if isinstance(name, str):
            yield f'conv{number}', name


def _can_fuse(conv: _ConvNd, norm: _BatchNorm) -> bool:
    return (
        not (conv.training or norm.training)
        and norm.running_mean is not None
        and norm.running_var is not None
        and not (isinstance(conv, _TRANSPOSED) and conv.groups > 1)
        and not (conv._forward_hooks or norm._forward_pre_hooks or norm._forward_hooks)
    )
