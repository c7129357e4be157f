"""Heads of 3D-Sketch and the conditional VAE that only they use."""

from .sketch_cvae import SketchCVAE
from .sketch_head import SketchHead, SketchSemanticHead

__all__ = ['SketchCVAE', 'SketchHead', 'SketchSemanticHead']
